package org.pocketbert.host

import com.google.ai.edge.litert.Environment
import com.google.gson.JsonParser
import java.io.File
import kotlin.math.abs
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource
import org.pocketbert.core.BenchmarkRunner
import org.pocketbert.core.BundleException
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.Given
import org.pocketbert.core.InputException
import org.pocketbert.core.Machine
import org.pocketbert.core.Probes
import org.pocketbert.core.Rules
import org.pocketbert.core.RuntimeFailure
import org.pocketbert.core.sha256
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** The adapters as they ship, over doubles of the libraries and the runtimes' real engines. */
class RuntimeTest {
    @TempDir
    lateinit var folder: File

    private fun factory(name: String): ClassifierFactory =
        if (name == "executorch") ExecuTorchClassifier else LiteRtClassifier

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun logitsAreThoseOfPython(name: String) {
        val expected = JsonParser.parseString(Given.folder("pocketbert.logits").readText())
            .asJsonObject.getAsJsonArray(name)
        var worst = 0f
        Given.bundle.load(name, factory(name)).use { classifier ->
            Given.bundle.golden.forEachIndexed { row, case ->
                val logits = classifier.logits(case.ids)
                val python = expected[row].asJsonArray.map { it.asFloat }
                assertEquals(python.size, logits.size)
                worst = maxOf(worst, logits.indices.maxOf { abs(logits[it] - python[it]) })
            }
        }
        println("$name: ${expected.size()} golden cases, no logit further than $worst from Python's")
        assertTrue(worst <= 1e-4f, "$worst")
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun idsOutOfRangeAreErrors(name: String) {
        val artifact = Given.bundle.artifact(name)
        factory(name).load(artifact).use { classifier ->
            for (bad in listOf(-1, artifact.vocabulary, Int.MAX_VALUE)) {
                assertThrows(InputException::class.java) { classifier.logits(intArrayOf(2, bad)) }
            }
            val tooLong = IntArray(artifact.lengths.last() + 1)
            assertThrows(InputException::class.java) { classifier.logits(tooLong) }
            assertEquals(artifact.labels, classifier.logits(intArrayOf(2, 3)).size)
        }
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun damagedFilesAreErrors(name: String) {
        val artifact = Given.bundle.artifact(name)
        val whole = File(artifact.path).readBytes()
        val flipped = whole.copyOf().also { it[whole.size / 2] = (it[whole.size / 2] + 1).toByte() }
        val file = File(folder, File(artifact.path).name)
        val damaged = artifact.copy(path = file.path)
        // Without the digest, LiteRT ends the process on the first, and answers on the second.
        for (bytes in listOf(whole.copyOf(100), flipped, ByteArray(0))) {
            file.writeBytes(bytes)
            assertThrows(BundleException::class.java) { factory(name).load(damaged) }
        }
        file.delete()
        assertThrows(BundleException::class.java) { factory(name).load(damaged) }
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun whatTheRuntimeSaysIsPassedOn(name: String) {
        val file = File(folder, "model").apply { writeText("no model") }
        val sealed = Given.bundle.artifact(name).copy(path = file.path, sha256 = sha256(file))
        val error = assertThrows(RuntimeFailure::class.java) { factory(name).load(sealed) }
        assertTrue("refuses $file" in error.message!!, error.message)
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun modelsLoadedAndClosedAgainAndAgainAnswerAlike(name: String) {
        // With XNNPACK's weights cache and one workspace for all, as on Android, this once crashed.
        val bundle = Given.bundle
        val texts = listOf(bundle.golden.minBy { it.ids.size }, bundle.golden.maxBy { it.ids.size })
        val first = factory(name).load(bundle.artifact(name))
        val expected = texts.map { first.logits(it.ids).toList() }
        repeat(3) {
            factory(name).load(bundle.artifact(name)).use { second -> // while the first is loaded
                for (text in texts) second.logits(text.ids)
                assertEquals(expected, texts.map { second.logits(it.ids).toList() })
            }
            assertEquals(expected, texts.map { first.logits(it.ids).toList() })
        }
        first.close()
    }

    @Test
    fun environmentIsClosedWithItsModelAndWhereNoneIsLoaded() {
        val before = Environment.open
        LiteRtClassifier.load(Given.bundle.artifact("tflite")).close()
        val file = File(folder, "model").apply { writeText("no model") }
        val none = Given.bundle.artifact("tflite").copy(path = file.path, sha256 = sha256(file))
        assertThrows(RuntimeFailure::class.java) { LiteRtClassifier.load(none) }
        assertEquals(before, Environment.open)
    }

    @Test
    fun processorThatWouldDieOfExecuTorchIsToldFirst() {
        val error = assertThrows(RuntimeFailure::class.java) {
            ExecuTorchClassifier.checkProcessor(setOf("atomics", "asimddp"))
        }
        assertTrue("lacks atomics, asimddp. Use LiteRT" in error.message!!, error.message)
        ExecuTorchClassifier.checkProcessor(emptySet())
    }

    @Test
    fun artefactOfTheOtherRuntimeIsRefused() {
        val pte = Given.bundle.artifact("executorch")
        assertThrows(RuntimeFailure::class.java) { LiteRtClassifier.load(pte) }
        val tflite = Given.bundle.artifact("tflite")
        assertThrows(RuntimeFailure::class.java) { ExecuTorchClassifier.load(tflite) }
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun wrongLogitsKeepTheBundleShut(name: String) {
        val negated = ClassifierFactory { artifact ->
            val inner = factory(name).load(artifact)
            object : Classifier by inner {
                override fun logits(ids: IntArray) =
                    inner.logits(ids).map { -it }.toFloatArray() // planted
            }
        }
        assertThrows(BundleException::class.java) { Given.bundle.load(name, negated) }
    }

    @ParameterizedTest
    @ValueSource(strings = ["executorch", "tflite"])
    fun benchmarkIsMeasured(name: String) {
        val machine = Machine("host", "JVM ${System.getProperty("java.version")}", "host")
        val runner = BenchmarkRunner(
            Given.bundle, Given.bundle.artifact(name), factory(name), machine, Probes(fresh = true),
        )
        val (record, labels) = runner.run(Rules(warmUp = 500, queries = 1024, seconds = 1.0))
            .run { record to labels }
        assertEquals(Given.bundle.realTexts.size, labels.size)
        val tokenize = record.wall.tokenize.p50
        val inference = record.wall.inference.p50
        println("$name: tokenise %.4f ms, infer %.3f ms, p50 (host)".format(tokenize, inference))
        val out = System.getProperty("pocketbert.records") ?: folder.path
        File(out, "$name.json").writeText(record.toJson())
    }
}
