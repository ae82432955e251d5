package org.pocketbert.host

import java.io.File
import java.util.concurrent.TimeUnit.SECONDS
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.Timeout
import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.Artifact
import org.pocketbert.core.BundleException
import org.pocketbert.core.BundleStore
import org.pocketbert.core.Classifier
import org.pocketbert.core.ClassifierFactory
import org.pocketbert.core.Given
import org.pocketbert.core.Opened
import org.pocketbert.core.OnDeviceAssistant
import org.pocketbert.core.Rules
import org.pocketbert.core.RuntimeFailure
import org.pocketbert.core.Shipped
import org.pocketbert.executorch.ExecuTorchClassifier
import org.pocketbert.litert.LiteRtClassifier

/** The app's own assistant over the real runtimes, at its first start and at later ones. */
@Timeout(60, unit = SECONDS)
class OnDeviceAssistantTest {
    @TempDir
    lateinit var folder: File
    private val bundles get() = File(folder, "bundles")

    private val real: Map<String, ClassifierFactory> =
        mapOf("executorch" to ExecuTorchClassifier, "tflite" to LiteRtClassifier)

    private fun whole(into: File) {
        Given.bundle.folder.copyRecursively(into, true)
    }

    private fun assistant(
        factories: Map<String, ClassifierFactory> = real,
        manifest: String? = "a",
        build: String = "1",
        crashed: () -> Boolean = { true },
        copy: (File) -> Unit = ::whole,
    ) = OnDeviceAssistant(
        BundleStore(bundles), factories, Shipped({ manifest }, copy), build, crashed,
    )

    private fun start(assistant: OnDeviceAssistant, artifact: String? = null): Opened =
        runBlocking { assistant.use { it.open(artifact) } }

    private fun zip(bundle: File): () -> java.io.InputStream = {
        val bytes = java.io.ByteArrayOutputStream()
        java.util.zip.ZipOutputStream(bytes).use { zip ->
            bundle.walk().filter { it.isFile }.forEach {
                zip.putNextEntry(java.util.zip.ZipEntry(it.relativeTo(bundle).path))
                zip.write(it.readBytes())
            }
        }
        bytes.toByteArray().inputStream()
    }

    private fun failing(error: () -> Throwable) = ClassifierFactory { throw error() }

    /** Ends the process, as far as the next start can see. */
    private class Death : Error()

    private val dying = failing { Death() }

