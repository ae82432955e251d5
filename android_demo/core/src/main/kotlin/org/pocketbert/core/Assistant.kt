package org.pocketbert.core

import java.io.Closeable
import java.io.File
import java.io.InputStream

/**
 * What answers, and in which runtime.
 *
 * @property signed whether the bundle's signature was checked against the app's key.
 * @property notices what was passed over on the way, such as a runtime that is not for this phone.
 */
public data class Opened(
    public val bundle: String,
    public val artifact: String,
    public val engine: String,
    public val signed: Boolean = false,
    public val notices: List<String> = emptyList(),
)

/** What answers have cost in the runtime that is open. */
public data class Cost(
    public val engine: String,
    public val steps: Steps,
    public val inferences: List<Double>,
)

/** An intent and its confidence, from 0 to 1. */
public data class Ranked(public val label: String, public val confidence: Float)

/** What one runtime makes of a text. */
public data class Reading(
    public val engine: String,
    public val top: List<Ranked>,
    public val logit: Float,
    public val threshold: Float,
    public val inferenceNanos: Long,
)

/** How a text is read: the pieces it falls into, and what every runtime makes of them. */
public data class Explanation(
    public val text: String,
    public val pieces: List<String>,
    public val readings: List<Reading>,
    public val failures: List<String>,
)

/**
 * What measuring every runtime on the bundle's real texts gave.
 *
 * @property agreement share of the texts to which all runtimes give the same label; null of one.
 */
public data class Comparison(
    public val records: List<LatencyRecord>,
    public val agreement: Double?,
    public val failures: List<String>,
)

/** What the chat needs; every call may take a while, and throws a `PocketbertException`. */
public interface Assistant : Closeable {
    /** The artefacts that this app can run, whether or not the bundle carries them. */
    public val runtimes: List<String>

    /**
     * Open the current bundle in the runtime of [artifact], which is remembered; or in the one
     * remembered, or the first that works here.
     */
    public suspend fun open(artifact: String? = null): Opened

    public suspend fun answer(text: String): Answer

    /** Null before the first answer. */
    public suspend fun cost(): Cost?

    /** How [text] is read, in every runtime that works here. */
    public suspend fun explain(text: String): Explanation

    /** Real texts of the bundle to begin with. */
    public suspend fun prompts(): List<String>

    /**
     * Measure every runtime by [rules]; [progress] goes from 0 to 1.
     *
     * @throws Stopped as soon as [stopped] gives a reason.
     */
    public suspend fun measure(
        rules: Rules,
        stopped: () -> String?,
        progress: (Float) -> Unit,
    ): Comparison

    /** Make the bundle of a ZIP the current one; on an error the old one stays. */
    public suspend fun install(zip: () -> InputStream): Opened

    /** Make the bundle that came with the app the current one again. */
    public suspend fun restore(): Opened
}

/**
 * The bundle that came with the app.
 *
 * @param manifestSha256 the digest of its manifest; null where none came.
 * @param copyInto copies it, or throws a [BundleException] that says how to get one.
 */
public class Shipped(
    internal val manifestSha256: () -> String?,
    internal val copyInto: (File) -> Unit,
)
