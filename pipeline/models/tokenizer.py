"""The tokenizer of a Hugging Face folder as a `Vocabulary`, or why no phone can run it.

Whatever the files say, `check_ids_equal` has the last word: our ids must be those of the folder's
own tokenizer.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..base.errors import ModelError
from .vocabulary import UNKNOWN, Vocabulary, read_vocabulary

TOKENIZER, OPTIONS, PIECES = "tokenizer.json", "tokenizer_config.json", "vocab.txt"
# Classes of WordPiece over BERT's own pre-tokenizer; the others are named when they are refused.
WORDPIECE = ("Bert", "DistilBert", "Electra", "MobileBert", "Funnel", "MPNet", "PreTrained")
SAMPLE = 200  # texts on which ids are compared
REMEDY = (
    "It may teach, but a phone reads WordPiece alone: what ships must be a BERT with its own "
    "WordPiece vocabulary."
)


def read_tokenizer(folder: Path, max_length: int) -> Vocabulary:
    """The WordPiece vocabulary of a Hugging Face folder, with its casing.

    `tokenizer.json` decides where there is one, and `vocab.txt` with `tokenizer_config.json`
    otherwise.

    Raises:
        ModelError: none there, a damaged one, or one that is no WordPiece as BERT has it.
    """
    options = read_object(folder / OPTIONS) if (folder / OPTIONS).exists() else {}
    _check_class(folder, options)
    if (folder / TOKENIZER).exists():
        return _from_json(folder, read_object(folder / TOKENIZER), max_length)
    return read_vocabulary(
        folder / PIECES,
        lowercase=options.get("do_lower_case", True),
        strip_accents=options.get("strip_accents"),
        split_chinese=options.get("tokenize_chinese_chars", True),
        max_length=max_length,
    )


def save_tokenizer(vocabulary: Vocabulary, folder: Path) -> None:
    """Write `vocab.txt` and the stock tokenizer's own files."""
    from .stock import BertTokenizerFast

    vocabulary.save(folder)
    settings = vocabulary.settings
    BertTokenizerFast(
        tokenizer_object=vocabulary.tokenizer,
        do_lower_case=settings["lowercase"],
        strip_accents=settings["strip_accents"],
        tokenize_chinese_chars=settings["split_chinese"],
        model_max_length=vocabulary.max_length,
    ).save_pretrained(folder)


def check_ids_equal(vocabulary: Vocabulary, folder: Path, texts: Sequence[str]) -> None:
    """Compare our ids with those of the folder's own tokenizer on a sample of `texts`.

    Raises:
        ModelError: they differ; names the first text.
    """
    from .stock import AutoTokenizer, opening

    try:
        with opening():
            theirs = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # each tokenizer raises its own kinds
        raise ModelError(
            f"{folder}: its tokenizer cannot be opened ({str(error).splitlines()[0]}). "
            "Save it again with save_pretrained."
        ) from error
    for text in texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE]:
        expected = theirs(text, truncation=True, max_length=vocabulary.max_length)["input_ids"]
        if vocabulary.encode([text]).input_ids[0].tolist() != list(expected):
            raise ModelError(
                f"{folder}: {text[:60]!r} is read as {' '.join(vocabulary.tokenize([text])[0])}, "
                f"and its own tokenizer says {' '.join(theirs.convert_ids_to_tokens(expected))}. "
                f"{REMEDY}"
            )


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in `file`.

    Raises:
        ModelError: missing, unreadable or no object.
    """
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError("no JSON object")
        return loaded
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file}: cannot be read ({error}). Give a complete BERT folder."
        ) from error


def _check_class(folder: Path, options: dict[str, Any]) -> None:
    name = str(options.get("tokenizer_class") or "Bert")
    cutter = options.get("word_tokenizer_type", "basic")
    known = name.removesuffix("Fast").removesuffix("Tokenizer") in WORDPIECE
    if not known and name != "TokenizersBackend":
        raise ModelError(f"{folder}: its tokenizer is {name}. {REMEDY}")
    if cutter != "basic" or not options.get("do_basic_tokenize", True):
        cutter = "none" if cutter == "basic" else cutter
        raise ModelError(f"{folder}: its tokenizer cuts words with {cutter}. {REMEDY}")


def _from_json(folder: Path, content: dict[str, Any], max_length: int) -> Vocabulary:
    model = content.get("model") or {}
    wanted = {
        "model": (model.get("type", "WordPiece"), "WordPiece"),
        "normalizer": (_type(content, "normalizer"), "BertNormalizer"),
        "pre-tokenizer": (_type(content, "pre_tokenizer"), "BertPreTokenizer"),
        "mark of continuation": (model.get("continuing_subword_prefix", "##"), "##"),
        "unknown piece": (model.get("unk_token", UNKNOWN), UNKNOWN),
        "longest word": (model.get("max_input_chars_per_word", 100), 100),
    }
    for what, (found, value) in wanted.items():
        if found != value:
            raise ModelError(f"{folder}: its tokenizer's {what} is {found}, not {value}. {REMEDY}")
    pieces, settings = model.get("vocab") or {}, content["normalizer"]
    if sorted(pieces.values()) != list(range(len(pieces))):
        raise ModelError(
            f"{folder / TOKENIZER}: its ids are not 0 to {len(pieces) - 1}. "
            "Save the tokenizer again with save_pretrained."
        )
    return Vocabulary(
        tuple(sorted(pieces, key=pieces.__getitem__)),
        lowercase=settings.get("lowercase", True),
        strip_accents=settings.get("strip_accents"),
        split_chinese=settings.get("handle_chinese_chars", True),
        max_length=max_length,
    )


def _type(content: dict[str, Any], part: str) -> str:
    return str((content.get(part) or {}).get("type", "missing"))
