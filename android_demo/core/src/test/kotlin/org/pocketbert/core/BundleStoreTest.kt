package org.pocketbert.core

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir

class BundleStoreTest {
    @TempDir
    lateinit var root: File
    private val store get() = BundleStore(File(root, "bundles"))

    private fun refused(why: String, fill: (File) -> Unit) {
        val error = assertThrows(BundleException::class.java) { store.install(fill = fill) }
        assertTrue(why in error.message!!, error.message)
    }

    @Test
    fun newBundleTakesThePlaceOfTheOld() {
        assertNull(store.current())
        val first = store.install { Given.copy(it) }
        assertEquals(first.folder, store.current()!!.folder)
        val second = store.install { Given.copy(it) }
        assertEquals(second.folder, store.current()!!.folder)
        assertTrue(first.folder.exists()) // whoever reads it goes on
        store.tidy()
        assertTrue(!first.folder.exists() && second.folder.exists())
    }

    @Test
    fun badBundleIsRefusedAndTheOldOneKept() {
        val old = store.install { Given.copy(it) }
        refused("were sealed") { File(Given.copy(it), "vocab.txt").writeText("") }
        refused("holds no manifest.json") { }
        refused("could not be stored: no space left") { throw IOException("no space left") }
        assertEquals(old.folder, store.current()!!.folder)
        store.tidy()
        assertEquals(setOf("current", old.folder.name), File(root, "bundles").list()!!.toSet())
    }

    @Test
    fun bundleThatIsNotAcceptedNeverBecomesCurrent() {
        val old = store.install(shipped = "a") { Given.copy(it) }
        val refuse = { _: Bundle -> throw BundleException("it answers otherwise") }
        assertThrows(BundleException::class.java) { store.install("b", refuse) { Given.copy(it) } }
        assertEquals(old.folder, store.current()!!.folder)
        assertEquals("a", store.shipped)
    }

    @Test
    fun zipWithOrWithoutAFolderIsInstalled() {
        for (prefix in listOf("", "bundle/")) {
            store.install { BundleStore.unzip(zip(prefix), it) }
            assertEquals(Given.bundle.labels, store.current()!!.labels)
        }
    }

    @Test
    fun nameThatLeadsElsewhereIsRefused() {
        for (name in listOf("../out.txt", "a/../../out.txt")) {
            refused("leads elsewhere") { BundleStore.unzip(archive(name to ByteArray(1)), it) }
        }
        assertTrue(!File(root, "bundles/out.txt").exists() && !File(root, "out.txt").exists())
    }

    @Test
    fun tooMuchIsRefused() {
        val many = Array(65) { "$it" to ByteArray(0) }
        refused("more than 64 files") { BundleStore.unzip(archive(*many), it) }
        refused("more than 256 MB") { folder ->
            BundleStore.unzip(archive("zeros" to ByteArray((256 shl 20) + 1)), folder)
        }
    }

    @Test
    fun fileThatIsNoZipIsRefused() {
        refused("holds no manifest.json") { BundleStore.unzip("text".byteInputStream(), it) }
    }

    private fun zip(prefix: String): InputStream {
        val copy = Given.copy(File(root, "copy"))
        val files = copy.walkTopDown().filter { it.isFile }
            .map { prefix + it.relativeTo(copy).path to it.readBytes() }
        return archive(*files.toList().toTypedArray())
    }

    private fun archive(vararg files: Pair<String, ByteArray>): InputStream {
        val bytes = ByteArrayOutputStream()
        ZipOutputStream(bytes).use { zip ->
            for ((name, content) in files) {
                zip.putNextEntry(ZipEntry(name))
                zip.write(content)
            }
        }
        return bytes.toByteArray().inputStream()
    }
}
