package org.pocketbert.core

import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.io.File
import java.security.KeyPair
import java.security.KeyPairGenerator
import java.security.Signature
import java.security.spec.ECGenParameterSpec
import org.junit.jupiter.api.Assumptions.assumeTrue

/** What scripts/test_android, or Gradle, hands to the tests. */
object Given {
    val bundle: Bundle by lazy { Bundle.open(folder("pocketbert.bundle")) }

    /** A file or folder by its system property; the test is not run where there is none. */
    fun folder(property: String): File {
        val path = System.getProperty(property)
        assumeTrue(path != null && File(path).exists(), "not run: $property is not given")
        return File(path!!)
    }

    /** A copy of the bundle without its models, for tests that spoil it. */
    fun copy(into: File): File {
        val models = bundle.artifacts.values.map { File(it.path) }
        bundle.folder.walkTopDown().filter { it.isFile && models.none(it::startsWith) }.forEach {
            it.copyTo(File(into, it.relativeTo(bundle.folder).path), overwrite = true)
        }
        return into
    }

    /** Sign the manifest in [folder] as `pocketbert sign` does. */
    fun sign(folder: File, by: KeyPair) = Signature.getInstance("SHA256withECDSA").run {
        initSign(by.private)
        update(File(folder, MANIFEST).readBytes())
        File(folder, SIGNATURE).writeBytes(sign())
    }

    fun newKey(curve: String = "secp256r1"): KeyPair = KeyPairGenerator.getInstance("EC").run {
        initialize(ECGenParameterSpec(curve))
        generateKeyPair()
    }

    val KEY: KeyPair = newKey()

    /** Give the manifest in [folder] the digest that file [name] has now. */
    fun reseal(folder: File, name: String) {
        val manifest = File(folder, MANIFEST)
        val document = JsonParser.parseString(manifest.readText()).asJsonObject
        val seal = JsonObject().apply {
            addProperty("sha256", sha256(File(folder, name)))
            addProperty("bytes", File(folder, name).length())
        }
        document.getAsJsonObject("files").add(name, seal)
        manifest.writeText("$document")
    }

    /** Logits handed in, not computed. */
    class FixedClassifier(private val logits: FloatArray) : Classifier {
        override val runtime = "fixed"
        var closed = false

        override fun logits(ids: IntArray) = logits

        override fun close() {
            closed = true
        }
    }

    /** Logits whose highest, of [height], is that of [label]; all others are [rest]. */
    fun logits(label: Int, height: Float, rest: Float = 0f) =
        FloatArray(bundle.labels.size) { if (it == label) height else rest }
}
