package org.pocketbert.core

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.file.Files
import java.nio.file.StandardCopyOption.ATOMIC_MOVE
import java.nio.file.StandardCopyOption.REPLACE_EXISTING
import java.security.PublicKey
import java.util.UUID
import java.util.concurrent.ConcurrentHashMap

/**
 * The app's bundles below [root], of which one is current.
 *
 * A new one is written aside, checked, renamed into place; only then a small file is swapped that
 * names the current one. Whoever dies in between leaves the old one current.
 *
 * @param keyOf gives the key that bundles must be signed with, or null for those that need none;
 *   asked once, on the thread that opens the first.
 */
public class BundleStore(private val root: File, keyOf: () -> PublicKey?) {
    private val key by lazy(keyOf)
    private val pointer = File(root, "current")

    /** With a [key], only bundles signed with it are taken. */
    public constructor(root: File, key: PublicKey? = null) : this(root, { key })

    /** What the last [install] that named one was given. */
    public val shipped: String? get() = readNote("shipped")

    /**
     * The current bundle, opened; null before the first is installed.
     *
     * Its digests are computed once: later only where a file's size, time or inode has changed.
     */
    public fun current(): Bundle? {
        val name = currentName() ?: return null
        val folder = File(root, name)
        val checked = Checked(File(root, "$name$CHECKED"))
        val trusted = checked.holds(folder, key)
        val bundle = Bundle.open(folder, key, trusted)
        if (!trusted) checked.write(folder, key)
        return bundle
    }

    /**
     * Make what [fill] writes into an empty folder the current bundle.
     *
     * @param shipped remembered with it, to know the bundle that came with an app.
     * @param accept looks at the bundle before it becomes current, and throws where it must not.
     * @throws PocketbertException it is refused, for the reason given; the old one stays current.
     */
    public fun install(
        shipped: String? = null,
        accept: (Bundle) -> Unit = {},
        fill: (File) -> Unit,
    ): Bundle {
        val name = UUID.randomUUID().toString()
        val aside = File(root, ".$name")
        installing += aside.name
        try {
            if (!aside.mkdirs()) throw BundleException("$aside cannot be made. Free some space.")
            fill(aside)
            val bundle = Bundle.open(aside, key)
            accept(bundle)
            listFiles(aside).values.forEach(::sync)
            val folder = File(root, name)
            Files.move(aside.toPath(), folder.toPath(), ATOMIC_MOVE)
            Checked(File(root, "$name$CHECKED")).write(folder, key)
            writeWhole(pointer, name)
            shipped?.let { writeWhole(File(root, "shipped"), it) }
            return bundle.moved(folder)
        } catch (error: IOException) {
            throw BundleException("The bundle could not be stored: ${error.message}.", error)
        } catch (error: RuntimeException) { // whoever provides the file, and names in a ZIP
            throw BundleException("The file cannot be read: ${error.message}. Choose one.", error)
        } finally {
            aside.deleteRecursively()
            installing -= aside.name
        }
    }

    /**
     * Load the artefact [name] of [bundle], one of this store's.
     *
     * It reproduces the golden cases once for every runtime and [build] of the app.
     */
    public fun load(
        bundle: Bundle,
        name: String,
        factory: ClassifierFactory,
        build: String = "",
    ): Classifier {
        val checked = Checked(File(root, bundle.folder.name.removePrefix(".") + CHECKED))
        val what = "$name ${factory.version} $build"
        val before = factory.version != null && checked.reproduced(what)
        return bundle.load(name, factory, verify = !before).also {
            if (!before) checked.addReproduced(what)
        }
    }

    /** Remove every bundle but the current one; for a start of the app, when none is in use. */
    public fun tidy() {
        val name = currentName() ?: return // lost with the power: what there is may be needed
        val kept = NOTES + name + "$name$CHECKED" + installing
        root.listFiles().orEmpty().filter { it.name !in kept }.forEach { it.deleteRecursively() }
    }

    /** Keep a short text between starts, where there is room for it; null removes it. */
    internal fun note(name: String, content: String?) {
        require(name in NOTES)
        val file = File(root, name)
        try {
            if (content == null) file.delete() else writeWhole(file, content)
        } catch (_: IOException) {
            // A full disk must not keep the app from answering.
        }
    }

    internal fun readNote(name: String): String? =
        File(root, name).takeIf { it.isFile }?.readText()

    private fun currentName() = pointer.takeIf { it.isFile }?.readText()?.trim()
        ?.takeIf { isInside(it) && '/' !in it }

    private companion object {
        const val CHECKED = ".checked"
        val NOTES = setOf("current", "shipped", "build", "trying", "died", "chosen")

        // Of every store in this process: one must not tidy away what another is filling.
        val installing: MutableSet<String> = ConcurrentHashMap.newKeySet()
    }
}

/** Write [content] so that whoever reads finds all of it or what was there, even after a crash. */
internal fun writeWhole(file: File, content: String) {
    val next = File("${file.path}.new")
    next.parentFile?.mkdirs()
    FileOutputStream(next).use {
        it.write(content.toByteArray())
        it.fd.sync()
    }
    Files.move(next.toPath(), file.toPath(), ATOMIC_MOVE, REPLACE_EXISTING)
}

private fun sync(file: File) = RandomAccessFile(file, "rw").use { it.fd.sync() }

/** What was found right about a bundle, in a file beside it, so that a later start need not look. */
private class Checked(private val file: File) {
    fun holds(folder: File, key: PublicKey?): Boolean =
        file.isFile && lines().filterNot { it.startsWith(GOLDEN_LINE) } == describe(folder, key)

    fun write(folder: File, key: PublicKey?) =
        save(describe(folder, key) + lines().filter { it.startsWith(GOLDEN_LINE) })

    fun reproduced(what: String): Boolean = "$GOLDEN_LINE$what" in lines()

    fun addReproduced(what: String) = save(lines() + "$GOLDEN_LINE$what")

    private fun lines(): List<String> = file.takeIf { it.isFile }?.readLines().orEmpty()

    private fun save(lines: List<String>) = try {
        writeWhole(file, lines.joinToString("\n"))
    } catch (_: IOException) {
        file.delete() // a full disk: checked again next time
    }

    private fun describe(folder: File, key: PublicKey?): List<String> =
        listOf("$RULES ${key?.let { sha256(it.encoded) } ?: "no key"}") +
            listFiles(folder).map { (path, file) -> "$path ${stamp(file)}" }.sorted()

    private companion object {
        const val RULES = "1" // what is checked: with a new number, everything is, once
        const val GOLDEN_LINE = "golden "
    }
}
