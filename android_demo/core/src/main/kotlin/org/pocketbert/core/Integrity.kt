package org.pocketbert.core

import java.io.File
import java.nio.file.Files
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.MessageDigest
import java.security.PublicKey
import java.security.Signature
import java.security.spec.X509EncodedKeySpec
import java.util.Base64

internal const val MANIFEST = "manifest.json"
internal const val SIGNATURE = "manifest.sig"

/** What the manifest says of one file. */
internal class Seal(val sha256: String, val bytes: Long)

/** Lowercase hexadecimal sha256 of a file. */
fun sha256(file: File): String {
    val digest = MessageDigest.getInstance("SHA-256")
    file.inputStream().use { stream ->
        val buffer = ByteArray(1 shl 16)
        generateSequence { stream.read(buffer).takeIf { it >= 0 } }
            .forEach { digest.update(buffer, 0, it) }
    }
    return digest.digest().joinToString("") { "%02x".format(it) }
}

/** Lowercase hexadecimal sha256 of bytes. */
fun sha256(bytes: ByteArray): String =
    MessageDigest.getInstance("SHA-256").digest(bytes).joinToString("") { "%02x".format(it) }

/** A P-256 public key from PEM, as `pocketbert keygen` writes it. */
fun publicKey(pem: String): PublicKey = try {
    val base64 = pem.lines().filterNot { it.startsWith("-----") }.joinToString("")
    val encoded = Base64.getDecoder().decode(base64.trim())
    KeyFactory.getInstance("EC").generatePublic(X509EncodedKeySpec(encoded))
} catch (error: GeneralSecurityException) {
    throw BundleException("The public key is no P-256 key in PEM. Use that of keygen.", error)
} catch (error: IllegalArgumentException) {
    throw BundleException("The public key is no P-256 key in PEM. Use that of keygen.", error)
}

/** Refuse a manifest that is not signed with [key]: ECDSA over its bytes, SHA-256, DER. */
internal fun checkSignature(folder: File, key: PublicKey) {
    val file = File(folder, SIGNATURE)
    if (!file.isFile) throw BundleException("$folder has no $SIGNATURE. Install a signed bundle.")
    val holds = try {
        Signature.getInstance("SHA256withECDSA").run {
            initVerify(key)
            update(File(folder, MANIFEST).readBytes())
            verify(file.readBytes())
        }
    } catch (_: GeneralSecurityException) {
        false // no signature at all
    }
    if (!holds) throw BundleException("$folder is not signed with this key. Install another one.")
}

/**
 * Compare the files in [folder] with their [seals].
 *
 * Nothing may be changed or added. Only whole artefacts may be missing: those in [optional].
 */
internal fun checkFiles(folder: File, seals: Map<String, Seal>, optional: Set<String>) {
    val found = folder.walkTopDown().filter { it != folder }.onEach {
        if (Files.isSymbolicLink(it.toPath())) throw BundleException("$it is a link. Copy files.")
    }.filter { it.isFile }.associateBy { it.relativeTo(folder).invariantSeparatorsPath }
    (found.keys - seals.keys - setOf(MANIFEST, SIGNATURE)).firstOrNull()?.let {
        throw BundleException("$folder/$it is not in the manifest. Install the bundle again.")
    }
    val present = found.keys.map { it.substringBefore('/') }.toSet()
    for ((name, seal) in seals) {
        val file = found[name]
        val root = name.substringBefore('/')
        if (root in optional && root !in present) continue
        if (file == null) throw BundleException("$folder/$name is missing. Install it again.")
        check(file, seal)
    }
}

private fun check(file: File, seal: Seal) {
    if (file.length() != seal.bytes) {
        throw BundleException(
            "$file has ${file.length()} bytes, and ${seal.bytes} were sealed. Install it again.",
        )
    }
    val digest = sha256(file)
    if (digest != seal.sha256) {
        throw BundleException(
            "$file has sha256 ${digest.take(SHOWN)}…, and ${seal.sha256.take(SHOWN)}… was sealed: " +
                "it was changed. Install the bundle again.",
        )
    }
}

private const val SHOWN = 12
