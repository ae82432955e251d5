package org.pocketbert.core

import com.google.gson.JsonArray
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import com.google.gson.JsonPrimitive
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.RandomAccessFile
import java.nio.file.Files
import java.util.zip.ZipEntry
import java.util.zip.ZipOutputStream
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.io.TempDir

/** The one list of bad bundles, `tests/bad_bundles.json`, whose `about` says how to read it. */
class BadBundlesTest {
    @TempDir
    lateinit var root: File

    private val list: JsonObject by lazy {
        JsonParser.parseString(Given.folder("pocketbert.bad").readText()).asJsonObject
    }

    private fun entries(kind: String) = list.getAsJsonArray(kind).map { it.asJsonObject }
        .filter { bad ->
            bad["readers"]?.asJsonArray?.any { it.asString == "kotlin" } ?: true
        }

    @TestFactory
    fun badBundleIsRefused() = entries("bundles").mapIndexed { number, bad ->
        DynamicTest.dynamicTest(bad["name"].asString) {
            val folder = Given.copy(File(root, "$number/bundle"))
            val signed = bad["signed"]?.asString
            if (signed != null) Given.sign(folder, SIGNERS.getValue(signed))
            bad.getAsJsonArray("edits").forEach { edit(folder, it.asJsonObject) }
            val key = if (signed == null) null else Given.KEY.public
            assertThrows(BundleException::class.java) { Bundle.open(folder, key) }
            File(root, "$number").deleteRecursively()
        }
    }

    @TestFactory
    fun badArchiveIsRefused() = entries("archives").mapIndexed { number, bad ->
        DynamicTest.dynamicTest(bad["name"].asString) {
            val store = BundleStore(File(root, "zip$number"))
            val content = bad["raw"]?.asString?.toByteArray() ?: archive(bad)
            val zip = content.copyOf(bad["cut"]?.asInt ?: content.size)
            assertThrows(BundleException::class.java) {
                store.install { unzip(zip.inputStream(), it) }
            }
            assertTrue(root.walk().none { "out.txt" in it.name && it.isFile }, "it got out")
            assertEquals(null, store.current())
            assertTrue(store.run { File(root, "zip$number").list().isNullOrEmpty() }, "left behind")
        }
    }

    @TestFactory
    fun whatTheEditsWriteBackUnchangedOpens() = listOf("unsigned" to null, "signed" to "key").map {
        (name, signed) ->
        DynamicTest.dynamicTest(name) {
            val folder = Given.copy(File(root, name))
            val given = JsonPrimitive(Given.bundle.name)
            edit(folder, change("set", MANIFEST, "at" to path("name"), "json" to "$given"))
            edit(folder, change("seal", REPLIES))
            if (signed != null) Given.sign(folder, Given.KEY)
            Bundle.open(folder, signed?.let { Given.KEY.public })
            val zip = archive(JsonObject().apply { addProperty("bundle", true) })
            BundleStore(File(root, "$name-store")).install { unzip(zip.inputStream(), it) }
        }
    }

    private fun path(vararg names: String) = JsonArray().apply { names.forEach(::add) }

    private fun change(what: String, file: String, vararg more: Pair<String, Any>) =
        JsonObject().apply {
            addProperty("do", what)
            addProperty("file", file)
            for ((name, value) in more) {
                if (value is JsonElement) add(name, value) else addProperty(name, "$value")
            }
        }

    private fun edit(folder: File, change: JsonObject) {
        val name = change["file"].asString
        val file = File(folder, name)
        when (val what = change["do"].asString) {
            "set", "delete" -> {
                val document = JsonParser.parseString(file.readText())
                val at = change.getAsJsonArray("at").map { it.asJsonPrimitive }
                editJson(document, at, what == "delete")
                val json = change["json"]?.asString.orEmpty()
                file.writeText("$document".replace("\"$HERE\"", json))
            }
            "write", "repeat" -> {
                file.parentFile.mkdirs()
                file.writeText(change["text"].asString.repeat(change["times"]?.asInt ?: 1))
            }
            "append" -> file.appendText(change["text"].asString)
            "cut", "grow" ->
                RandomAccessFile(file, "rw").use { it.setLength(change["bytes"].asLong) }
            "flip" -> file.writeBytes(
                file.readBytes().also {
                    val place = change["byte"].asInt
                    it[place] = (it[place].toInt() xor 0x80).toByte()
                },
            )
            "remove" -> file.delete()
            "link" -> link(folder, file, change["to"].asString)
            "seal" -> Given.reseal(folder, name)
            else -> error(what)
        }
    }

    private fun link(folder: File, file: File, to: String) {
        val aside = File(folder.parentFile, "moved-${file.name}")
        if (to == "moved") check(file.renameTo(aside))
        val target = if (to == "moved") aside else File(to)
        Files.createSymbolicLink(file.toPath(), target.toPath())
    }

    private fun editJson(value: JsonElement, at: List<JsonPrimitive>, delete: Boolean) {
        val key = at.first()
        if (key.isString && key.asString == "+") return value.asJsonArray.add(HERE)
        val every = if (value is JsonObject) {
            value.keySet().toList()
        } else {
            List(value.asJsonArray.size()) { "$it" }
        }
        for (one in if (key.asString == "*") every else listOf(key.asString)) {
            val inner = if (value is JsonObject) value[one] else value.asJsonArray[one.toInt()]
            when {
                at.size > 1 -> editJson(inner, at.drop(1), delete)
                value is JsonObject && delete -> value.remove(one)
                value is JsonObject -> value.addProperty(one, HERE)
                delete -> value.asJsonArray.remove(one.toInt())
                else -> value.asJsonArray[one.toInt()] = JsonPrimitive(HERE)
            }
        }
    }

    private operator fun JsonArray.set(place: Int, value: JsonElement) {
        set(place, value)
    }

    private fun archive(bad: JsonObject): ByteArray {
        val bytes = ByteArrayOutputStream()
        val twice = ArrayList<Pair<String, String>>()
        ZipOutputStream(bytes).use { zip ->
            val names = HashSet<String>()
            fun put(name: String, content: ByteArray) {
                // Java writes no name twice: another of its length stands in, and is renamed below.
                val stand = if (names.add(name)) name else name.dropLast(1) + "\u0001"
                if (stand != name) twice += stand to name
                zip.putNextEntry(ZipEntry(stand))
                zip.write(content)
            }
            if (bad["bundle"]?.asBoolean == true) {
                val copy = Given.copy(File(root, "zipped"))
                copy.walk().filter { it.isFile }
                    .forEach { put(it.relativeTo(copy).path, it.readBytes()) }
            }
            bad["entries"]?.asJsonArray?.map { it.asJsonObject }.orEmpty().forEach { entry ->
                repeat(entry["times"]?.asInt ?: 1) { number ->
                    val zeros = ByteArray(entry["zeros"]?.asInt ?: 0)
                    val content = entry["text"]?.asString?.toByteArray() ?: zeros
                    put(entry["name"].asString.replace("{}", "$number"), content)
                }
            }
        }
        val latin = Charsets.ISO_8859_1 // every byte a character, and back
        return twice.fold(bytes.toByteArray().toString(latin)) { all, (stand, name) ->
            all.replace(stand, name)
        }.toByteArray(latin)
    }

    private companion object {
        const val HERE = "@@here@@"
        val SIGNERS = mapOf(
            "key" to Given.KEY,
            "another key" to Given.newKey(),
            "another curve" to Given.newKey("secp384r1"),
        )
    }
}
