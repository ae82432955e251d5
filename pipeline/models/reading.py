"""How well a vocabulary reads texts: unknown words, texts that are cut, texts that read alike.

A gate against the teacher cannot see that the teacher is blind; this does, before anything is
trained.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..base.errors import DataError
from .vocabulary import UNKNOWN, Vocabulary

MOST_UNKNOWN = 0.10  # share of the words above which the teacher is of another language
CHUNK = 10_000  # texts encoded at once: an encoding takes 3 KB
SHOWN = 5  # unknown words that a finding names


@dataclass(frozen=True)
class Reading:
    """What a vocabulary makes of some texts."""

    texts: int
    words: int
    unknown: Counter[str]  # words that are [UNK], as typed
    cut: int  # texts that are longer than max_length
    ids: list[tuple[int, ...]]  # of each text, cut

    @property
    def share_unknown(self) -> float:
        """Share of the words that are [UNK]."""
        return self.unknown.total() / max(1, self.words)


def reading_of(vocabulary: Vocabulary, texts: Sequence[str]) -> Reading:
    """Encode `texts` and count what gets lost."""
    unknown, words, cut, ids = Counter[str](), 0, 0, list[tuple[int, ...]]()
    blank = vocabulary.pieces.index(UNKNOWN)
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        for text, encoding in zip(some, vocabulary.tokenizer.encode_batch(some), strict=True):
            places = [place for place in encoding.word_ids if place is not None]
            words += places[-1] + 1 if places else 0
            cut += bool(encoding.overflowing)
            ids.append(tuple(encoding.ids))
            if blank in encoding.ids:
                spans = zip(encoding.ids, encoding.offsets, strict=True)
                unknown.update(text[first:last] for piece, (first, last) in spans if piece == blank)
    return Reading(len(texts), words, unknown, cut, ids)


def check_readable(
    vocabulary: Vocabulary, parts: Mapping[str, tuple[Sequence[str], Sequence[int]]], source: str
) -> tuple[str, ...]:
    """Findings of how `vocabulary` reads the texts and labels of each part.

    Raises:
        DataError: more than a tenth of the words of a part are unknown to it.
    """
    readings = {name: reading_of(vocabulary, texts) for name, (texts, _) in parts.items()}
    for name, reading in readings.items():
        if reading.share_unknown > MOST_UNKNOWN:
            raise DataError(
                f"{source}: {reading.share_unknown:.0%} of the words of the {name} part are [UNK] "
                f"to this model ({_some(reading.unknown)}), and {MOST_UNKNOWN:.0%} may be. "
                "Choose a BERT of the data's language, for example "
                "google-bert/bert-base-multilingual-cased."
            )
    unknown = sum((reading.unknown for reading in readings.values()), Counter[str]())
    words = sum(reading.words for reading in readings.values())
    cut, texts = (sum(getattr(r, name) for r in readings.values()) for name in ("cut", "texts"))
    findings = []
    if unknown:
        share = unknown.total() / words
        findings.append(f"{share:.2%} of the words are [UNK] to the model: {_some(unknown)}")
    if cut:
        findings.append(
            f"{cut} of {texts} texts are longer than {vocabulary.max_length} tokens and are cut: "
            "raise --max-length (up to 512)"
        )
    return (*findings, *_alike(readings, {name: labels for name, (_, labels) in parts.items()}))


def _some(unknown: Counter[str]) -> str:
    return ", ".join(repr(word[:20]) for word, _ in unknown.most_common(SHOWN))


def _alike(readings: Mapping[str, Reading], labels: Mapping[str, Sequence[int]]) -> tuple[str, ...]:
    """Texts that are one to the tokenizer, though not to a reader."""
    meant = dict[tuple[int, ...], int]()
    clashes = leaked = 0
    for name, reading in readings.items():  # training first
        before = frozenset(meant)
        for ids, label in zip(reading.ids, labels[name], strict=True):
            clashes += meant.setdefault(ids, label) != label
            leaked += name == "test" and ids in before
    findings = []
    if clashes:
        findings.append(
            f"{clashes} texts have the token ids of a text of another intent: the tokenizer drops "
            "what tells them apart (accents, case, characters), or they are cut before it"
        )
    if leaked:
        findings.append(f"{leaked} test texts have the token ids of a training or validation text")
    return tuple(findings)
