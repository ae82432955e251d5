package org.pocketbert.core

import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.security.PublicKey
import java.util.UUID
import java.util.zip.ZipException
import java.util.zip.ZipInputStream

/**
 * The app's bundles below [root], of which one is current.
 *
 * A new one is written aside, checked, renamed into place; only then a small file is swapped that
 * names the current one. Whoever dies in between leaves the old one current.
 */
class BundleStore(private val root: File, private val key: PublicKey? = null) {
    private val pointer = File(root, "current")
    private val shippedFile = File(root, "shipped")

    /** What the last [install] that named one was given. */
    val shipped: String? get() = shippedFile.takeIf { it.isFile }?.readText()

    /** The current bundle, opened; null before the first is installed. */
    fun current(): Bundle? {
        val name = pointer.takeIf { it.isFile }?.readText() ?: return null
        return Bundle.open(File(root, name), key)
    }

    /**
     * Make what [fill] writes into an empty folder the current bundle.
     *
     * @param shipped remembered with it, to know the bundle that came with an app.
     * @param accept looks at the bundle before it becomes current, and throws where it must not.
     * @throws PocketbertException it is refused, for the reason given; the old one stays current.
     */
    fun install(
        shipped: String? = null,
        accept: (Bundle) -> Unit = {},
        fill: (File) -> Unit,
    ): Bundle {
        val name = UUID.randomUUID().toString()
        val aside = File(root, ".$name")
        try {
            if (!aside.mkdirs()) throw BundleException("$aside cannot be made. Free some space.")
            fill(aside)
            accept(Bundle.open(aside, key))
            Files.move(aside.toPath(), File(root, name).toPath(), ATOMIC_MOVE)
            swap(pointer, name)
            shipped?.let { swap(shippedFile, it) }
            return Bundle.open(File(root, name), key)
        } catch (error: IOException) {
            throw BundleException("The bundle could not be stored: ${error.message}.", error)
        } catch (error: RuntimeException) { // whoever provides the file, and names in a ZIP
            throw BundleException("The file cannot be read: ${error.message}. Choose one.", error)
        } finally {
            aside.deleteRecursively()
        }
    }

    /** Remove every bundle but the current one; for a start of the app, when none is in use. */
    fun tidy() {
        val name = pointer.takeIf { it.isFile }?.readText()
        root.listFiles().orEmpty()
            .filter { it != pointer && it != shippedFile && it.name != name }
            .forEach { it.deleteRecursively() }
    }

    private fun swap(file: File, content: String) {
        val next = File("${file.path}.new").apply { writeText(content) }
        Files.move(next.toPath(), file.toPath(), ATOMIC_MOVE, REPLACE_EXISTING)
    }

    companion object {
        private const val MOST_BYTES = 256L shl 20
        private const val MOST_FILES = 64

        /**
         * Unpack a bundle's ZIP into [folder]; its files at the top, or in one folder.
         *
         * @throws BundleException a name that leads elsewhere, or too much of it.
         */
        fun unzip(stream: InputStream, folder: File) {
            var left = MOST_BYTES
            try {
                ZipInputStream(stream).use { zip ->
                    val entries = generateSequence { zip.nextEntry }.filter { !it.isDirectory }
                    entries.forEachIndexed { count, entry ->
                        if (count >= MOST_FILES) throw tooMuch("$MOST_FILES files")
                        val file = inside(folder, entry.name)
                        file.parentFile?.mkdirs()
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

        private fun inside(folder: File, name: String): File {
            val file = File(folder, name)
            if (!file.canonicalFile.startsWith(folder.canonicalFile)) {
                throw BundleException("The file holds $name, which leads elsewhere. Do not use it.")
            }
            return file
        }

        private fun unwrap(folder: File) {
            if (File(folder, MANIFEST).exists()) return
            val only = folder.listFiles().orEmpty().singleOrNull { it.isDirectory } ?: return
            only.listFiles().orEmpty().forEach { it.renameTo(File(folder, it.name)) }
            only.delete()
        }
    }
}
