package org.pocketbert.core

import java.io.File
import java.io.InputStream
import java.io.OutputStream
import java.util.Locale
import java.util.zip.ZipException
import java.util.zip.ZipInputStream

private const val MOST_BYTES = 256L shl 20

/**
 * Unpack a bundle's ZIP into [folder]; its files at the top, or in one folder.
 *
 * @throws BundleException a name that leads elsewhere or comes twice, or too much of it.
 */
public fun unzip(stream: InputStream, folder: File) {
    var left = MOST_BYTES
    val names = HashSet<String>()
    try {
        ZipInputStream(stream).use { zip ->
            for (entry in generateSequence { zip.nextEntry }.filter { !it.isDirectory }) {
                val name = entry.name
                if (!isInside(name)) {
                    throw BundleException("The file holds $name, which leads elsewhere. Drop it.")
                }
                // Whether two cases are one file, the phone's file system decides.
                if (!names.add(name.lowercase(Locale.ROOT))) {
                    throw BundleException("The file holds $name twice. Do not use it.")
                }
                if (names.size > FILES) throw tooMuch("$FILES files")
                val file = File(folder, name).apply { parentFile?.mkdirs() }
                file.outputStream().use { output -> left -= copy(zip, output, left) }
            }
        }
    } catch (error: ZipException) {
        throw BundleException("The file is no ZIP (${error.message}). Choose one.", error)
    }
    unwrap(folder)
}

private fun copy(from: InputStream, to: OutputStream, most: Long): Long {
    val buffer = ByteArray(1 shl 16)
    var copied = 0L
    while (true) {
        val read = from.read(buffer)
        if (read < 0) return copied
        copied += read
        if (copied > most) throw tooMuch("${MOST_BYTES shr 20} MB")
        to.write(buffer, 0, read)
    }
}

private fun tooMuch(limit: String) =
    BundleException("The file holds more than $limit. Choose a bundle.")

private fun unwrap(folder: File) {
    if (File(folder, MANIFEST).exists()) return
    val only = folder.listFiles().orEmpty().singleOrNull { it.isDirectory } ?: return
    // Aside first: the folder may hold a file of its own name.
    val aside = File(folder, ".unwrapped")
    if (!only.renameTo(aside)) return
    aside.listFiles().orEmpty().forEach { it.renameTo(File(folder, it.name)) }
    aside.delete()
}
