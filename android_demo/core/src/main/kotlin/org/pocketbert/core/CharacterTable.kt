package org.pocketbert.core

/**
 * What BERT's normalizer makes of each code point, read from the bundle's `characters.json`.
 *
 * The phone's own Unicode tables are of another version than the tokenizer's, so none is asked.
 */
internal class CharacterTable(
    private val drop: Ranges,
    private val space: Ranges,
    private val alone: Ranges,
    private val replace: Map<Int, IntArray>,
    private val hangul: Boolean,
) {
    /** What a code point does to the word that is being read. */
    interface Word {
        /** The word goes on with [codePoint]. */
        fun append(codePoint: Int)

        /** The word ends here. */
        fun end()
    }

    /** Let [codePoint] act on [word]; it may be dropped, replaced, end the word, or be its own. */
    fun read(codePoint: Int, word: Word) {
        val replacement = replace[codePoint]
        when {
            replacement != null -> replacement.forEach { place(it, word) }
            hangul && codePoint in SYLLABLES -> readSyllable(codePoint - SYLLABLES.first, word)
            codePoint !in drop -> place(codePoint, word)
        }
    }

    /** A Hangul syllable falls into two or three letters (Unicode, section 3.12). */
    private fun readSyllable(index: Int, word: Word) {
        place(LEADING + index / (VOWELS * TRAILS), word)
        place(VOWEL + index % (VOWELS * TRAILS) / TRAILS, word)
        if (index % TRAILS > 0) place(TRAIL + index % TRAILS, word)
    }

    private fun place(codePoint: Int, word: Word) {
        when (codePoint) {
            in space -> word.end()
            in alone -> {
                word.end()
                word.append(codePoint)
                word.end()
            }
            else -> word.append(codePoint)
        }
    }

    /** Sorted ranges of code points, both ends included. */
    class Ranges(private val firsts: IntArray, private val lasts: IntArray) {
        /** Whether one of the ranges holds [codePoint]. */
        operator fun contains(codePoint: Int): Boolean {
            val found = firsts.binarySearch(codePoint)
            val place = if (found >= 0) found else -found - 2
            return place >= 0 && codePoint <= lasts[place]
        }
    }

    private companion object {
        val SYLLABLES = 0xAC00..0xD7A3
        const val LEADING = 0x1100
        const val VOWEL = 0x1161
        const val TRAIL = 0x11A7
        const val VOWELS = 21
        const val TRAILS = 28
    }
}
