package org.pocketbert.core

import java.io.File
import java.io.IOException

/** A measurement of the past. */
public data class Entry(
    public val millis: Long,
    public val runtime: String,
    public val p50: Double,
    public val p90: Double,
    public val heat: String,
)

/** Records that were measured in the app, one file each below [folder], newest first. */
public class History(private val folder: File, private val now: () -> Long) {
    /** Keep the records of [comparison], and drop the oldest beyond [MOST]. */
    public fun add(comparison: Comparison) {
        try {
            folder.mkdirs()
            val time = now()
            comparison.records.forEach {
                writeWhole(File(folder, "$time-${it.artifact}.json"), it.toJson())
            }
            files().drop(MOST).forEach { it.delete() }
        } catch (_: IOException) {
            // A full disk: the figures are on the screen.
        }
    }

    /** What was measured; files that are none of ours are passed over. */
    public fun entries(): List<Entry> = files().mapNotNull { file ->
        try {
            val record = parseFields(file.inputStream())
            val inference = record["wall"]["inference"]
            val heat = record.entries()["thermal"]?.get("after")?.text()
            Entry(
                file.name.substringBefore('-').toLong(),
                record["runtime"].text(),
                inference["p50"].decimal(0.0..LARGEST),
                inference["p90"].decimal(0.0..LARGEST),
                heat ?: "unknown",
            )
        } catch (_: IOException) {
            null
        } catch (_: RuntimeException) {
            null
        }
    }

    private fun files() = folder.listFiles().orEmpty().filter { it.name.endsWith(".json") }
        .sortedByDescending { it.name }

    private companion object {
        const val MOST = 20
    }
}
