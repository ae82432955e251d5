package org.pocketbert.core

import com.google.gson.stream.JsonReader
import com.google.gson.stream.JsonToken
import java.io.InputStream
import java.io.InputStreamReader

/** A value that no bundle has; the message says where it stands and what belongs there. */
internal class Malformed(message: String) : RuntimeException(message)

/**
 * What [read] makes of the JSON in [stream]: one value in UTF-8 as RFC 8259 has it, no more.
 *
 * Gson's tree takes NaN, comments and a string for a number; this does not.
 */
internal fun <T> parseJson(stream: InputStream, read: JsonReader.() -> T): T =
    JsonReader(InputStreamReader(stream, Charsets.UTF_8.newDecoder())).use { reader ->
        reader.read().also {
            if (reader.peek() != JsonToken.END_DOCUMENT) throw Malformed("more follows after it")
        }
    }

/** The whole value as [Field]s, for what is small enough to stand in memory twice. */
internal fun parseFields(stream: InputStream): Field =
    parseJson(stream) { Field(value(0), "all") }

private const val DEEPEST = 64 // a bundle's own files nest to a fifth of it

private fun JsonReader.value(depth: Int): Any? {
    if (depth > DEEPEST) throw Malformed("nested more than $DEEPEST deep")
    return when (peek()) {
        JsonToken.BEGIN_OBJECT -> LinkedHashMap<String, Any?>().also { map ->
            fields { map[it] = value(depth + 1) }
        }
        JsonToken.BEGIN_ARRAY -> ArrayList<Any?>().also { list ->
            items { list += value(depth + 1) }
        }
        JsonToken.NUMBER -> Number(nextString())
        JsonToken.STRING -> nextString()
        JsonToken.BOOLEAN -> nextBoolean()
        else -> nextNull().let { null }
    }
}

/** A number as it is written: 1 and 1.0 are not the same to a reader of whole numbers. */
private class Number(val text: String) {
    override fun toString() = text
}

internal inline fun JsonReader.fields(each: (String) -> Unit) {
    beginObject()
    while (hasNext()) each(nextName())
    endObject()
}

internal inline fun JsonReader.items(each: () -> Unit) {
    beginArray()
    while (hasNext()) each()
    endArray()
}

/** A whole number in [range], written as one. */
internal fun JsonReader.integer(range: LongRange): Long =
    wholeNumber(number(), range) { path }

/** A finite number in [range]. */
internal fun JsonReader.decimal(range: ClosedRange<Double>): Double =
    finiteNumber(number(), range) { path }

internal fun JsonReader.flag(): Boolean {
    if (peek() != JsonToken.BOOLEAN) throw Malformed("$path: ${peek()}, not true or false")
    return nextBoolean()
}

internal fun JsonReader.text(): String {
    if (peek() != JsonToken.STRING) throw Malformed("$path: ${peek()}, not a text")
    return nextString().also { if (!wellFormed(it)) throw Malformed("$path: half a character") }
}

private fun JsonReader.number(): String {
    if (peek() != JsonToken.NUMBER) throw Malformed("$path: ${peek()}, not a number")
    return nextString()
}

private inline fun wholeNumber(text: String, range: LongRange, where: () -> String): Long {
    val number = text.toLongOrNull()
    if (number != null && number in range) return number
    throw Malformed("${where()}: $text, not a whole number from ${range.first} to ${range.last}")
}

private inline fun finiteNumber(
    text: String,
    range: ClosedRange<Double>,
    where: () -> String,
): Double {
    val number = text.toDouble()
    if (number in range) return number // false for NaN
    throw Malformed("${where()}: $text, not from ${range.start} to ${range.endInclusive}")
}

private fun wellFormed(text: String) = Charsets.UTF_8.newEncoder().canEncode(text)

/** A value of the tree, and where it stands; every reading names the type and limits it must have. */
internal class Field(private val value: Any?, val path: String) {
    /** The fields of an object, by name. */
    fun entries(sizes: IntRange = 0..MANY): Map<String, Field> {
        val map = value as? Map<*, *> ?: throw wrong("an object")
        if (map.size !in sizes) throw wrong("an object of ${sizes.first} to ${sizes.last} fields")
        return map.entries.associate { (name, inner) -> "$name" to Field(inner, "$path.$name") }
    }

    operator fun get(name: String): Field {
        val map = value as? Map<*, *> ?: throw wrong("an object")
        if (name !in map) throw Malformed("$path: has no $name")
        return Field(map[name], "$path.$name")
    }

    fun list(sizes: IntRange): List<Field> {
        val list = value as? List<*> ?: throw wrong("a list")
        if (list.size !in sizes) throw wrong("a list of ${sizes.first} to ${sizes.last}")
        return list.mapIndexed { place, inner -> Field(inner, "$path[$place]") }
    }

    fun text(most: Int = LONG_TEXT): String {
        val text = value as? String ?: throw wrong("a text")
        if (text.length > most || !wellFormed(text)) {
            throw wrong("a text of at most $most characters")
        }
        return text
    }

    /** A text that [pattern] matches as a whole. */
    fun text(pattern: Regex, what: String): String =
        text().also { if (!pattern.matches(it)) throw wrong(what) }

    fun integer(range: LongRange): Long = wholeNumber(number(), range) { path }

    fun decimal(range: ClosedRange<Double>): Double = finiteNumber(number(), range) { path }

    fun flag(): Boolean = value as? Boolean ?: throw wrong("true or false")

    fun wrong(what: String) = Malformed("$path: ${"$value".take(SHOWN)}, not $what")

    private fun number() = (value as? Number ?: throw wrong("a number")).text

    private companion object {
        const val MANY = 100_000
        const val LONG_TEXT = 2000
        const val SHOWN = 60
    }
}
