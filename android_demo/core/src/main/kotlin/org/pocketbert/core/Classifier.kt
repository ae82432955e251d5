package org.pocketbert.core

import java.io.Closeable
import java.io.File

/** A loaded artefact. Not for use from two threads at once. */
interface Classifier : Closeable {
    /** What computes the logits, with its version. */
    val runtime: String

    /**
     * Logits, one a label, of the ids of one text.
     *
     * @throws InputException ids that no runtime may see.
     * @throws RuntimeFailure the runtime failed.
     */
    fun logits(ids: IntArray): FloatArray
}

/** Makes classifiers of one runtime. */
fun interface ClassifierFactory {
    /**
     * Load [artifact], once its digest is checked.
     *
     * @throws BundleException the file is not the one that was sealed.
     * @throws RuntimeFailure the runtime refuses the file.
     */
    fun load(artifact: Artifact): Classifier
}

/** One artefact of a bundle, and how it is to be called; fields as in `docs/bundle.md`. */
data class Artifact(
    val name: String,
    val path: String,
    val sha256: String,
    val inputs: List<String>,
    val lengths: List<Int>,
    val dynamic: Boolean,
    val vocabulary: Int,
    val labels: Int,
    val minRuntime: String,
    val temperature: Float,
    val threshold: Float,
    val tolerance: Float,
) {
    /** The shortest sequence length that holds [tokens]. */
    fun lengthFor(tokens: Int): Int =
        if (dynamic) maxOf(tokens, lengths.first()) else lengths.first { it >= tokens }

    /** [logits] of [runtime], one a label. */
    fun check(logits: FloatArray, runtime: String): FloatArray {
        if (logits.size == labels) return logits
        throw RuntimeFailure(
            "$runtime gives ${logits.size} logits, and $labels labels are sealed. " +
                "Make the bundle again.",
        )
    }

    /** Refuse a file that was changed since the bundle was opened: a runtime may die of it. */
    fun checkFile() {
        val digest = File(path).takeIf { it.isFile }?.let(::sha256)
        if (digest == sha256) return
        throw BundleException(
            "$path is ${if (digest == null) "missing" else "damaged"}. Install the bundle again.",
        )
    }

    /** Refuse [ids] that would harm a runtime. */
    fun check(ids: IntArray) {
        if (ids.isEmpty() || ids.size > lengths.last()) {
            throw InputException(
                "The sequence has ${ids.size} tokens; give 1 to ${lengths.last()}, or truncate.",
            )
        }
        val bad = ids.firstOrNull { it !in 0 until vocabulary } ?: return
        throw InputException(
            "input_ids hold $bad; values from 0 to ${vocabulary - 1} are allowed. " +
                "Encode with the bundle's own vocabulary.",
        )
    }
}
