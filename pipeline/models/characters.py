"""What BERT's normalizer and pre-tokenizer do to every single character, as a table for phones.

Lowercase, accents, punctuation and spaces depend on the Unicode version of whoever asks, and a
phone's is not this computer's. So the tokenizer itself is asked, once for each of Unicode's code
points, and readers in Kotlin and Swift look its answers up. docs/bundle.md describes the format.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import Field
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from .vocabulary import normalizer

LAST = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)  # alone they are no text; `base.files.clean` removes them
HANGUL = range(0xAC00, 0xD7A4)  # too many to list, and decomposed by arithmetic (Unicode 3.12)
SEPARATOR = "1"  # nothing else becomes it, and nothing is changed by standing beside it
CHUNK = 256  # characters asked about at once
CodePoint = Annotated[int, Field(ge=0, le=LAST)]
Ranges = tuple[tuple[CodePoint, CodePoint], ...]


@dataclass(frozen=True)
class Characters:
    """Ranges are of code points, both ends included."""

    drop: Ranges
    space: Ranges  # ends a word
    alone: Ranges  # a word of its own: punctuation, ideographs
    # First a code point, then what stands for it; the others stay as they are. No object with
    # characters for keys: Swift takes two of them for one where they are canonically equivalent.
    replace: tuple[Annotated[tuple[CodePoint, ...], Field(min_length=1)], ...]
    hangul: bool  # whether syllables fall into their letters


@lru_cache
def characters(
    lowercase: bool, strip_accents: bool | None = None, split_chinese: bool = True
) -> Characters:
    """The table of BERT's normalizer, so set, before `BertPreTokenizer`; takes some seconds."""
    normalized = dict(_normalize(normalizer(lowercase, strip_accents, split_chinese)))
    words = {c: new.strip() for c, new in normalized.items() if new.strip()}
    same = [c for c, word in words.items() if word == chr(c)]
    changed = {c: word for c, word in words.items() if word != chr(c)}
    spaced = {c for c in same if " " in normalized[c]}  # ideographs
    hangul = HANGUL[0] in changed
    return Characters(
        drop=_ranges(c for c in range(LAST + 1) if normalized.get(c) in ("", None)),
        space=_ranges(c for c, new in normalized.items() if new and c not in words),
        alone=_ranges(sorted(spaced | set(_punctuation(same)))),
        replace=tuple(
            (c, *map(ord, word)) for c, word in changed.items() if not hangul or c not in HANGUL
        ),
        hangul=hangul,
    )


def _normalize(normalizer: BertNormalizer) -> Iterator[tuple[int, str]]:
    every = [c for c in range(LAST + 1) if c not in SURROGATES and c != ord(SEPARATOR)]
    for some in _chunks(every):
        text = normalizer.normalize_str(SEPARATOR.join(map(chr, some)))
        yield from zip(some, text.split(SEPARATOR), strict=True)
    yield ord(SEPARATOR), SEPARATOR  # out of order, and in no range


def _punctuation(code_points: Sequence[int]) -> Iterator[int]:
    """Those that the pre-tokenizer splits from what stands beside them."""
    splitter = BertPreTokenizer()
    for some in _chunks(code_points):
        pieces = splitter.pre_tokenize_str(SEPARATOR.join(["", *map(chr, some), ""]))
        yield from (ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != SEPARATOR)


def _chunks(code_points: Sequence[int]) -> Iterator[Sequence[int]]:
    for begin in range(0, len(code_points), CHUNK):
        yield code_points[begin : begin + CHUNK]


def _ranges(code_points: Iterable[int]) -> Ranges:
    found = list[list[int]]()
    for c in code_points:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return tuple((first, last) for first, last in found)