    @Test
    fun answersInBothRuntimes() = runBlocking {
        val assistant = assistant()
        assistant.open()
        assertNull(assistant.cost())
        for (name in assistant.runtimes) {
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
    fun textIsExplainedAndMeasuredInBothRuntimes() = runBlocking {
        val assistant = assistant()
        assistant.open()
        val text = Given.bundle.realTexts.first()
        val explanation = assistant.explain(text)
        assertEquals(2, explanation.readings.size)
        assertEquals("[CLS]", explanation.pieces.first())
        for (reading in explanation.readings) {
            assertTrue(reading.top.size == minOf(3, Given.bundle.labels.size))
            assertEquals(reading.top, reading.top.sortedByDescending { it.confidence })
        }
        assertTrue(assistant.prompts().all { it in Given.bundle.realTexts })
        val shares = ArrayList<Float>()
        val rules = Rules(warmUp = 2, queries = 20, seconds = 0.0)
        val compared = assistant.measure(rules, { null }, shares::add)
        assertEquals(listOf("executorch", "tflite"), compared.records.map { it.artifact })
        assertTrue(compared.agreement!! in 0.9..1.0 && shares.last() == 1f)
        assistant.answer(text) // the chat goes on
        assistant.close()
    }

    @Test
    fun updateOfTheAppBringsItsBundle() {
        var copied = 0
        fun open(manifest: String, build: String) = start(
            assistant(manifest = manifest, build = build) {
                copied++
                whole(it)
            },
        )
        open("a", "1")
        open("a", "1")
        open("a", "2") // an update with the same bundle keeps what is installed
        assertEquals(1, copied)
        open("b", "3")
        assertEquals(2, copied)
    }

    @Test
    fun laterStartOfTheSameInstallationDoesNotReadTheAppsBundle() {
        start(assistant())
        val unasked = Shipped({ error("the manifest was read") }, { error("it was copied") })
        start(OnDeviceAssistant(BundleStore(bundles), real, unasked, "1"))
    }

    @Test
    fun bundleThatCannotBeOpenedGivesWayToTheAppsOwn() {
        start(assistant())
        val current = File(bundles, File(bundles, "current").readText())
        File(current, "vocab.txt").appendText("damage")
        val opened = start(assistant())
        assertTrue("The app's own bundle is used" in opened.notices.single(), "${opened.notices}")
        assertTrue(start(assistant()).notices.isEmpty()) // and stays
    }

    @Test
    fun updateWhoseSchemaIsNewerOpensItsOwnBundle() {
        start(assistant())
        val manifest = File(File(bundles, File(bundles, "current").readText()), "manifest.json")
        val text = manifest.readText()
        manifest.writeText(text.replace("\"schema\": \"1.1\"", "\"schema\": \"0.9\""))
        assertEquals(Given.bundle.name, start(assistant(manifest = "b", build = "2")).bundle)
    }

    @Test
    fun pointerThatWasLostIsNoLock() {
        start(assistant())
        File(bundles, "current").writeText("")
        assertEquals(Given.bundle.name, start(assistant()).bundle)
    }

    @Test
    fun shippedBundleThatIsBadLeavesTheEarlierOne() {
        start(assistant())
        val opened = start(
            assistant(manifest = "b", build = "2") { Given.copy(it).resolve("vocab.txt").delete() },
        )
        assertTrue("The earlier bundle is used" in opened.notices.first(), "${opened.notices}")
        assertEquals(Given.bundle.name, opened.bundle)
    }

    @Test
    fun appWithoutABundleSaysHowToGetOneAndTakesAnyAfterwards() = runBlocking {
        fun none() = assistant(manifest = null) { throw BundleException("Run pocketbert install.") }
        val assistant = none()
        val error = assertThrows(BundleException::class.java) { runBlocking { assistant.open() } }
        assertEquals("Run pocketbert install.", error.message)
        assistant.install(zip(Given.bundle.folder))
        assistant.close()
        assertEquals(Given.bundle.name, start(none()).bundle)
    }

    @Test
    fun installedBundleIsRestoredToTheAppsOwn() = runBlocking {
        val other = File(folder, "other").also(::whole)
        val manifest = File(other, "manifest.json")
        manifest.writeText(manifest.readText().replaceFirst("\"name\": \"", "\"name\": \"other "))
        val assistant = assistant()
        assistant.open()
        assertEquals("other ${Given.bundle.name}", assistant.install(zip(other)).bundle)
        assertEquals(Given.bundle.name, assistant.restore().bundle)
        assistant.close()
    }

    @Test
    fun runtimeThatFailsIsPassedOver() {
        for (error in listOf(RuntimeFailure("too old"), RuntimeFailure("no library"))) {
            val broken = mapOf("executorch" to failing { error })
            val opened = start(assistant(broken + real.minus("executorch")))
            assertEquals("tflite", opened.artifact)
            assertEquals(listOf("executorch: ${error.message}"), opened.notices)
        }
    }

    @Test
    fun noRuntimeThatWorksSaysWhyOfEach() {
        val none = real.mapValues { (name, _) -> failing { RuntimeFailure("no $name") } }
        val error = assertThrows(RuntimeFailure::class.java) { start(assistant(none)) }
        assertTrue("no executorch" in error.message!! && "no tflite" in error.message!!)
    }

    @Test
    fun runtimeThatEndedTheProcessIsPassedOverAtTheNextStart() {
        val deadly = mapOf("executorch" to dying) + real.minus("executorch")
        val note = File(bundles, "trying")
        assertThrows(Death::class.java) { start(assistant(deadly)) }
        note.writeText(seenWhileDying) // a real death leaves it
        val opened = start(assistant(deadly))
        assertEquals("tflite", opened.artifact)
        assertTrue("ended the app" in opened.notices.single(), "${opened.notices}")
        assertTrue(!note.exists())
        // Whoever asks for it by name tries again; an update of the app does, too.
        assertThrows(Death::class.java) { start(assistant(deadly), "executorch") }
        assertEquals("executorch", start(assistant(), "executorch").artifact)
        assertTrue(start(assistant()).notices.isEmpty())
    }

    private val seenWhileDying: String by lazy {
        var seen = ""
        val spy = ClassifierFactory { artifact ->
            seen = File(bundles, "trying").readText()
            ExecuTorchClassifier.load(artifact)
        }
        start(assistant(mapOf("executorch" to spy)), "executorch")
        check(seen.isNotBlank())
        seen
    }

    @Test
    fun deathHoldsForThisBuildAndFileOnly() {
        start(assistant())
        File(bundles, "trying").writeText(seenWhileDying)
        assertEquals("tflite", start(assistant()).artifact)
        assertEquals("executorch", start(assistant(build = "2")).artifact)
    }

    @Test
    fun appThatTheUserClosedWhileLoadingDidNotDie() {
        start(assistant())
        File(bundles, "trying").writeText(seenWhileDying)
        assertEquals("executorch", start(assistant(crashed = { false })).artifact)
    }

    @Test
    fun choiceOfARuntimeIsRemembered() {
        assertEquals("executorch", start(assistant()).artifact)
        start(assistant(), "tflite")
        assertEquals("tflite", start(assistant()).artifact)
    }

    @Test
    fun fullDiskDoesNotKeepFromAnswering() {
        start(assistant())
        // What is written whole is written beside first: where a folder has that name, it can't be.
        fun fill() = listOf("trying", "died", "chosen")
            .forEach { File(bundles, "$it.new/x").mkdirs() }
        fill()
        val tidied = object : ClassifierFactory by LiteRtClassifier {
            override fun load(artifact: Artifact): Classifier {
                fill()
                return LiteRtClassifier.load(artifact)
            }
        }
        assertEquals("tflite", start(assistant(mapOf("tflite" to tidied)), "tflite").artifact)
        assertTrue(!File(bundles, "chosen").exists())
    }

    @Test
    fun bundleWithoutARuntimeOfTheAppIsRefused() {
        val error = assertThrows(BundleException::class.java) {
            start(assistant { into -> Given.copy(into) })
        }
        assertTrue("carries none of executorch, tflite" in error.message!!)
    }

    @Test
    fun whateverARuntimeThrowsIsAReasonAndNoDeath() {
        for (thrown in listOf<() -> Throwable>(
            { IndexOutOfBoundsException("5") }, { NoSuchElementException() }, { OutOfMemoryError() },
            { StackOverflowError() },
        )) {
            val odd = ClassifierFactory { artifact ->
                object : Classifier by ExecuTorchClassifier.load(artifact) {
                    override fun logits(ids: IntArray) = throw thrown()
                }
            }
            val factories = mapOf("executorch" to odd)
            assertThrows(BundleException::class.java) { start(assistant(factories)) }
        }
    }

    @Test
    fun bundleWhoseSecondRuntimeAnswersOtherwiseIsNotInstalled() = runBlocking {
        val wrong = object : ClassifierFactory {
            override fun load(artifact: Artifact): Classifier {
                val inner = LiteRtClassifier.load(artifact)
                return object : Classifier by inner {
                    override fun logits(ids: IntArray) = FloatArray(artifact.labels) { 99f } // planted
                }
            }
        }
        val assistant = assistant(real + ("tflite" to wrong))
        assistant.open()
        assertThrows(BundleException::class.java) {
            runBlocking { assistant.install(zip(Given.bundle.folder)) }
        }
        assistant.close()
    }
}
