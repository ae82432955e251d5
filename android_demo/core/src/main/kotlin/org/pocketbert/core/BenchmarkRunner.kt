package org.pocketbert.core

import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING

/** How long to measure, after MLPerf Mobile: both minima hold. */
data class Rules(
    val warmUp: Int = 20,
    val queries: Int = 1024,
    val seconds: Double = 10.0,
    val coolDown: Double = 0.0,
)

/** What a measurement ran on; [kind] as in `record.schema.json`. */
data class Machine(val kind: String, val device: String, val system: String)

/**
 * Write what [measure] returns into [file], and beside it `<file>.sha256`: its digest, or `error: `
 * and the reason. Who waits for that marker never reads half of it.
 */
fun writeRecord(file: File, measure: () -> String) {
    val said = try {
        file.writeText(measure())
        sha256(file)
    } catch (error: PocketbertException) {
        "error: ${error.message}"
    } catch (error: IOException) {
        "error: the record cannot be written, ${error.message}"
    } catch (error: RuntimeException) {
        "error: $error"
    } catch (error: LinkageError) { // a runtime's library that this phone lacks
        "error: $error"
    }
    val aside = File("${file.path}.sha256.new").apply { writeText(said) }
    Files.move(aside.toPath(), File("${file.path}.sha256").toPath(), ATOMIC_MOVE, REPLACE_EXISTING)
}

/** Measures one artefact of a bundle; the clock, the sleep and the memory are handed in. */
class BenchmarkRunner(
    private val bundle: Bundle,
    private val artifact: Artifact,
    private val factory: ClassifierFactory,
    private val machine: Machine,
    private val nanoTime: () -> Long = System::nanoTime,
    private val sleep: (Long) -> Unit = Thread::sleep,
    private val residentBytes: () -> Long? = ::residentBytes,
) {
    /** Load once, measure by [rules]; [progress] goes from 0 to 1. */
    fun run(rules: Rules, progress: (Float) -> Unit = {}): LatencyRecord {
        val before = residentBytes()
        val begun = nanoTime()
        factory.load(artifact).use { classifier ->
            classifier.logits(bundle.tokenizer.encode(bundle.realTexts.first()))
            val load = nanoTime() - begun
            val loaded = residentBytes()
            sleep((rules.coolDown * MILLISECONDS).toLong())
            val started = nanoTime()
            val steps = measure(classifier, rules, progress)
            val took = nanoTime() - started
            return LatencyRecord(
                machine = machine,
                artifact = artifact.name,
                sha256 = artifact.sha256,
                runtime = classifier.runtime,
                rules = rules,
                seconds = took / NANOS_A_SECOND,
                loadMs = load / NANOS_A_MILLISECOND,
                memoryBefore = before,
                memoryLoaded = loaded,
                wall = steps,
                byLength = byLength(classifier),
            )
        }
    }

    private fun measure(
        classifier: Classifier,
        rules: Rules,
        progress: (Float) -> Unit,
    ): Steps {
        val engine = ChatEngine(bundle, artifact, classifier, nanoTime)
        val texts = generateSequence(0) { (it + 1) % bundle.realTexts.size }
            .map { bundle.realTexts[it] }.iterator()
        repeat(rules.warmUp) { engine.answer(texts.next()) }
        val recorder = LatencyRecorder()
        val started = nanoTime()
        var count = 0
        do {
            val begun = nanoTime()
            val answer = engine.answer(texts.next())
            recorder.add(answer, nanoTime() - begun)
            count++
            val spent = (nanoTime() - started) / NANOS_A_SECOND
            progress(minOf(count.toFloat() / rules.queries, share(spent, rules.seconds)))
        } while (count < rules.queries || spent < rules.seconds)
        return recorder.steps()!!
    }

    private fun share(spent: Double, seconds: Double): Float =
        if (seconds > 0) minOf(1.0, spent / seconds).toFloat() else 1f

    /** Inference over real words, cut to exactly so many tokens. */
    private fun byLength(classifier: Classifier): Map<Int, Latency> {
        val encoded = bundle.realTexts.map { bundle.tokenizer.encode(it) }
        val first = encoded.first().first()
        val last = encoded.first().last()
        val words = encoded.flatMap { it.slice(1 until it.lastIndex) }
        return LENGTHS.filter { it <= artifact.lengths.last() }.associateWith { tokens ->
            val ids = IntArray(tokens) { if (it == 0) first else words[(it - 1) % words.size] }
            ids[tokens - 1] = last
            repeat(CALLS / SHARE_OF_WARM_UP) { classifier.logits(ids) }
            summarize(
                List(CALLS) {
                    val begun = nanoTime()
                    classifier.logits(ids)
                    nanoTime() - begun
                },
            )
        }
    }

    private companion object {
        val LENGTHS = listOf(8, 16, 32, 64)
        const val CALLS = 100
        const val SHARE_OF_WARM_UP = 10
        const val MILLISECONDS = 1e3
        const val NANOS_A_SECOND = 1e9
    }
}
