package org.pocketbert.host

import java.io.File
import java.io.InputStream
import java.util.concurrent.TimeUnit.SECONDS
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.Answer
import org.pocketbert.core.Assistant
import org.pocketbert.core.BundleException
import org.pocketbert.core.BundleStore
import org.pocketbert.core.Cost
import org.pocketbert.core.Given
import org.pocketbert.core.OnDeviceAssistant
import org.pocketbert.core.Opened
import org.pocketbert.core.RuntimeFailure
import org.pocketbert.core.Shipped
import org.pocketbert.demo.ChatViewModel
import org.pocketbert.demo.Notice
import org.pocketbert.demo.Status
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** What the screen is told to show, and the app's own assistant over the real runtimes. */
@Timeout(60, unit = SECONDS)
class ChatViewModelTest {
    @TempDir
    lateinit var folder: File

    private class Scripted(var fails: Exception? = null) : Assistant {
        private val opened = Opened("toy", listOf("executorch", "tflite"), "tflite", "LiteRT")

        private fun <T> say(value: T): T = fails?.let { throw it } ?: value

        override suspend fun open(artifact: String?) = say(opened)

        override suspend fun answer(text: String) =
            say(Answer("hello", "greet", "greet", 0.9f, 1, 2))

        override suspend fun cost(): Cost? = null

        override fun close() = Unit

        override suspend fun install(zip: () -> InputStream) = say(opened.copy(bundle = "new"))
    }

    @Test
    fun questionAndAnswerFollowEachOther() {
        val model = ChatViewModel(Scripted())
        assertEquals(Status.Ready, model.state.value.status)
        model.ask(" hi ")
        model.ask("  ") // nothing to ask
        val (question, answer) = model.state.value.messages.also { assertEquals(2, it.size) }
        assertEquals("hi" to null, question.text to question.answer)
        assertEquals("hello" to "greet", answer.text to answer.answer?.intent)
        assertTrue(!model.state.value.answering)
    }

    @Test
    fun failureToOpenIsTheScreenAndCanBeTriedAgain() {
        val assistant = Scripted(BundleException("it is damaged"))
        val model = ChatViewModel(assistant)
        assertEquals(Status.Failed("it is damaged"), model.state.value.status)
        assistant.fails = null
        model.open()
        assertEquals(Status.Ready, model.state.value.status)
    }

    @Test
    fun failureToAnswerIsToldAndTheChatGoesOn() {
        val assistant = Scripted()
        val model = ChatViewModel(assistant)
        assistant.fails = RuntimeFailure("it stopped")
        model.ask("hi")
        assertEquals(Notice.Error("it stopped"), model.state.value.notice)
        assertTrue(!model.state.value.answering)
        model.noticeSeen()
        assertNull(model.state.value.notice)
    }

    @Test
    fun failureToInstallBeforeAnythingIsOpenIsTheScreen() {
        val assistant = Scripted(BundleException("it is damaged"))
        val model = ChatViewModel(assistant)
        model.install { "".byteInputStream() }
        assertEquals(Status.Failed("it is damaged"), model.state.value.status)
    }

    @Test
    fun refusedBundleLeavesTheOldOneOpen() {
        val assistant = Scripted()
        val model = ChatViewModel(assistant)
        assistant.fails = BundleException("not signed")
        model.install { "".byteInputStream() }
        assertEquals(Status.Ready, model.state.value.status)
        assertEquals("toy", model.state.value.opened?.bundle)
        assertEquals(Notice.Error("not signed"), model.state.value.notice)
        assistant.fails = null
        model.install { "".byteInputStream() }
        assertEquals("new", model.state.value.opened?.bundle)
    }

    @Test
    fun appsOwnAssistantAnswersInBothRuntimes() = runBlocking {
        val assistant = onDevice { whole(it) }
        val opened = assistant.open()
        assertEquals(listOf("executorch", "tflite"), opened.runtimes.sorted())
        assertNull(assistant.cost())
        for (name in opened.runtimes) {
            assertEquals(name, assistant.open(name).artifact)
            val answers = Given.bundle.realTexts.take(20).map { assistant.answer(it) }
            assertTrue(answers.any { it.intent != null })
            assertEquals(20, assistant.cost()!!.steps.answer.n)
        }
        assertThrows(BundleException::class.java) {
            runBlocking { assistant.install { "no ZIP".byteInputStream() } }
        }
        assertEquals(20, assistant.cost()!!.inferences.size) // the old one is still open
        assistant.close()
    }

    @Test
    fun updateOfTheAppBringsItsBundle() = runBlocking {
        var copied = 0
        fun start(manifest: String) = runBlocking {
            onDevice(manifest) {
                copied++
                whole(it)
            }.use { it.open() }
        }
        start("a")
        start("a")
        assertEquals(1, copied)
        start("b")
        assertEquals(2, copied)
    }

    @Test
    fun bundleWithoutARuntimeOfTheAppIsRefused() {
        val assistant = onDevice { into -> Given.copy(into) }
        val error = assertThrows(BundleException::class.java) {
            runBlocking { assistant.open() }
        }
        assertTrue("carries none of executorch, tflite" in error.message!!)
    }

    private fun whole(into: File) {
        Given.bundle.folder.copyRecursively(into, true)
    }

    private fun onDevice(manifest: String = "a", copy: (File) -> Unit) = OnDeviceAssistant(
        BundleStore(File(folder, "bundles")),
        mapOf("executorch" to ExecuTorchClassifier, "tflite" to LiteRtClassifier),
        Shipped(manifest, copy),
    )
}
