package org.pocketbert.core

import kotlin.math.ceil
import kotlin.math.floor

/** Distribution of one step's duration in milliseconds. */
public data class Latency(
    public val p50: Double,
    public val p90: Double,
    public val p99: Double,
    public val min: Double,
    public val n: Int,
)

/** A query's steps; [answer] is all of it, from the text to the reply. */
public data class Steps(
    public val tokenize: Latency,
    public val inference: Latency,
    public val answer: Latency,
)

/** Percentiles of at least one duration in nanoseconds, between neighbours by interpolation. */
public fun summarize(nanos: Collection<Long>): Latency {
    val sorted = nanos.sorted()
    fun percentile(share: Double): Double {
        val place = share * (sorted.size - 1)
        val below = sorted[floor(place).toInt()]
        val above = sorted[ceil(place).toInt()]
        return (below + (above - below) * (place - floor(place))) / NANOS_A_MILLISECOND
    }
    return Latency(
        percentile(0.5),
        percentile(0.9),
        percentile(0.99),
        sorted.first() / NANOS_A_MILLISECOND,
        sorted.size,
    )
}

/** How many [values] fall into each of [bins] equal parts from the lowest to the highest. */
public fun histogram(values: List<Double>, bins: Int): List<Int> {
    val low = values.min()
    val width = (values.max() - low) / bins
    val counts = IntArray(bins)
    for (value in values) {
        counts[if (width > 0) ((value - low) / width).toInt().coerceAtMost(bins - 1) else 0]++
    }
    return counts.toList()
}

/** Collects what answers cost, step by step. */
public class LatencyRecorder {
    private val tokenize = ArrayList<Long>()
    private val inference = ArrayList<Long>()
    private val whole = ArrayList<Long>()

    /** Count an [answer] that took [nanos] in all. */
    public fun add(answer: Answer, nanos: Long) {
        tokenize += answer.tokenizeNanos
        inference += answer.inferenceNanos
        whole += nanos
    }

    /** Null before the first answer. */
    public fun steps(): Steps? = if (whole.isEmpty()) {
        null
    } else {
        Steps(summarize(tokenize), summarize(inference), summarize(whole))
    }

    /** Every inference in milliseconds, in the order they ran. */
    public fun inferences(): List<Double> = inference.map { it / NANOS_A_MILLISECOND }
}

internal const val NANOS_A_MILLISECOND = 1e6

internal const val NANOS_A_SECOND = 1e9
internal const val NANOS_A_MINUTE = 60_000_000_000L
