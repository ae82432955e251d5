package org.pocketbert.core

/**
 * Token ids of a text, equal to Hugging Face's `tokenizers` with BERT's normalizer.
 *
 * A literal "[CLS]" in a text is the special token, as there.
 */
public class WordPiece internal constructor(
    private val pieces: List<String>,
    private val characters: CharacterTable,
    private val maxLength: Int,
) {
    private val ids = HashMap<String, Int>(pieces.size * 2).apply {
        pieces.forEachIndexed { id, piece -> put(piece, id) }
    }
    private val longest = pieces.maxOf { it.length }
    private val special = listOf("[PAD]", UNKNOWN, CLS, SEP, "[MASK]").onEach { idOf(it) }
    private val unknown = idOf(UNKNOWN)
    private val first = idOf(CLS)
    private val last = idOf(SEP)

    /** Ids with [CLS] and [SEP]: at least 2, at most `maxLength`; what comes after is cut off. */
    public fun encode(text: String): IntArray {
        val reading = Reading()
        var place = 0
        while (place < text.length && !reading.full) {
            val literal = if (text[place] == '[') specialAt(text, place) else null
            if (literal != null) {
                reading.end()
                reading.add(idOf(literal))
                place += literal.length
            } else {
                val codePoint = text.codePointAt(place)
                characters.read(codePoint, reading)
                place += Character.charCount(codePoint)
            }
        }
        reading.end()
        return reading.finish()
    }

    /** The pieces that [ids] stand for, as `vocab.txt` has them. */
    public fun decode(ids: IntArray): List<String> = ids.map { pieces[it] }

    private fun specialAt(text: String, place: Int) =
        special.firstOrNull { text.startsWith(it, place) }

    private fun idOf(piece: String) =
        ids[piece] ?: throw BundleException("vocab.txt lacks $piece. Make the bundle again.")

    /** The ids so far, and the word that is being read. */
    private inner class Reading : CharacterTable.Word {
        private val made = IntArray(maxLength)
        private var size = 1
        private val word = StringBuilder()
        private var codePoints = 0

        init {
            made[0] = first
        }

        val full get() = size == maxLength - 1

        override fun append(codePoint: Int) {
            word.appendCodePoint(codePoint)
            codePoints++
        }

        override fun end() {
            if (codePoints > 0) addPieces()
            word.setLength(0)
            codePoints = 0
        }

        fun add(id: Int) {
            if (!full) made[size++] = id
        }

        fun finish(): IntArray {
            made[size++] = last
            return made.copyOf(size)
        }

        /** Longest piece first; a word that can't be spelled is one [UNK]. */
        private fun addPieces() {
            val before = size
            var begin = if (codePoints > LONGEST_WORD) NOT_SPELLED else 0
            while (begin in word.indices) {
                val (id, end) = pieceAt(begin) ?: (unknown to NOT_SPELLED)
                add(id)
                begin = end
            }
            if (begin == NOT_SPELLED) {
                size = before
                add(unknown)
            }
        }

        private fun pieceAt(begin: Int): Pair<Int, Int>? {
            val prefix = if (begin > 0) "##" else ""
            for (end in minOf(word.length, begin + longest) downTo begin + 1) {
                ids[prefix + word.substring(begin, end)]?.let { return it to end }
            }
            return null
        }
    }

    private companion object {
        const val UNKNOWN = "[UNK]"
        const val CLS = "[CLS]"
        const val SEP = "[SEP]"
        const val LONGEST_WORD = 100 // code points
        const val NOT_SPELLED = -1
    }
}
