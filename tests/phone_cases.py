"""What the phones' tests compare with: `python tests/phone_cases.py BUNDLE FOLDER [STRINGS]`.

`strings.jsonl`: [text, ids] a line, ids by Hugging Face's tokenizers. `logits.json`: by artefact,
the logits of the golden cases as Python's runtime gives them here and now, since int8 rounds
otherwise on another processor than the one that sealed them.
"""

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TypeVar  # noqa: E402

from pocketbert.bundle.open import open_bundle  # noqa: E402
from pocketbert.models.vocabulary import SPECIAL, Vocabulary  # noqa: E402
from pocketbert.targets import get_target  # noqa: E402

T = TypeVar("T")

STRINGS = 100_000
SEED = 0
UPPERCASE = {c: c - 32 for c in range(ord("a"), ord("z") + 1)}  # of ASCII: no Unicode table
ODD = ("##", "[", "]", "\u0301", "x" * 100, "x" * 101, "\n")
# Where normalization is hard: accents, final sigma, Turkish, marks, CJK, Hangul, signs, emoji.
BLOCKS = (
    *((0x20, 0x7F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF)),
    *((0x900, 0x97F), (0xE00, 0xE7F), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x20A0, 0x214F)),
    *((0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFE00, 0xFFFF)),
    *((0x10000, 0x10FFF), (0x1D000, 0x1D7FF), (0x1F300, 0x1FAFF), (0x20000, 0x2FA1F)),
    *((0x0, 0x1F), (0xE000, 0xE0FF), (0xE0000, 0xE01EF), (0x0, 0x10FFFF)),
)


class Chance:
    """SplitMix64 (Steele, Lea, Flood 2014): a few lines, and the same numbers, in any language."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        mixed = (self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9 & mask
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB & mask
        return ((mixed ^ (mixed >> 31)) >> 11) % limit

    def between(self, low: int, high: int) -> int:
        """A number, both ends included."""
        return low + self.below(high - low + 1)

    def of(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]


def texts(vocabulary: Vocabulary, real: Sequence[str], count: int) -> Iterator[str]:
    """Seeded mixtures of pieces, real texts and any code points; Swift's tests make the same."""
    chance = Chance(SEED)
    pieces = [piece.removeprefix("##") for piece in vocabulary.pieces]

    def characters() -> str:
        first, last = chance.of(BLOCKS)
        some = [chance.between(first, last) for _ in range(chance.between(1, 6))]
        return "".join(chr(c) for c in some if not 0xD800 <= c < 0xE000)

    makers = (
        lambda: chance.of(pieces),
        lambda: chance.of(pieces).translate(UPPERCASE) + chance.of(pieces),
        characters,
        lambda: chance.of(pieces) + characters(),
        lambda: chance.of(real)[: chance.between(0, 60)],
        lambda: chance.of(SPECIAL),
        lambda: chance.of(ODD),
    )
    for _ in range(count):
        parts = [chance.of(makers)() for _ in range(chance.between(1, 8))]
        yield chance.of(("", " ", " ")).join(parts)


def main(source: Path, folder: Path, count: int) -> None:
    """Write both files."""
    bundle = open_bundle(source)
    real = [case.text for case in bundle.golden]
    strings = list(texts(bundle.vocabulary, real, count))
    encodings = bundle.vocabulary.tokenizer.encode_batch(strings)
    with (folder / "strings.jsonl").open("w", encoding="utf-8") as file:
        for text, encoding in zip(strings, encodings, strict=True):
            file.write(json.dumps([text, encoding.ids]) + "\n")
    encoded = bundle.vocabulary.encode([case.text for case in bundle.golden])
    logits = {
        name: get_target(name)
        .load(bundle.artifacts[name].artifact)
        .logits(encoded.input_ids, encoded.attention_mask)
        .tolist()
        for name in ("executorch", "tflite")
        if name in bundle.artifacts
    }
    (folder / "logits.json").write_text(json.dumps(logits), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int((sys.argv[3:] or [STRINGS])[0]))
