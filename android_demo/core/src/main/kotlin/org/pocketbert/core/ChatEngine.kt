package org.pocketbert.core

import kotlin.math.exp

/** One answer; [intent] is null where the text was not understood. */
data class Answer(
    val reply: String,
    val intent: String?,
    val nearest: String,
    val confidence: Float,
    val tokenizeNanos: Long,
    val inferenceNanos: Long,
)

/** Tokenise, classify, apply temperature and threshold, choose a reply. */
class ChatEngine(
    private val bundle: Bundle,
    private val artifact: Artifact,
    private val classifier: Classifier,
    private val nanoTime: () -> Long = System::nanoTime,
) {
    private val turns = HashMap<String, Int>()

    /** Answer any text: empty, too long or of any script. */
    fun answer(text: String): Answer {
        val begun = nanoTime()
        val ids = bundle.tokenizer.encode(text)
        val tokenized = nanoTime()
        val logits = classifier.logits(ids)
        val done = nanoTime()
        val best = logits.indices.maxByOrNull { logits[it] } ?: 0
        val nearest = bundle.labels[best]
        // [CLS] and [SEP] alone: a text without a token says nothing, whatever the logits are.
        val understood = ids.size > 2 && logits[best] >= artifact.threshold
        val intent = nearest.takeIf { understood }
        return Answer(
            reply = reply(intent ?: bundle.outOfScopeLabel),
            intent = intent,
            nearest = nearest,
            confidence = confidence(logits, best),
            tokenizeNanos = tokenized - begun,
            inferenceNanos = done - tokenized,
        )
    }

    /** Softmax of the logits over the temperature. */
    private fun confidence(logits: FloatArray, best: Int): Float {
        val sum = logits.sumOf { exp((it - logits[best]) / artifact.temperature.toDouble()) }
        return (1 / sum).toFloat()
    }

    /** The intent's replies in turn. */
    private fun reply(intent: String): String {
        val replies = bundle.replies[intent].orEmpty()
        if (replies.isEmpty()) return "(no reply is written for $intent)"
        val turn = turns.merge(intent, 1, Int::plus)!! - 1
        return replies[turn % replies.size]
    }
}
