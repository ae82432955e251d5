"""The pruning of a vocabulary to what a student can afford.

A word whose piece was pruned is spelled with shorter pieces, in the end with characters. Those that
the texts need are kept in every place where they need them, so that pruning makes no new [UNK]
there; of the others so many that half of the table is left for words.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice

from .vocabulary import SPECIAL, Vocabulary

CHUNK = 10_000  # texts encoded at once: an encoding takes 3 KB
TAIL = "##"


def prune(vocabulary: Vocabulary, texts: Sequence[str], size: int | None) -> Vocabulary:
    """Keep `size` pieces: special ones, characters, then words by their frequency in `texts`.

    Pieces that `texts` do not use follow in the teacher's order, which for BERT's vocabularies is
    by general frequency: they serve words that users type and the training texts lack. Kept pieces
    stay in the teacher's order. The table is larger than `size` only where the characters that
    `texts` need leave less than half of it for words.
    """
    if size is None or size >= len(vocabulary):
        return vocabulary
    pieces = vocabulary.pieces
    ids = {piece: i for i, piece in enumerate(pieces)}
    used, spelling, alone = _count(vocabulary, texts, ids)
    keep = {ids[piece] for piece in SPECIAL} | {*spelling, *alone}
    size = max(size, 2 * (len(SPECIAL) + len(spelling)))
    further = (i for i in _further(pieces, ids, [*spelling, *alone]) if i not in keep)
    keep |= {*islice(further, size // 2 - len(SPECIAL) - len(spelling))}
    ranked = [piece for piece, _ in used.most_common()]
    general = [i for i, piece in enumerate(pieces) if not piece.startswith("[unused")]
    general.sort(key=lambda i: len(pieces[i].removeprefix(TAIL)) == 1)  # words first
    for piece in (*ranked, *general):
        if len(keep) >= size:
            break
        keep.add(piece)
    return replace(vocabulary, pieces=tuple(pieces[i] for i in sorted(keep)))


def _count(
    vocabulary: Vocabulary, texts: Sequence[str], ids: dict[str, int]
) -> tuple[Counter[int], list[int], list[int]]:
    """How often each piece is used, and characters, most frequent first.

    Those that spell all words, where one is another piece at the beginning of a word than further
    on; then those that are words of their own, as in Chinese.
    """
    used, words = Counter[int](), Counter[str]()
    normalizer, cutter = vocabulary.tokenizer.normalizer, vocabulary.tokenizer.pre_tokenizer
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        for encoding in vocabulary.tokenizer.encode_batch(list(some)):
            used.update(encoding.ids)
        for text in some:
            normal = normalizer.normalize_str(text)
            words.update(word for word, _ in cutter.pre_tokenize_str(normal))
    spelled, alone = Counter[str](), Counter[str]()
    for word, count in words.items():
        if len(word) == 1:
            alone[word] += count
            continue
        for place, character in enumerate(word):
            spelled[TAIL + character if place else character] += count
    return used, _ranked(spelled, ids), _ranked(alone, ids)


def _ranked(characters: Counter[str], ids: dict[str, int]) -> list[int]:
    return [ids[piece] for piece, _ in characters.most_common() if piece in ids]


def _further(pieces: Sequence[str], ids: dict[str, int], needed: Iterable[int]) -> Iterator[int]:
    """The other characters, each at the beginning of a word and further on.

    First those of the texts in their other place, then those of scripts that the texts use, then
    all in the teacher's order.
    """
    first = list(dict.fromkeys(pieces[i].removeprefix(TAIL) for i in needed))
    scripts = {*map(_script, first), "LATIN", ""}
    every = [p.removeprefix(TAIL) for p in pieces if len(p.removeprefix(TAIL)) == 1]
    known = [character for character in every if _script(character) in scripts]
    for character in dict.fromkeys((*first, *known, *every)):
        for piece in (character, TAIL + character):
            if piece in ids:
                yield ids[piece]


@lru_cache(maxsize=1 << 16)
def _script(character: str) -> str:
    """The first word of its name in Unicode, which says its script; "" of no letter."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "").partition(" ")[0]
