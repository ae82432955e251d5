package org.pocketbert.core

import java.io.Closeable
import java.io.File

/** A loaded artefact. Not for use from two threads at once. */
public interface Classifier : Closeable {
    /** What computes the logits, with its version. */
    public val runtime: String

    /**
     * Logits, one a label, of the ids of one text.
     *
     * @throws InputException ids that no runtime may see.
     * @throws RuntimeFailure the runtime failed.
     */
    public fun logits(ids: IntArray): FloatArray
}

/** Makes classifiers of one runtime. */
public fun interface ClassifierFactory {
    /** Of the runtime: an artefact that needs a later one is refused; null takes any. */
    public val version: String? get() = null

    /** Of the inputs that this adapter writes; null writes any. */
    public val dtype: String? get() = null

    /**
     * Load [artifact], once its digest is checked.
     *
     * @throws BundleException the file is not the one that was sealed.
     * @throws RuntimeFailure the runtime refuses the file.
     */
    public fun load(artifact: Artifact): Classifier
}

/** One artefact of a bundle, and how it is to be called; fields as in `docs/bundle.md`. */
public data class Artifact(
    public val name: String,
    public val path: String,
    public val sha256: String,
    public val inputs: List<String>,
    public val dtype: String,
    public val lengths: List<Int>,
    public val dynamic: Boolean,
    public val vocabulary: Int,
    public val labels: Int,
    public val minRuntime: String,
    public val temperature: Float,
    public val threshold: Float,
    public val tolerance: Float,
    internal val seen: String? = null, // stamp of the file when its digest was last found right
) {
    /** The shortest sequence length that holds [tokens]. */
    public fun lengthFor(tokens: Int): Int =
        if (dynamic) maxOf(tokens, lengths.first()) else lengths.first { it >= tokens }

    /** [logits] of [runtime], one a label. */
    public fun check(logits: FloatArray, runtime: String): FloatArray {
        if (logits.size == labels) return logits
        throw RuntimeFailure(
            "$runtime gives ${logits.size} logits, and $labels labels are sealed. " +
                "Make the bundle again.",
        )
    }

    /** Refuse a file that was changed since the bundle was opened: a runtime may die of it. */
    public fun checkFile() {
        val now = stamp(File(path))
        if (now != null && now == seen) return
        val digest = now?.let { sha256(File(path)) }
        if (digest == sha256) return
        throw BundleException(
            "$path is ${if (digest == null) "missing" else "damaged"}. Install the bundle again.",
        )
    }

    /** Refuse [ids] that would harm a runtime. */
    public fun check(ids: IntArray) {
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

    /** Refuse a runtime that is older than the exporter asks for, or fed with other numbers. */
    internal fun checkRuntime(factory: ClassifierFactory) {
        val has = factory.version
        val needs = minRuntime.substringAfterLast(' ')
        if (has != null && compareVersions(has, needs) < 0) {
            throw RuntimeFailure("$name needs $minRuntime, and this app has $has. Update the app.")
        }
        if (factory.dtype != null && factory.dtype != dtype) {
            throw RuntimeFailure(
                "$name takes $dtype, and this app writes ${factory.dtype}. Update the app.",
            )
        }
    }
}

/** By their numbers, from the left: 1.10 is later than 1.9. */
internal fun compareVersions(one: String, other: String): Int {
    fun numbers(version: String) = version.split('.').map { part ->
        part.takeWhile { it in '0'..'9' }.take(NINE).ifEmpty { "0" }.toInt()
    }
    val (left, right) = numbers(one) to numbers(other)
    return (0 until maxOf(left.size, right.size)).firstNotNullOfOrNull { place ->
        val order = left.getOrElse(place) { 0 }.compareTo(right.getOrElse(place) { 0 })
        order.takeIf { it != 0 }
    } ?: 0
}

private const val NINE = 9 // digits that an Int holds
