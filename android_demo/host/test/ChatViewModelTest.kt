package org.pocketbert.host

import androidx.lifecycle.SavedStateHandle
import java.io.File
import java.io.InputStream
import java.util.concurrent.TimeUnit.SECONDS
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.Answer
import org.pocketbert.core.Assistant
import org.pocketbert.core.BundleException
import org.pocketbert.core.Comparison
import org.pocketbert.core.Cost
import org.pocketbert.core.Explanation
import org.pocketbert.core.History
import org.pocketbert.core.Opened
import org.pocketbert.core.Rules
import org.pocketbert.core.RuntimeFailure
import org.pocketbert.core.Stopped
import org.pocketbert.demo.Benchmark
import org.pocketbert.demo.ChatViewModel
import org.pocketbert.demo.Message
import org.pocketbert.demo.Notice
import org.pocketbert.demo.Status

/** What the screen is told to show. */
@Timeout(60, unit = SECONDS)
class ChatViewModelTest {
    @TempDir
    lateinit var folder: File

    private class Scripted(var fails: Exception? = null) : Assistant {
        private val opened = Opened("toy", "tflite", "LiteRT")
        var passedOver = emptyList<String>()
        var measuring: (stopped: () -> String?) -> Unit = {}
        override val runtimes = listOf("executorch", "tflite")

        private fun <T> say(value: T): T = fails?.let { throw it } ?: value

        override suspend fun open(artifact: String?) = say(opened.copy(notices = passedOver))

        override suspend fun answer(text: String) =
            say(Answer("hello", "greet", "greet", 0.9f, 1, 2))

        override suspend fun cost(): Cost? = null

        override suspend fun explain(text: String) =
            say(Explanation(text, listOf("[CLS]", "hi", "[SEP]"), emptyList(), emptyList()))

        override suspend fun prompts() = listOf("wake me")

        override suspend fun measure(
            rules: Rules,
            stopped: () -> String?,
            progress: (Float) -> Unit,
        ): Comparison {
            progress(0.5f)
            measuring(stopped)
            return say(Comparison(emptyList(), 1.0, emptyList()))
        }

        override suspend fun install(zip: () -> InputStream) = say(opened.copy(bundle = "new"))

        override suspend fun restore() = say(opened.copy(bundle = "the app's own"))

        override fun close() = Unit
    }

    private fun model(assistant: Assistant, saved: SavedStateHandle = SavedStateHandle()) =
        ChatViewModel(assistant, saved, History(folder) { 0 })

    @Test
    fun questionAndAnswerFollowEachOther() {
        val model = model(Scripted())
        assertEquals(Status.Ready, model.state.value.status)
        model.ask(" hi ")
        model.ask("  ") // nothing to ask
        val (question, answer) = model.state.value.messages.also { assertEquals(2, it.size) }
        assertEquals("hi" to null, question.text to question.answer)
        assertEquals("hello" to "greet", answer.text to answer.answer?.intent)
        assertTrue(!model.state.value.answering)
        assertEquals(listOf("wake me"), model.state.value.prompts)
    }

    @Test
    fun chatOutlivesTheProcess() {
        val kept = HashMap<String, Any?>()
        val before = model(Scripted(), SavedStateHandle(kept))
        val texts = List(40) { if (it == 0) "a\u001fb|c\n" + "long".repeat(2000) else "text $it" }
        texts.forEach(before::ask)
        val after = model(Scripted(), SavedStateHandle(HashMap(kept))).state.value.messages
        assertEquals(60, after.size) // the system keeps only so much
        fun told(messages: List<Message>) = messages.map { it.text to it.answer }
        assertEquals(told(before.state.value.messages.takeLast(60)), told(after))
        assertEquals(60, after.map { it.id }.toSet().size)
        val foreign = SavedStateHandle(hashMapOf("messages" to arrayListOf("a\u001fb", "plain")))
        val restored = model(Scripted(), foreign).state.value.messages
        assertEquals(listOf("plain"), restored.map { it.text })
    }

