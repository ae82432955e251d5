package org.pocketbert.core

import com.google.gson.stream.JsonWriter
import java.io.File
import java.io.IOException
import java.io.StringWriter

/** Before and after, in the system's own words. */
public data class Thermal(public val before: String, public val after: String)

/** Inference in one minute of many. */
public data class Minute(
    public val p50: Double,
    public val p90: Double,
    public val n: Int,
    public val thermal: String,
)

/** What an artefact cost on one machine; `pipeline/measure/record.py` reads it. */
public data class LatencyRecord(
    public val machine: Machine,
    public val artifact: String,
    public val sha256: String,
    public val runtime: String,
    public val rules: Rules,
    public val seconds: Double,
    /** Of a fresh process, from the runtime's library to the first answer; else null. */
    public val loadMs: Double?,
    public val memoryBefore: Long?,
    public val memoryLoaded: Long?,
    public val memoryPeak: Long? = null,
    /** What stays once the artefact is closed. */
    public val memoryClosed: Long? = null,
    public val wall: Steps,
    public val byLength: Map<Int, Latency>,
    public val minutes: List<Minute> = emptyList(),
    public val thermal: Thermal? = null,
    public val charging: Boolean? = null,
) {
    /** The record in schema 1.0. */
    public fun toJson(): String {
        val text = StringWriter()
        JsonWriter(text).use { json ->
            json.setIndent("  ")
            json.beginObject()
            json.machine()
            json.measured()
            json.endObject()
        }
        return "$text\n"
    }

    private fun JsonWriter.machine() {
        name("schema").value("1.0")
        name("kind").value(machine.kind)
        name("device").value(machine.device)
        name("system").value(machine.system)
        name("build_type").value(machine.buildType)
        name("soc").value(machine.soc)
        name("charging").value(charging)
        thermal?.let {
            name("thermal").beginObject()
            name("before").value(it.before)
            name("after").value(it.after)
            endObject()
        }
        name("remarks").beginArray()
        machine.remarks.forEach { value(it) }
        endArray()
    }

    private fun JsonWriter.measured() {
        name("artifact").value(artifact)
        name("sha256").value(sha256)
        name("runtime").value(runtime)
        name("threads").value(1)
        name("warm_up").value(rules.warmUp)
        name("seconds").value(seconds)
        name("cool_down_s").value(rules.coolDown)
        name("load_ms").value(loadMs)
        name("loads").value(if (loadMs == null) 0 else 1)
        name("memory_before_bytes").value(memoryBefore)
        name("memory_loaded_bytes").value(memoryLoaded)
        name("memory_peak_bytes").value(memoryPeak)
        name("memory_closed_bytes").value(memoryClosed)
        name("wall").beginObject()
        for ((step, latency) in listOf(
            "tokenize" to wall.tokenize, "inference" to wall.inference, "answer" to wall.answer,
        )) {
            name(step)
            latency(latency)
        }
        endObject()
        name("by_length").beginArray()
        byLength.forEach { (tokens, latency) ->
            beginObject()
            name("tokens").value(tokens)
            name("inference")
            latency(latency)
            endObject()
        }
        endArray()
        name("minutes").beginArray()
        minutes.forEach {
            beginObject()
            name("p50").value(it.p50)
            name("p90").value(it.p90)
            name("n").value(it.n)
            name("thermal").value(it.thermal)
            endObject()
        }
        endArray()
    }

    private fun JsonWriter.latency(latency: Latency) {
        beginObject()
        name("p50").value(latency.p50)
        name("p90").value(latency.p90)
        name("p99").value(latency.p99)
        name("min").value(latency.min)
        name("n").value(latency.n)
        endObject()
    }
}

/**
 * Write what [measure] returns into [file], and beside it `<file>.sha256`: its digest, or `error: `
 * and the reason. Who waits for that marker never reads half of it.
 */
public fun writeRecord(file: File, measure: () -> String) {
    val said = try {
        file.writeText(measure())
        sha256(file)
    } catch (error: PocketbertException) {
        "error: ${error.message}"
    } catch (error: IOException) {
        "error: the record cannot be written, ${error.message}"
    } catch (error: Throwable) { // whatever ends the thread: who waits must be told
        "error: $error"
    }
    writeWhole(File("${file.path}.sha256"), said)
}

/** Bytes that this process holds in memory, now and at most. */
public data class Memory(public val resident: Long?, public val peak: Long?)

/** As Linux and Android tell it; null elsewhere. */
public fun memory(): Memory {
    val lines = File("/proc/self/status").takeIf { it.canRead() }?.readLines().orEmpty()
    fun kibibytes(name: String) = lines.firstOrNull { it.startsWith(name) }
        ?.filter { it.isDigit() }?.toLong()?.times(KIBIBYTE)
    return Memory(kibibytes("VmRSS:"), kibibytes("VmHWM:"))
}

private const val KIBIBYTE = 1024
