package org.pocketbert.core

import java.io.File
import java.io.IOException
import java.math.BigInteger
import java.nio.file.Files
import java.nio.file.LinkOption.NOFOLLOW_LINKS
import java.nio.file.attribute.BasicFileAttributes
import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.MessageDigest
import java.security.PublicKey
import java.security.Signature
import java.security.interfaces.ECPublicKey
import java.security.spec.X509EncodedKeySpec
import java.util.Base64

internal const val SIGNATURE = "manifest.sig"
internal const val SIGNATURE_BYTES = 4096L

// Order of the group of P-256 (FIPS 186-5, SP 800-186): no other curve in use has it.
private val P256 =
    BigInteger("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)

/** Lowercase hexadecimal sha256 of a file. */
public fun sha256(file: File): String {
    val digest = MessageDigest.getInstance("SHA-256")
    file.inputStream().use { stream ->
        val buffer = ByteArray(1 shl 16)
        while (true) {
            val read = stream.read(buffer)
            if (read < 0) break
            digest.update(buffer, 0, read)
        }
    }
    return hexadecimal(digest.digest())
}

/** Lowercase hexadecimal sha256 of bytes. */
public fun sha256(bytes: ByteArray): String =
    hexadecimal(MessageDigest.getInstance("SHA-256").digest(bytes))

private fun hexadecimal(bytes: ByteArray): String {
    val text = StringBuilder(bytes.size * 2)
    for (byte in bytes) {
        text.append(Character.forDigit(byte.toInt() shr 4 and 15, 16))
        text.append(Character.forDigit(byte.toInt() and 15, 16))
    }
    return text.toString()
}

/** A P-256 public key from PEM, as `pocketbert keygen` writes it. */
public fun publicKey(pem: String): PublicKey {
    val key = try {
        val base64 = pem.split('\n').map { it.trim() }.filterNot { it.startsWith("-----") }
        val encoded = Base64.getDecoder().decode(base64.joinToString(""))
        KeyFactory.getInstance("EC").generatePublic(X509EncodedKeySpec(encoded))
    } catch (error: GeneralSecurityException) {
        throw noKey(error)
    } catch (error: IllegalArgumentException) {
        throw noKey(error)
    }
    if ((key as? ECPublicKey)?.params?.order != P256) throw noKey(null)
    return key
}

private fun noKey(cause: Exception?) =
    BundleException("The public key is no P-256 key in PEM. Use that of keygen.", cause)

/** Refuse [manifest], of the bundle in [folder], unless it is signed with [key]. */
internal fun checkSignature(folder: File, manifest: ByteArray, key: PublicKey) {
    if (!File(folder, SIGNATURE).exists()) {
        throw BundleException("$folder has no $SIGNATURE. Install a signed bundle.")
    }
    val signature = readPlain(File(folder, SIGNATURE), SIGNATURE_BYTES)
    val holds = try {
        Signature.getInstance("SHA256withECDSA").run { // over the bytes, in DER
            initVerify(key)
            update(manifest)
            verify(signature)
        }
    } catch (_: GeneralSecurityException) {
        false // no signature at all
    }
    if (!holds) throw BundleException("$folder is not signed with this key. Install another one.")
}

/** The content of [file], a plain one of at most [most] bytes. */
internal fun readPlain(file: File, most: Long): ByteArray {
    val found = attributes(file)
    if (found?.isRegularFile != true) {
        throw BundleException("$file is ${if (found == null) "missing" else "no plain file"}.")
    }
    if (found.size() > most) {
        throw BundleException("$file has ${found.size()} bytes, and $most are allowed.")
    }
    return file.readBytes()
}

private fun attributes(file: File): BasicFileAttributes? = try {
    Files.readAttributes(file.toPath(), BasicFileAttributes::class.java, NOFOLLOW_LINKS)
} catch (_: IOException) {
    null
}

/** What changes when a file is written or replaced: size, time, number on the disk. */
internal fun stamp(file: File): String? = attributes(file)?.takeIf { it.isRegularFile }?.run {
    val number = fileKey()?.toString().orEmpty().substringAfter("ino=").trimEnd(')')
    "${size()} ${lastModifiedTime()} $number"
}

/** All files below [folder], by path; none of them a link, nor anything else than a file. */
internal fun listFiles(folder: File): Map<String, File> {
    val found = LinkedHashMap<String, File>()
    for (file in folder.walkTopDown()) {
        if (file == folder) continue
        val kind = attributes(file)
        when {
            kind?.isDirectory == true -> Unit
            kind?.isRegularFile == true ->
                found[file.relativeTo(folder).invariantSeparatorsPath] = file
            else -> throw BundleException("$file is a link, or no file. Copy files.")
        }
    }
    return found
}

/**
 * Compare the files in [folder] with their [seals].
 *
 * Nothing may be changed or added. Only whole artefacts may be missing: those in [optional].
 */
internal fun checkFiles(folder: File, seals: Map<String, Seal>, optional: Set<String>) {
    val found = listFiles(folder)
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
