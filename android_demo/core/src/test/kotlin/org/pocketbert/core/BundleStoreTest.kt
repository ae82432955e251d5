package org.pocketbert.core

import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.io.RandomAccessFile
import java.nio.file.Files
import java.nio.file.attribute.FileTime
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
        val left = setOf("current", old.folder.name, "${old.folder.name}.checked")
        assertEquals(left, File(root, "bundles").list()!!.toSet())
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
            store.install { unzip(zip(prefix), it) }
            assertEquals(Given.bundle.labels, store.current()!!.labels)
        }
    }

    @Test
    fun pointerThatWasLostTidiesNothingAway() {
        val bundle = store.install { Given.copy(it) }
        for (lost in listOf("", " \n", "..", "a/b")) { // power went before it reached the disk
            File(root, "bundles/current").writeText(lost)
            assertNull(store.current())
            store.tidy()
            assertTrue(bundle.folder.isDirectory, lost)
        }
    }

    @Test
    fun whatIsBeingInstalledIsNotTidiedAway() {
        store.install { Given.copy(it) }
        store.install { folder ->
            Given.copy(folder)
            BundleStore(File(root, "bundles")).tidy() // of another window, say
            assertTrue(folder.isDirectory)
        }
    }

    @Test
    fun digestsAreComputedAgainOnlyForWhatWasWritten() {
        val folder = store.install { Given.copy(it) }.folder
        val file = File(folder, "vocab.txt")
        val time = Files.getLastModifiedTime(file.toPath())
        // Planted: same size, time and inode. Nothing but its bytes tells; so it is not read.
        RandomAccessFile(file, "rw").use { it.writeByte('#'.code) }
        Files.setLastModifiedTime(file.toPath(), time)
        assertThrows(BundleException::class.java) { Bundle.open(folder) }
        val stored = File(root, "bundles/${folder.name}.checked")
        assertTrue("vocab.txt ${stamp(file)}" in stored.readText())
        // Any of the three changed, and it is refused.
        Files.setLastModifiedTime(file.toPath(), FileTime.fromMillis(time.toMillis() + 1000))
        assertThrows(BundleException::class.java) { store.current() }
        file.appendText("#")
        Files.setLastModifiedTime(file.toPath(), time)
        assertThrows(BundleException::class.java) { store.current() }
        val whole = Given.copy(File(root, "copy"))
        File(whole, "vocab.txt").copyTo(file, overwrite = true)
        assertEquals(Given.bundle.labels, store.current()!!.labels)
        File(folder, "added").writeText("")
        assertThrows(BundleException::class.java) { store.current() }
    }

    @Test
    fun anotherKeyChecksEverythingAgain() {
        store.install { Given.copy(it) }
        val strict = BundleStore(File(root, "bundles"), Given.KEY.public)
        assertThrows(BundleException::class.java) { strict.current() }
        val signed = strict.install { Given.sign(Given.copy(it), Given.KEY) }
        assertTrue(signed.signed && strict.current()!!.signed)
        val other = BundleStore(File(root, "bundles"), Given.newKey().public)
        assertThrows(BundleException::class.java) { other.current() }
    }

    @Test
    fun goldenCasesAreReproducedOnceForARuntimeAndItsVersion() {
        val bundle = store.install { Given.copy(it) }
        var asked = 0
        fun factory(has: String) = object : ClassifierFactory {
            override val version = has

            override fun load(artifact: Artifact) = object : Classifier {
                override val runtime = has
                private var case = 0

                override fun logits(ids: IntArray): FloatArray {
                    asked++
                    return bundle.golden[case++].logits.getValue(artifact.name)
                }

                override fun close() = Unit
            }
        }
        // Of an artefact that lies in the bundle: the copy has none.
        val whole = store.install { Given.bundle.folder.copyRecursively(it, true) }
        val name = whole.artifacts.keys.first()
        val starts = listOf("99.1" to "1", "99.1" to "1", "99.2" to "1", "99.2" to "2")
        for ((version, build) in starts) {
            store.load(whole, name, factory(version), build)
        }
        assertEquals(3 * whole.golden.size, asked)
        store.load(store.current()!!, name, factory("99.2"), "2") // at the next start, neither
        assertEquals(3 * whole.golden.size, asked)
    }

    @Test
    fun fileThatIsNoZipIsRefused() {
        refused("holds no manifest.json") { unzip("text".byteInputStream(), it) }
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
