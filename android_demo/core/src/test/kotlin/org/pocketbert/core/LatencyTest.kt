package org.pocketbert.core

import com.google.gson.JsonParser
import java.io.File
import java.io.IOException
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
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
        assertEquals(2, folder.list()!!.size)
    }

    @Test
    fun recorderIsEmptyBeforeTheFirstAnswer() = assertNull(LatencyRecorder().steps())

    @Test
    fun benchmarkKeepsBothMinimaAndRestsBefore() {
        var now = 0L
        val slept = ArrayList<Long>()
        val artifact = Given.bundle.artifacts.values.first()
        val classifier = Given.FixedClassifier(Given.logits(0, 9f))
        val runner = BenchmarkRunner(
            Given.bundle,
            artifact,
            { classifier },
            Machine("host", "a computer", "a system"),
            nanoTime = { now += 1_000_000; now }, // a millisecond at every look
            sleep = { slept += it },
            residentBytes = { 1024 },
        )
        val byCount = runner.run(Rules(warmUp = 3, queries = 50, seconds = 0.0, coolDown = 1.5))
        assertEquals(50, byCount.wall.answer.n)
        assertEquals(listOf(1500L), slept)
        assertEquals(1.0, byCount.wall.inference.p50, 1e-9)
        assertTrue(classifier.closed)
        val byTime = runner.run(Rules(queries = 1, seconds = 2.0))
        assertTrue(byTime.wall.answer.n > 100 && byTime.seconds >= 2.0)
        val json = JsonParser.parseString(byCount.toJson()).asJsonObject
        assertEquals("host", json.get("kind").asString)
        assertEquals(artifact.sha256, json.get("sha256").asString)
        assertEquals(8, json.getAsJsonArray("by_length")[0].asJsonObject.get("tokens").asInt)
    }
}
