"""WordPiece through `tokenizers`: texts to ids, and what another vocabulary makes of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

from ..base.arrays import Ids
from ..base.errors import InputError, ModelError
from ..base.files import clean

PAD, UNKNOWN, CLS, SEP, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Encoded:
    """Token ids and attention mask, both (batch, sequence) int64, padded on the right."""

    input_ids: Ids
    attention_mask: Ids


@dataclass(frozen=True)
class Vocabulary:
    """An ordered WordPiece vocabulary and its casing; a piece's place is its token id."""

    pieces: tuple[str, ...]
    lowercase: bool = True
    max_length: int = 64  # tokens, [CLS] and [SEP] included
    strip_accents: bool | None = None  # None: where it lowercases
    split_chinese: bool = True  # every ideograph is a word

    def __post_init__(self) -> None:
        missing = [piece for piece in SPECIAL if piece not in self.pieces]
        if missing:
            raise ModelError(
                f"The vocabulary lacks {', '.join(missing)}: it is no BERT WordPiece vocabulary. "
                "Use a BERT teacher."
            )

    def __len__(self) -> int:
        return len(self.pieces)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer over these pieces, with truncation and without padding."""
        ids = {piece: i for i, piece in enumerate(self.pieces)}
        tokenizer = Tokenizer(WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
        tokenizer.normalizer = normalizer(self.lowercase, self.strip_accents, self.split_chinese)
        tokenizer.pre_tokenizer = BertPreTokenizer()
        tokenizer.post_processor = TemplateProcessing(
            single=f"{CLS} $A {SEP}",
            pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
            special_tokens=[(CLS, ids[CLS]), (SEP, ids[SEP])],
        )
        # As in Hugging Face's tokenizers, a literal "[CLS]" in a text is the special token.
        tokenizer.add_special_tokens(list(SPECIAL))
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    def encode(self, texts: Sequence[str], length: int | None = None) -> Encoded:
        """Encode `texts`, padded to `length` tokens or, without one, to the longest of them."""
        encodings = self.tokenizer.encode_batch([clean(text) for text in texts])
        width = length or max(len(encoding) for encoding in encodings)
        ids = np.full((len(texts), width), self.pieces.index(PAD), np.int64)
        mask = np.zeros((len(texts), width), np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding)] = encoding.ids
            mask[row, : len(encoding)] = 1
        return Encoded(ids, mask)

    def tokenize(self, texts: Sequence[str]) -> list[list[str]]:
        """The word pieces of each text, special ones included."""
        return [e.tokens for e in self.tokenizer.encode_batch([clean(text) for text in texts])]

    @property
    def settings(self) -> dict[str, bool]:
        """What `read_vocabulary` needs beside the pieces, as it is written."""
        strip = self.lowercase if self.strip_accents is None else self.strip_accents
        return {
            "lowercase": self.lowercase,
            "strip_accents": strip,
            "split_chinese": self.split_chinese,
        }

    def save(self, folder: Path) -> None:
        """Write `vocab.txt`, one piece a line."""
        text = "".join(f"{piece}\n" for piece in self.pieces)
        (folder / "vocab.txt").write_text(text, encoding="utf-8", newline="\n")


def normalizer(lowercase: bool, strip_accents: bool | None, split_chinese: bool) -> BertNormalizer:
    """BERT's normalizer, as a vocabulary's settings ask for it."""
    return BertNormalizer(
        lowercase=lowercase, strip_accents=strip_accents, handle_chinese_chars=split_chinese
    )


def read_vocabulary(
    file: Path,
    *,
    lowercase: bool,
    max_length: int,
    strip_accents: bool | None = None,
    split_chinese: bool = True,
) -> Vocabulary:
    """Read a `vocab.txt`.

    Raises:
        ModelError: missing, not UTF-8, or not a BERT vocabulary.
    """
    try:
        # split("\n"), not splitlines(): a piece may be U+2028 or U+0085.
        pieces = file.read_bytes().decode("utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{file}: not a readable vocabulary ({error}). Use a BERT.") from error
    pieces = [piece.rstrip("\r") for piece in pieces]
    return Vocabulary(tuple(pieces), lowercase, max_length, strip_accents, split_chinese)


@dataclass(frozen=True)
class Segmentation:
    """What a pruned vocabulary changes in how texts are cut into pieces."""

    pieces: tuple[int, int]  # of the whole and the pruned vocabulary
    changed: float  # share of the texts that are segmented otherwise
    tokens: tuple[float, float]  # per text, before and after
    words: tuple[tuple[str, str, str], ...]  # most frequent first: word, pieces before and after


def compare_segmentation(
    whole: Vocabulary, pruned: Vocabulary, texts: Sequence[str], shown: int = 12
) -> Segmentation:
    """Segment `texts` with both vocabularies; `shown` of the words that differ are listed."""
    before, after = whole.tokenize(texts), pruned.tokenize(texts)
    spelled = (text.lower() if whole.lowercase else text for text in texts)
    words = Counter(word for text in spelled for word in text.split())
    listed = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))]
    pairs = zip(listed, whole.tokenize(listed), pruned.tokenize(listed), strict=True)
    differing = (
        (word, " ".join(one[1:-1]), " ".join(other[1:-1]))
        for word, one, other in pairs
        if one != other
    )
    count = max(1, len(texts))
    return Segmentation(
        pieces=(len(whole), len(pruned)),
        changed=sum(one != other for one, other in zip(before, after, strict=True)) / count,
        tokens=(sum(map(len, before)) / count, sum(map(len, after)) / count),
        words=tuple(islice(differing, shown)),
    )


def check_ids(input_ids: Ids, attention_mask: Ids, *, vocabulary: int, max_length: int) -> None:
    """Refuse what a runtime may not see: some abort the process on an id out of range.

    Raises:
        InputError: unequal shapes, a length or an id out of range, a mask of other than 0, 1.
    """
    if input_ids.ndim != 2 or input_ids.shape != attention_mask.shape:
        raise InputError(
            f"input_ids have shape {input_ids.shape} and attention_mask {attention_mask.shape}; "
            "give both as (batch, sequence)."
        )
    if not 1 <= input_ids.shape[1] <= max_length:
        raise InputError(
            f"The sequence has {input_ids.shape[1]} tokens; give 1 to {max_length}, or truncate."
        )
    for name, values, low, high in (
        ("input_ids", input_ids, 0, vocabulary - 1),
        ("attention_mask", attention_mask, 0, 1),
    ):
        bad = values[(values < low) | (values > high)]
        if bad.size:
            raise InputError(
                f"{name} holds {bad[0]}; values from {low} to {high} are allowed. "
                "Encode with the bundle's own vocabulary."
            )
