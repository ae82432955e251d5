package org.pocketbert.core

import com.google.gson.JsonParser
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File

/** Vocabularies of nine languages, made by `tests/phone_languages.py`. */
class LanguagesTest {
    @Test
    fun stringsOfEveryLanguageHaveTheIdsOfHuggingFace() {
        var count = 0
        val folders = Given.folder("pocketbert.languages").listFiles()!!.sorted()
        for (folder in folders) {
            val pieces = File(folder, "vocab.txt").readText().removeSuffix("\n").split('\n')
            val tokenizer = WordPiece(pieces, readCharacters(folder), LENGTH)
            File(folder, "strings.jsonl").forEachLine { line ->
                val case = JsonParser.parseString(line).asJsonArray
                val expected = case[1].asJsonArray.map { it.asInt }
                assertEquals(expected, tokenizer.encode(case[0].asString).toList()) {
                    "${folder.name}: $line"
                }
                count++
            }
        }
        println("$count strings of ${folders.size} languages, every id equal to Hugging Face's")
        assertTrue(folders.size >= 9)
    }

    private companion object {
        const val LENGTH = 64
    }
}
