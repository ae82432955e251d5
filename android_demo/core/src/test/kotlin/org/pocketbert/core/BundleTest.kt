package org.pocketbert.core

import java.io.File
import java.nio.file.Files
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import java.util.Base64
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class BundleTest {
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
        refused("has no manifest.sig", KEY)
        sign(KEY)
        assertEquals(Given.bundle.labels, Bundle.open(folder, KEY.public).labels)
        refused("is not signed with this key", newKey())
        val manifest = File(folder, MANIFEST)
        manifest.appendText(" ")
        refused("is not signed with this key", KEY)
        manifest.writeText(manifest.readText().trimEnd(' '))
        File(folder, SIGNATURE).writeText("no signature")
        refused("is not signed with this key", KEY)
    }

    @Test
    fun publicKeyIsReadFromPem() {
        val base64 = Base64.getMimeEncoder().encodeToString(KEY.public.encoded)
        val pem = "-----BEGIN PUBLIC KEY-----\n$base64\n-----END PUBLIC KEY-----\n"
        assertEquals(KEY.public, publicKey(pem))
        assertThrows(BundleException::class.java) { publicKey("-----BEGIN\nnonsense\n-----END") }
        assertThrows(BundleException::class.java) { publicKey("AAAA") }
    }

    @Test
    fun otherLogitsThanSealedAreRefused() {
        val factory = ClassifierFactory { Given.FixedClassifier(Given.logits(0, 99f)) }
        val name = Given.bundle.artifacts.keys.first()
        val error = assertThrows(BundleException::class.java) { Given.bundle.load(name, factory) }
        assertTrue("logits that differ by" in error.message!!, error.message)
    }

    private fun sign(key: KeyPair) = Signature.getInstance("SHA256withECDSA").run {
        initSign(key.private)
        update(File(folder, MANIFEST).readBytes())
        File(folder, SIGNATURE).writeBytes(sign())
    }

    private companion object {
        val KEY = newKey()

        fun newKey(): KeyPair = KeyPairGenerator.getInstance("EC").run {
            initialize(ECGenParameterSpec("secp256r1"))
            generateKeyPair()
        }
    }
}
