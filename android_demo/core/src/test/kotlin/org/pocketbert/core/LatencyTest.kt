package org.pocketbert.core

import com.google.gson.JsonParser
import java.io.File
import java.io.IOException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class LatencyTest {
    @TempDir
    lateinit var folder: File

    @Test
    fun percentilesAreThoseOfPython() {
        val latency = summarize((1L..100L).map { it * 1_000_000 })
        assertEquals(50.5, latency.p50, 1e-9)
        assertEquals(90.1, latency.p90, 1e-9)
        assertEquals(99.01, latency.p99, 1e-9)
        assertEquals(1.0, latency.min, 1e-9)
        assertEquals(100, latency.n)
        assertEquals(7.0, summarize(listOf(7_000_000L)).p99, 1e-9)
    }

    @Test
    fun histogramCountsEveryValueOnce() {
        assertEquals(listOf(2, 0, 1), histogram(listOf(1.0, 1.5, 4.0), 3))
        assertEquals(listOf(3, 0), histogram(listOf(2.0, 2.0, 2.0), 2))
    }

    @Test
    fun recordIsWrittenWithItsDigestOrTheReason() {
        val file = File(folder, "record.json")
        val marker = File(folder, "record.json.sha256")
        writeRecord(file) { "the record" }
        assertEquals(sha256(file), marker.readText())
        writeRecord(file) { throw BundleException("it is damaged") }
        assertEquals("error: it is damaged", marker.readText())
        writeRecord(file) { throw IOException("no space left") }
        assertEquals("error: the record cannot be written, no space left", marker.readText())
        writeRecord(file) { throw UnsatisfiedLinkError("no such library") }
        assertTrue("no such library" in marker.readText())
        writeRecord(file) { throw OutOfMemoryError("of heap") }
        assertTrue("of heap" in marker.readText())
        writeRecord(file) { throw StackOverflowError() }
        assertTrue("StackOverflow" in marker.readText())
        assertEquals(2, folder.list()!!.size)
    }

    @Test
    fun recorderIsEmptyBeforeTheFirstAnswer() = assertNull(LatencyRecorder().steps())

    private class Clock {
        var now = 0L
        val slept = ArrayList<Long>()
    }

    private val artifact get() = Given.bundle.artifacts.values.first()

    /** What gives every golden text the logits that were sealed. */
    private class Faithful(private val artifact: Artifact) : Classifier {
        private val byIds = Given.bundle.golden.associateBy { it.ids.toList() }
        override val runtime = "faithful"
        var closed = false

        override fun logits(ids: IntArray) =
            byIds[ids.toList()]?.logits?.getValue(artifact.name) ?: Given.logits(0, 9f)

        override fun close() {
            closed = true
        }
    }

    private fun runner(
        clock: Clock,
        classifier: Classifier,
        heat: () -> String? = { null },
        fresh: Boolean = true,
        stopped: () -> String? = { null },
    ) = BenchmarkRunner(
        Given.bundle,
        artifact,
        { classifier },
        Machine("host", "a computer", "a system", "release", "a chip", listOf("a remark")),
        Probes(
            nanoTime = { clock.now += 1_000_000; clock.now }, // a millisecond at every look
            sleep = { clock.slept += it },
            memory = { Memory(1024, 2048) },
            heat = heat,
            charging = { true },
            fresh = fresh,
        ),
        stopped,
    )

    @Test
    fun benchmarkKeepsBothMinimaAndRestsBefore() {
        val clock = Clock()
        val classifier = Faithful(artifact)
        val byCount = runner(clock, classifier)
            .run(Rules(warmUp = 3, queries = 50, seconds = 0.0, coolDown = 1.5)).record
        assertEquals(50, byCount.wall.answer.n)
        assertEquals(listOf(1000L, 500L), clock.slept)
        assertEquals(1.0, byCount.wall.inference.p50, 1e-9)
        assertTrue(classifier.closed)
        val byTime = runner(clock, classifier).run(Rules(queries = 1, seconds = 2.0)).record
        assertTrue(byTime.wall.answer.n > 100 && byTime.seconds >= 2.0)
        val json = JsonParser.parseString(byCount.toJson()).asJsonObject
        assertEquals("host", json.get("kind").asString)
        assertEquals("release", json.get("build_type").asString)
        assertEquals(artifact.sha256, json.get("sha256").asString)
        assertEquals(8, json.getAsJsonArray("by_length")[0].asJsonObject.get("tokens").asInt)
    }

    @Test
    fun loadIsMeasuredBeforeAnythingElseAndOnlyInAFreshProcess() {
        val clock = Clock()
        var looks = 0
        val classifier = object : Classifier by Faithful(artifact) {
            override fun logits(ids: IntArray) =
                Faithful(artifact).logits(ids).also { if (looks++ == 0) clock.now += 41_000_000 }
        }
        val record = runner(clock, classifier).run(Rules(queries = 1, seconds = 0.0)).record
        assertEquals(42.0, record.loadMs!!, 1e-9) // the first call, and the clock's own step
        assertEquals(1024L to 2048L, record.memoryLoaded to record.memoryPeak)
        assertEquals(1024L, record.memoryClosed)
        val rules = Rules(queries = 1, seconds = 0.0)
        val warm = runner(clock, classifier, fresh = false).run(rules).record
        assertNull(warm.loadMs)
        assertNull(warm.memoryLoaded)
        assertTrue("\"load_ms\": null" in warm.toJson() && "\"loads\": 0" in warm.toJson())
    }

    @Test
    fun wrongAnswersAreNeverARecord() {
        val clock = Clock()
        val wrong = Given.FixedClassifier(Given.logits(1, 99f))
        val error = assertThrows(BundleException::class.java) {
            runner(clock, wrong).run(Rules(queries = 5, seconds = 0.0))
        }
        assertTrue("logits that differ by" in error.message!!)
        assertTrue(wrong.closed)
    }

    @Test
    fun hotPhoneIsWaitedForAndGivenUp() {
        val clock = Clock()
        val heats = ArrayList(listOf("severe", "moderate"))
        val rules = Rules(queries = 1, seconds = 0.0)
        val cooling = { if (clock.slept.size < 20) heats[clock.slept.size / 10] else "light" }
        val record = runner(clock, Faithful(artifact), cooling).run(rules).record
        assertEquals(20_000L, clock.slept.sum())
        assertEquals(Thermal("light", "light"), record.thermal)
        val error = assertThrows(RuntimeFailure::class.java) {
            runner(clock, Faithful(artifact), { "severe" }).run(rules)
        }
        assertTrue("severely hot after 300 s" in error.message!!, error.message)
    }

    @Test
    fun sustainedModeSumsUpEveryMinute() {
        val rules = Rules(queries = 1, seconds = 0.0, sustainedMinutes = 3)
        val shares = ArrayList<Float>()
        val record = runner(Clock(), Faithful(artifact), { "light" }).run(rules) { shares += it }
        val minutes = record.record.minutes
        assertEquals(3, minutes.size)
        assertTrue(minutes.all { it.n > 1000 && it.p50 == 1.0 && it.thermal == "light" })
        assertEquals(shares.sorted(), shares)
        assertEquals(1f, shares.last(), 1e-6f)
    }

    @Test
    fun screenThatIsLeftEndsTheMeasurement() {
        val classifier = Faithful(artifact)
        var queries = 0
        val runner = runner(Clock(), classifier) { "the screen was left".takeIf { queries++ > 10 } }
        val error = assertThrows(Stopped::class.java) { runner.run(Rules()) }
        assertEquals("Measuring was stopped: the screen was left", error.message)
        assertTrue(classifier.closed)
    }

    @Test
    fun agreementCountsTextsThatAllRuntimesLabelAlike() {
        assertNull(agreement(listOf(listOf(1, 2))))
        assertEquals(0.75, agreement(listOf(listOf(1, 2, 3, 4), listOf(1, 2, 3, 9)))!!, 1e-9)
    }

    @Test
    fun historyKeepsTheNewestAndPassesOverWhatIsNotOurs() {
        var now = 1000L
        val history = History(folder) { now++ }
        val record = runner(Clock(), Faithful(artifact), { "light" })
            .run(Rules(queries = 1, seconds = 0.0)).record
        File(folder, "1-foreign.json").writeText("{}")
        repeat(30) { history.add(Comparison(listOf(record), null, emptyList())) }
        val entries = history.entries()
        assertEquals(20, entries.size)
        assertEquals(1029L, entries.first().millis)
        assertEquals("faithful" to "light", entries.first().runtime to entries.first().heat)
    }
}
