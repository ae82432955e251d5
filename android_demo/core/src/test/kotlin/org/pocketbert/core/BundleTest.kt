package org.pocketbert.core

import java.io.File
import java.nio.file.Files
import java.security.KeyPair
import java.util.Base64
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class BundleTest {
    private val ours = Given.KEY

    @TempDir
    lateinit var folder: File

    private fun refused(why: String, key: KeyPair? = null) {
        val error = assertThrows(BundleException::class.java) { Bundle.open(folder, key?.public) }
        assertTrue(why in error.message!!, error.message)
    }

    private fun editManifest(from: String, to: String) {
        val file = File(folder, MANIFEST)
        val text = file.readText()
        check(from in text)
        file.writeText(text.replaceFirst(from, to))
    }

    @Test
    fun partOfABundleOpensAndSaysWhatItLacks() {
        val bundle = Bundle.open(Given.copy(folder))
        assertTrue(bundle.artifacts.isEmpty() && bundle.labels.isNotEmpty())
        val error = assertThrows(BundleException::class.java) { bundle.artifact("tflite") }
        assertTrue("carries no tflite" in error.message!!)
    }

    @Test
    fun changedByteIsRefused() {
        Given.copy(folder)
        val file = File(folder, "replies.json")
        val bytes = file.readBytes().also { it[10] = (it[10] + 1).toByte() }
        file.writeBytes(bytes)
        refused("was sealed: it was changed")
    }

    @Test
    fun otherSizeIsRefused() {
        Given.copy(folder)
        File(folder, "vocab.txt").appendText("more\n")
        refused("were sealed. Install it again")
    }

    @Test
    fun missingFileIsRefused() {
        File(Given.copy(folder), "characters.json").delete()
        refused("characters.json is missing")
    }

    @Test
    fun halfAnArtefactIsRefused() {
        File(Given.copy(folder), "coreml.mlpackage").mkdir()
        File(folder, "coreml.mlpackage/Manifest.json").writeText("{}")
        refused("coreml.mlpackage")
    }

    @Test
    fun addedFileIsRefused() {
        File(Given.copy(folder), "more.txt").writeText("")
        refused("more.txt is not in the manifest")
    }

    @Test
    fun linkIsRefused() {
        val file = File(Given.copy(folder), "vocab.txt")
        val elsewhere = File.createTempFile("vocab", ".txt").apply { writeBytes(file.readBytes()) }
        file.delete()
        Files.createSymbolicLink(file.toPath(), elsewhere.toPath())
        refused("is a link")
    }

    @Test
    fun laterSchemaIsRefusedByName() {
        Given.copy(folder)
        editManifest("\"schema\": \"1.1\"", "\"schema\": \"2.0\"")
        refused("has schema 2.0, and this app reads 1.x. Update the app")
    }

    @Test
    fun earlierSchemaIsRefusedByName() {
        Given.copy(folder)
        editManifest("\"schema\": \"1.1\"", "\"schema\": \"1.0\"")
        refused("has schema 1.0, and this app needs 1.1")
    }

    @Test
    fun manifestThatIsNoneIsRefused() {
        Given.copy(folder)
        for (text in listOf("", "{", "[]", "null", "{\"schema\": \"1.1\"}", "{\"schema\": 3}")) {
            File(folder, MANIFEST).writeText(text)
            refused("Make it again")
        }
        File(folder, MANIFEST).delete()
        refused("holds no manifest.json")
    }

    @Test
    fun signedBundleOpensWithItsKeyOnly() {
        Given.copy(folder)
        refused("has no manifest.sig", ours)
        Given.sign(folder, ours)
        assertEquals(Given.bundle.labels, Bundle.open(folder, ours.public).labels)
        refused("is not signed with this key", Given.newKey())
        val manifest = File(folder, MANIFEST)
        manifest.appendText(" ")
        refused("is not signed with this key", ours)
        manifest.writeText(manifest.readText().trimEnd(' '))
        File(folder, SIGNATURE).writeText("no signature")
        refused("is not signed with this key", ours)
    }

    @Test
    fun publicKeyIsReadFromPem() {
        val base64 = Base64.getMimeEncoder().encodeToString(ours.public.encoded)
        val pem = "-----BEGIN PUBLIC ours-----\n$base64\n-----END PUBLIC ours-----\n"
        assertEquals(ours.public, publicKey(pem))
        assertThrows(BundleException::class.java) { publicKey("-----BEGIN\nnonsense\n-----END") }
        assertThrows(BundleException::class.java) { publicKey("AAAA") }
    }

    @Test
    fun whatWasSignedIsWhatIsParsed() {
        Given.sign(Given.copy(folder), ours)
        val manifest = File(folder, MANIFEST)
        val signed = manifest.readBytes()
        manifest.writeText(manifest.readText().replaceFirst("\"name\": \"", "\"name\": \"other-"))
        // The bytes that were checked are handed over: another look at the file gives others.
        assertThrows(BundleException::class.java) {
            checkSignature(folder, manifest.readBytes(), ours.public)
        }
        checkSignature(folder, signed, ours.public)
    }

    @Test
    fun keyOfAnotherCurveIsRefused() {
        val other = Given.newKey("secp384r1").public.encoded
        val base64 = Base64.getMimeEncoder().encodeToString(other)
        assertThrows(BundleException::class.java) { publicKey(base64) }
    }

    @Test
    fun fewerOrMoreLogitsThanSealedAreAFailureOfTheRuntime() {
        val name = Given.bundle.artifacts.keys.first()
        for (size in listOf(0, 1, Given.bundle.labels.size + 1)) {
            val factory = ClassifierFactory { Given.FixedClassifier(FloatArray(size)) }
            assertThrows(RuntimeFailure::class.java) { Given.bundle.load(name, factory) }
        }
    }

    @Test
    fun artefactForALaterRuntimeOrOtherNumbersIsRefused() {
        val artifact = Given.bundle.artifacts.values.first()
        fun factory(has: String?, writes: String?) = object : ClassifierFactory {
            override val version = has
            override val dtype = writes

            override fun load(artifact: Artifact) = Given.FixedClassifier(Given.logits(0, 1f))
        }
        val later = artifact.copy(minRuntime = "runtime 1.10.0", dtype = "int64")
        later.checkRuntime(factory("1.10", "int64"))
        later.checkRuntime(factory(null, null))
        for (bad in listOf(factory("1.9.9", "int64"), factory("2.0", "int32"))) {
            val error = assertThrows(RuntimeFailure::class.java) { later.checkRuntime(bad) }
            assertTrue("Update the app" in error.message!!)
        }
    }

    @Test
    fun featuresOfTheSlowestCoreCount() {
        fun lacks(text: String) = missingFeatures(
            setOf("atomics", "asimddp"), File(folder, "cpuinfo").apply { writeText(text) },
        )
        val old = "Features\t: fp asimd evtstrm aes crc32"
        val new = "$old atomics asimddp sve"
        assertEquals(setOf("atomics", "asimddp"), lacks("processor: 0\n$old\n"))
        assertEquals(setOf("atomics", "asimddp"), lacks("$new\n$old\n")) // big and little
        assertEquals(setOf("asimddp"), lacks("$new\n$old atomics\n"))
        assertEquals(emptySet<String>(), lacks("$new\n$new\n"))
        assertEquals(emptySet<String>(), lacks("flags: sse2 avx\n")) // no ARM64
        assertEquals(emptySet<String>(), missingFeatures(setOf("x"), File(folder, "no such")))
    }

    @Test
    fun otherLogitsThanSealedAreRefused() {
        val factory = ClassifierFactory { Given.FixedClassifier(Given.logits(0, 99f)) }
        val name = Given.bundle.artifacts.keys.first()
        val error = assertThrows(BundleException::class.java) { Given.bundle.load(name, factory) }
        assertTrue("logits that differ by" in error.message!!, error.message)
    }
}
