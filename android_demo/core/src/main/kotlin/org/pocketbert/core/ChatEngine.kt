package org.pocketbert.core

import kotlin.math.exp

/** One answer; [intent] is null where the text was not understood. */
public data class Answer(
    public val reply: String,
    public val intent: String?,
    public val nearest: String,
    public val confidence: Float,
    public val tokenizeNanos: Long,
    public val inferenceNanos: Long,
)

/** Tokenise, classify, apply temperature and threshold, choose a reply. */
public class ChatEngine(
    private val bundle: Bundle,
    private val artifact: Artifact,
    private val classifier: Classifier,
    private val nanoTime: () -> Long = System::nanoTime,
) {
    private val turns = HashMap<String, Int>()

    /** Answer any text: empty, too long or of any script. */
    public fun answer(text: String): Answer {
        val begun = nanoTime()
        val ids = bundle.tokenizer.encode(text)
        val tokenized = nanoTime()
        val logits = classifier.logits(ids)
        val done = nanoTime()
        val best = highest(logits)
        val nearest = bundle.labels[best]
        // [CLS] and [SEP] alone: a text without a token says nothing, whatever the logits are.
        val understood = ids.size > 2 && logits[best] >= artifact.threshold
        val intent = nearest.takeIf { understood }
        return Answer(
            reply = reply(intent ?: bundle.outOfScopeLabel),
            intent = intent,
            nearest = nearest,
            confidence = confidences(logits)[best],
            tokenizeNanos = tokenized - begun,
            inferenceNanos = done - tokenized,
        )
    }

    /** The three nearest intents of [text], and how far the first is from the threshold. */
    public fun read(text: String): Reading {
        val ids = bundle.tokenizer.encode(text)
        val begun = nanoTime()
        val logits = classifier.logits(ids)
        val took = nanoTime() - begun
        val confidences = confidences(logits)
        val top = logits.indices.sortedByDescending { logits[it] }.take(SHOWN)
            .map { Ranked(bundle.labels[it], confidences[it]) }
        val best = logits[highest(logits)]
        return Reading(classifier.runtime, top, best, artifact.threshold, took)
    }

    /** Softmax of the logits over the temperature. */
    private fun confidences(logits: FloatArray): FloatArray {
        val most = logits[highest(logits)]
        val each = DoubleArray(logits.size) {
            exp((logits[it] - most) / artifact.temperature.toDouble())
        }
        val sum = each.sum()
        return FloatArray(logits.size) { (each[it] / sum).toFloat() }
    }

    /** The intent's replies in turn. */
    private fun reply(intent: String): String {
        val replies = bundle.replies.getValue(intent)
        val turn = turns.merge(intent, 1, Int::plus)!! - 1
        return replies[turn % replies.size]
    }

    private companion object {
        const val SHOWN = 3
    }
}

/** The place of the highest of [logits], the first of equals. */
internal fun highest(logits: FloatArray): Int = logits.indices.maxByOrNull { logits[it] } ?: 0
