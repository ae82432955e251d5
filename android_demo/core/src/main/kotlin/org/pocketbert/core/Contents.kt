package org.pocketbert.core

import com.google.gson.stream.JsonReader
import java.io.File

/** A text with the ids and the logits per artefact that every reader must reproduce. */
public class GoldenCase(
    public val text: String,
    public val ids: IntArray,
    public val logits: Map<String, FloatArray>,
)

/** All golden cases; the first [torture] of them are there to break tokenizers. */
internal class Golden(private val torture: Int, val cases: List<GoldenCase>) {
    /** The real ones; all, where there are no others. */
    val realTexts: List<String> get() = cases.drop(torture).ifEmpty { cases }.map { it.text }
}

/** Golden cases as the manifest allows them: ids that a runtime may see, one logit a label. */
internal fun readGolden(folder: File, manifest: Manifest): Golden = reading(folder, GOLDEN) {
    var cases: List<GoldenCase>? = null
    var torture: Int? = null
    fields { name ->
        when (name) {
            "cases" -> cases = ArrayList<GoldenCase>().also { items { it += case(manifest) } }
            "torture" -> torture = integer(0..Int.MAX_VALUE.toLong()).toInt()
            else -> skipValue()
        }
    }
    val found = cases ?: throw Malformed("has no cases")
    if (found.isEmpty() || (torture ?: Int.MAX_VALUE) > found.size) {
        throw Malformed("has ${found.size} cases, and torture is $torture")
    }
    Golden(torture!!, found)
}

private fun JsonReader.case(manifest: Manifest): GoldenCase {
    var text: String? = null
    var ids: IntArray? = null
    var mask: IntArray? = null
    var logits: Map<String, FloatArray>? = null
    fields { name ->
        when (name) {
            "text" -> text = text()
            "input_ids" -> ids = integers(0L until manifest.pieces)
            "attention_mask" -> mask = integers(1L..1L)
            "logits" -> logits = logits(manifest)
            else -> skipValue()
        }
    }
    val used = ids ?: throw Malformed("$path: a case without input_ids")
    val right = used.size in 1..manifest.maxLength && mask?.size == used.size &&
        logits?.keys == manifest.artifacts.keys
    if (!right) {
        throw Malformed("$path: a case with other ids, masks or logits than the manifest allows")
    }
    return GoldenCase(text ?: throw Malformed("$path: a case without text"), used, logits)
}

private fun JsonReader.logits(manifest: Manifest): Map<String, FloatArray> {
    val labels = manifest.labels.size
    val all = HashMap<String, FloatArray>()
    fields { name ->
        val row = FloatArray(labels)
        var count = 0
        items {
            if (count == labels) throw Malformed("$path: more logits than $labels labels")
            row[count++] = decimal(-LARGEST..LARGEST).toFloat()
        }
        if (count < labels) throw Malformed("$path: $count logits, and $labels labels")
        all[name] = row
    }
    return all
}

/** Intent to replies; every label has at least one. */
internal fun readReplies(folder: File, manifest: Manifest): Map<String, List<String>> {
    val replies = reading(folder, REPLIES) {
        HashMap<String, List<String>>().also { all ->
            fields { intent ->
                all[intent] = ArrayList<String>().also { items { it += text() } }
            }
        }
    }
    (manifest.labels + manifest.outOfScopeLabel).firstOrNull { replies[it].isNullOrEmpty() }?.let {
        throw Malformed("$REPLIES: has none for $it")
    }
    return replies
}

/** One piece a line; the number of the line is its id. */
internal fun readVocabulary(folder: File, manifest: Manifest): List<String> {
    val decoder = Charsets.UTF_8.newDecoder() // refuses what is not UTF-8
    val text = decoder.decode(java.nio.ByteBuffer.wrap(File(folder, VOCABULARY).readBytes()))
    val pieces = text.toString().trimEnd('\n').split('\n').map { it.trimEnd('\r') }
    if (pieces.size != manifest.pieces) {
        throw Malformed("$VOCABULARY: has ${pieces.size} pieces, not ${manifest.pieces}")
    }
    return pieces
}

/** What the tokenizer makes of each character. */
internal fun readCharacters(folder: File): CharacterTable = reading(folder, CHARACTERS) {
    val ranges = HashMap<String, CharacterTable.Ranges>()
    var replace: Map<Int, IntArray>? = null
    var hangul: Boolean? = null
    fields { name ->
        when (name) {
            "drop", "space", "alone" -> ranges[name] = ranges()
            "replace" -> replace = replacements()
            "hangul" -> hangul = flag()
            else -> skipValue()
        }
    }
    fun lacks(name: String): Nothing = throw Malformed("has no $name")
    CharacterTable(
        drop = ranges["drop"] ?: lacks("drop"),
        space = ranges["space"] ?: lacks("space"),
        alone = ranges["alone"] ?: lacks("alone"),
        replace = replace ?: lacks("replace"),
        hangul = hangul ?: lacks("hangul"),
    )
}

private fun JsonReader.ranges(): CharacterTable.Ranges {
    val firsts = Ints()
    val lasts = Ints()
    items {
        beginArray()
        firsts += integer(CODE_POINTS).toInt()
        lasts += integer(CODE_POINTS).toInt()
        endArray()
    }
    return CharacterTable.Ranges(firsts.toArray(), lasts.toArray())
}

private fun JsonReader.replacements() = HashMap<Int, IntArray>().also { all ->
    items {
        val both = integers(CODE_POINTS)
        if (both.isEmpty()) throw Malformed("$path: replaces nothing")
        all[both[0]] = both.copyOfRange(1, both.size)
    }
}

private fun JsonReader.integers(range: LongRange): IntArray =
    Ints().also { all -> items { all += integer(range).toInt() } }.toArray()

/** A list of numbers that boxes none of them: there are thousands at every start. */
private class Ints {
    private var array = IntArray(16)
    private var size = 0

    operator fun plusAssign(value: Int) {
        if (size == array.size) array = array.copyOf(size * 2)
        array[size++] = value
    }

    fun toArray(): IntArray = array.copyOf(size)
}

private val CODE_POINTS = 0L..Character.MAX_CODE_POINT.toLong()

private fun <T> reading(folder: File, name: String, read: JsonReader.() -> T): T = try {
    parseJson(File(folder, name).inputStream(), read)
} catch (error: Malformed) {
    throw Malformed("$name: ${error.message}")
}
