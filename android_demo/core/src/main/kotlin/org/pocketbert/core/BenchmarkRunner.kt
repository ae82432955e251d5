package org.pocketbert.core

/** How long to measure, after MLPerf Mobile: both minima hold. */
public data class Rules(
    public val warmUp: Int = 20,
    public val queries: Int = 1024,
    public val seconds: Double = 10.0,
    public val coolDown: Double = 0.0,
    /** Minutes to go on afterwards, to see what heat does. */
    public val sustainedMinutes: Int = 0,
)

/** What a measurement ran on; [kind] as in `record.schema.json`. */
public data class Machine(
    public val kind: String,
    public val device: String,
    public val system: String,
    /** Of the app: release or debug. */
    public val buildType: String = "",
    public val soc: String = "",
    public val remarks: List<String> = emptyList(),
)

/** How a measurement looks around; a test hands in its own. */
public class Probes(
    public val nanoTime: () -> Long = System::nanoTime,
    public val sleep: (Long) -> Unit = Thread::sleep,
    public val memory: () -> Memory = ::memory,
    /** The system's own word, as in [HEAT]; null where it tells none. */
    public val heat: () -> String? = { null },
    public val charging: () -> Boolean? = { null },
    /** Whether this process has loaded no runtime before. */
    public val fresh: Boolean = false,
)

/** Words for how hot a device is, from the coolest; Android's own thermal states. */
public val HEAT: List<String> =
    listOf("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")

/** A record, and the place of the label that each real text was given. */
public class Measured(public val record: LatencyRecord, public val labels: List<Int>)

/**
 * Measures one artefact of a bundle.
 *
 * @param stopped a reason to give up, asked for between queries.
 */
