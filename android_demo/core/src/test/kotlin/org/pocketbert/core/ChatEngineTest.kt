package org.pocketbert.core

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test

/** Below every threshold: that of a margin may be negative. */
private const val LOW = -99f

class ChatEngineTest {
    private val bundle get() = Given.bundle
    private val artifact get() = bundle.artifacts.values.first()

    private fun engine(height: Float, rest: Float = 0f): ChatEngine {
        var now = 0L
        val classifier = Given.FixedClassifier(Given.logits(1, height, rest))
        return ChatEngine(bundle, artifact, classifier) { now += 1000; now }
    }

    @Test
    fun intentAtTheThresholdIsUnderstood() {
        val answer = engine(artifact.threshold, rest = LOW).answer("hello")
        assertEquals(bundle.labels[1], answer.intent)
        assertTrue(answer.reply in bundle.replies.getValue(bundle.labels[1]))
    }

    @Test
    fun belowTheThresholdNothingIsUnderstood() {
        val answer = engine(Math.nextDown(artifact.threshold), rest = LOW).answer("hello")
        assertNull(answer.intent)
        assertEquals(bundle.labels[1], answer.nearest)
        assertTrue(answer.reply in bundle.replies.getValue(bundle.outOfScopeLabel))
    }

    @Test
    fun textWithoutATokenIsNotUnderstood() {
        for (text in listOf("", "  \n", "\u0000\u200B")) assertNull(engine(99f).answer(text).intent)
    }

    @Test
    fun confidenceIsTheSoftmaxOverTheTemperature() {
        val height = artifact.temperature // e^1 against e^0 for every other label
        val expected = Math.E / (Math.E + bundle.labels.size - 1)
        assertEquals(expected.toFloat(), engine(height).answer("hello").confidence, 1e-6f)
    }

    @Test
    fun repliesComeInTurn() {
        val (label, replies) = bundle.replies.entries.first { it.value.size > 1 }
        val logits = Given.logits(bundle.labels.indexOf(label), 99f)
        val engine = ChatEngine(bundle, artifact, Given.FixedClassifier(logits))
        val said = List(replies.size + 1) { engine.answer("hello").reply }
        assertEquals(replies + replies.first(), said)
    }

    @Test
    fun stepsAreTimedByTheClockHandedIn() {
        val answer = engine(99f).answer("hello")
        assertEquals(1000L to 1000L, answer.tokenizeNanos to answer.inferenceNanos)
    }

    @Test
    fun idsThatWouldHarmARuntimeAreRefused() {
        val most = artifact.lengths.last()
        for (ids in listOf(intArrayOf(), IntArray(most + 1), intArrayOf(-1))) {
            assertThrows(InputException::class.java) { artifact.check(ids) }
        }
        val ids = intArrayOf(artifact.vocabulary)
        val error = assertThrows(InputException::class.java) { artifact.check(ids) }
        assertTrue("values from 0 to ${artifact.vocabulary - 1}" in error.message!!)
    }
}
