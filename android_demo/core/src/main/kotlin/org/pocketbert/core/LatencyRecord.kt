package org.pocketbert.core

import com.google.gson.GsonBuilder
import com.google.gson.JsonArray
import com.google.gson.JsonObject
import java.io.File

/** What an artefact cost on one machine; `pipeline/measure/record.py` reads it. */
data class LatencyRecord(
    val machine: Machine,
    val artifact: String,
    val sha256: String,
    val runtime: String,
    val rules: Rules,
    val seconds: Double,
    val loadMs: Double,
    val memoryBefore: Long?,
    val memoryLoaded: Long?,
    val wall: Steps,
    val byLength: Map<Int, Latency>,
) {
    /** The record in schema 1.0. */
    fun toJson(): String {
        val json = JsonObject().apply {
            addProperty("schema", "1.0")
            addProperty("kind", machine.kind)
            addProperty("device", machine.device)
            addProperty("system", machine.system)
            addProperty("artifact", artifact)
            addProperty("sha256", sha256)
            addProperty("runtime", runtime)
            addProperty("threads", 1)
            addProperty("warm_up", rules.warmUp)
            addProperty("seconds", seconds)
            addProperty("cool_down_s", rules.coolDown)
            addProperty("load_ms", loadMs)
            addProperty("loads", 1)
            addProperty("memory_before_bytes", memoryBefore)
            addProperty("memory_loaded_bytes", memoryLoaded)
            add("wall", wall.toJson())
            add("by_length", lengths())
        }
        return GsonBuilder().setPrettyPrinting().create().toJson(json) + "\n"
    }

    private fun lengths() = JsonArray().also { list ->
        byLength.forEach { (tokens, latency) ->
            list.add(
                JsonObject().apply {
                    addProperty("tokens", tokens)
                    add("inference", latency.toJson())
                },
            )
        }
    }
}

/** Bytes that this process holds in memory, as Linux and Android tell it; null elsewhere. */
fun residentBytes(): Long? = File("/proc/self/status").takeIf { it.canRead() }
    ?.useLines { lines -> lines.firstOrNull { it.startsWith("VmRSS:") } }
    ?.filter { it.isDigit() }?.toLong()?.times(KIBIBYTE)

private fun Steps.toJson() = JsonObject().apply {
    add("tokenize", tokenize.toJson())
    add("inference", inference.toJson())
    add("answer", answer.toJson())
}

private fun Latency.toJson() = JsonObject().apply {
    addProperty("p50", p50)
    addProperty("p90", p90)
    addProperty("p99", p99)
    addProperty("min", min)
    addProperty("n", n)
}

private const val KIBIBYTE = 1024