public class BenchmarkRunner(
    private val bundle: Bundle,
    private val artifact: Artifact,
    private val factory: ClassifierFactory,
    private val machine: Machine,
    private val probes: Probes = Probes(),
    private val stopped: () -> String? = { null },
) {
    private val nanoTime = probes.nanoTime

    /**
     * Load once, measure by [rules], and only then have the golden cases reproduced: what ran
     * before would warm the caches that loading is measured with. [progress] goes from 0 to 1.
     *
     * @throws BundleException it was measured, but answers otherwise than sealed.
     * @throws Stopped there was a reason to give up.
     */
    public fun run(rules: Rules, progress: (Float) -> Unit = {}): Measured {
        coolDown(rules)
        artifact.checkRuntime(factory)
        val heat = probes.heat()
        val before = probes.memory()
        val begun = nanoTime()
        val classifier = factory.load(artifact)
        val labels: List<Int>
        val record: LatencyRecord
        try {
            val first = bundle.realTexts.first()
            classifier.logits(bundle.tokenizer.encode(first))
            val load = (nanoTime() - begun) / NANOS_A_MILLISECOND
            val loaded = probes.memory()
            val started = nanoTime()
            val steps = measure(classifier, rules) { progress(it * shareOf(rules)) }
            val seconds = (nanoTime() - started) / NANOS_A_SECOND
            val byLength = byLength(classifier)
            val minutes = sustain(classifier, rules, progress)
            labels = bundle.realTexts
                .map { highest(classifier.logits(bundle.tokenizer.encode(it))) }
            record = LatencyRecord(
                machine = machine,
                artifact = artifact.name,
                sha256 = artifact.sha256,
                runtime = classifier.runtime,
                rules = rules,
                seconds = seconds,
                loadMs = load.takeIf { probes.fresh },
                memoryBefore = before.resident.takeIf { probes.fresh },
                memoryLoaded = loaded.resident.takeIf { probes.fresh },
                memoryPeak = probes.memory().peak.takeIf { probes.fresh },
                wall = steps,
                byLength = byLength,
                minutes = minutes,
                thermal = heat?.let { Thermal(it, probes.heat() ?: it) },
                charging = probes.charging(),
            )
            bundle.reproduce(artifact, classifier)
        } finally {
            classifier.close()
        }
        val closed = probes.memory().resident.takeIf { probes.fresh }
        return Measured(record.copy(memoryClosed = closed), labels)
    }

    /** Rest, then wait for a cool device; give up when it stays hot. */
    private fun coolDown(rules: Rules) {
        rest(rules.coolDown)
        var waited = 0.0
        while (HEAT.indexOf(probes.heat()) > HEAT.indexOf(COOL)) {
            if (waited >= LONGEST_WAIT) {
                throw RuntimeFailure(
                    "The phone is ${probes.heat()}ly hot after ${waited.toInt()} s of rest, and " +
                        "$COOL is allowed. Take it off the charger and out of the sun.",
                )
            }
            rest(LOOK)
            waited += LOOK
        }
    }

    private fun rest(seconds: Double) {
        var left = seconds
        while (left > 0) {
            goOn()
            probes.sleep((minOf(left, 1.0) * MILLIS).toLong())
            left -= 1
        }
    }

    private fun goOn() = stopped()?.let { throw Stopped("Measuring was stopped: $it") }

    private fun measure(
        classifier: Classifier,
        rules: Rules,
        progress: (Float) -> Unit,
    ): Steps {
        val engine = ChatEngine(bundle, artifact, classifier, nanoTime)
        val texts = texts()
        repeat(rules.warmUp) { engine.answer(texts.next()) }
        val recorder = LatencyRecorder()
        val started = nanoTime()
        var count = 0
        do {
            goOn()
            val begun = nanoTime()
            val answer = engine.answer(texts.next())
            recorder.add(answer, nanoTime() - begun)
            count++
            val spent = (nanoTime() - started) / NANOS_A_SECOND
            progress(minOf(count.toFloat() / rules.queries, share(spent, rules.seconds)))
        } while (count < rules.queries || spent < rules.seconds)
        return recorder.steps()!!
    }

    /** Inference without a pause, summed up by the minute. */
    private fun sustain(
        classifier: Classifier,
        rules: Rules,
        progress: (Float) -> Unit,
    ): List<Minute> {
        val texts = texts()
        return List(rules.sustainedMinutes) { minute ->
            val spent = ArrayList<Long>()
            val started = nanoTime()
            do {
                goOn()
                val ids = bundle.tokenizer.encode(texts.next())
                val begun = nanoTime()
                classifier.logits(ids)
                spent += nanoTime() - begun
            } while (nanoTime() - started < NANOS_A_MINUTE)
            val done = shareOf(rules) + (1 - shareOf(rules)) * (minute + 1) / rules.sustainedMinutes
            progress(done)
            summarize(spent).run { Minute(p50, p90, n, probes.heat() ?: "unknown") }
        }
    }

    /** Of the whole time, that of the queries which are not sustained. */
    private fun shareOf(rules: Rules): Float =
        if (rules.sustainedMinutes == 0) 1f else SHARE_OF_QUERIES

    private fun texts() = generateSequence(0) { (it + 1) % bundle.realTexts.size }
        .map { bundle.realTexts[it] }.iterator()

    private fun share(spent: Double, seconds: Double): Float =
        if (seconds > 0) minOf(1.0, spent / seconds).toFloat() else 1f

    /** Inference over real words, cut to exactly so many tokens. */
    private fun byLength(classifier: Classifier): Map<Int, Latency> {
        val encoded = bundle.realTexts.map { bundle.tokenizer.encode(it) }
        val first = encoded.first().first()
        val last = encoded.first().last()
        val words = encoded.flatMap { it.slice(1 until it.lastIndex) }
        if (words.isEmpty()) return emptyMap()
        return LENGTHS.filter { it <= artifact.lengths.last() }.associateWith { tokens ->
            goOn()
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
        const val SHARE_OF_QUERIES = 0.1f
        const val MILLIS = 1e3
        const val COOL = "light"
        const val LOOK = 10.0 // seconds between two looks at the heat
        const val LONGEST_WAIT = 300.0
    }
}

/** The share of texts to which every row of [labels] gives the same one. */
internal fun agreement(labels: List<List<Int>>): Double? {
    if (labels.size < 2) return null
    val texts = labels.first().indices
    return texts.count { text -> labels.all { it[text] == labels.first()[text] } } /
        texts.count().toDouble()
}