    @Test
    fun failureToOpenIsTheScreenAndEveryRuntimeCanBeChosen() {
        val assistant = Scripted(BundleException("it is damaged"))
        val model = model(assistant)
        assertEquals(Status.Failed("it is damaged"), model.state.value.status)
        assertEquals(listOf("executorch", "tflite"), model.state.value.runtimes)
        assistant.fails = null
        model.open("tflite")
        assertEquals(Status.Ready, model.state.value.status)
    }

    @Test
    fun runtimeThatFailsLeavesTheOldOneOpen() {
        val assistant = Scripted()
        val model = model(assistant)
        assistant.fails = RuntimeFailure("not for this phone")
        model.open("executorch")
        assertEquals(Status.Ready, model.state.value.status)
        assertEquals(Notice.Error("not for this phone"), model.state.value.notice)
    }

    @Test
    fun runtimeThatWasPassedOverIsTold() {
        val why = "executorch: too old a phone."
        val assistant = Scripted().apply { passedOver = listOf(why) }
        assertEquals(Notice.Error(why), model(assistant).state.value.notice)
    }

    @Test
    fun failureToAnswerIsToldAndTheChatGoesOn() {
        val assistant = Scripted()
        val model = model(assistant)
        assistant.fails = RuntimeFailure("it stopped")
        model.ask("hi")
        assertEquals(Notice.Error("it stopped"), model.state.value.notice)
        assertEquals(listOf("hi"), model.state.value.messages.map { it.text }) // nothing is lost
        assertTrue(!model.state.value.answering)
        model.noticeSeen()
        assertNull(model.state.value.notice)
    }

    @Test
    fun failureToInstallBeforeAnythingIsOpenIsTheScreenAndCanBeRestored() {
        val assistant = Scripted(BundleException("it is damaged"))
        val model = model(assistant)
        model.install { "".byteInputStream() }
        assertEquals(Status.Failed("it is damaged"), model.state.value.status)
        assistant.fails = null
        model.restore()
        assertEquals("the app's own", model.state.value.opened?.bundle)
    }

    @Test
    fun refusedBundleLeavesTheOldOneOpen() {
        val assistant = Scripted()
        val model = model(assistant)
        assistant.fails = BundleException("not signed")
        model.install { "".byteInputStream() }
        assertEquals(Status.Ready, model.state.value.status)
        assertEquals("toy", model.state.value.opened?.bundle)
        assertEquals(Notice.Error("not signed"), model.state.value.notice)
        assistant.fails = null
        model.install { "".byteInputStream() }
        assertEquals("new", model.state.value.opened?.bundle)
        assertEquals(Notice.Installed("new"), model.state.value.notice)
    }

    @Test
    fun textIsExplainedUntilItIsSeen() {
        val model = model(Scripted())
        model.explain("hi")
        assertEquals(listOf("[CLS]", "hi", "[SEP]"), model.state.value.explanation?.pieces)
        model.explained()
        assertNull(model.state.value.explanation)
    }

    @Test
    fun benchmarkShowsProgressResultAndWhyItStopped() {
        val assistant = Scripted()
        val model = model(assistant)
        val seen = ArrayList<Benchmark?>()
        assistant.measuring = { seen += model.state.value.benchmark }
        model.measure()
        assertEquals(listOf<Benchmark?>(Benchmark.Running(0.5f)), seen)
        assertEquals(1.0, (model.state.value.benchmark as Benchmark.Done).result.agreement)
        assistant.measuring = { stopped ->
            model.stopMeasuring()
            throw Stopped(stopped()!!)
        }
        model.measure()
        assertNull(model.state.value.benchmark)
        assistant.measuring = {}
        assistant.fails = RuntimeFailure("too hot")
        model.measure()
        assertEquals(Notice.Error("too hot"), model.state.value.notice)
    }
}
