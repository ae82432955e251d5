"""A Hugging Face model handed over as an object, kept as the folder that a teacher is read from."""

from pathlib import Path
from typing import Any

from ..base.errors import ModelError


def keep_model(pair: Any, folder: Path) -> Path:
    """Write a model and its WordPiece tokenizer, a pair, below `folder`.

    Raises:
        ModelError: objects of another kind, or a tokenizer without a vocabulary of word pieces.
    """
    place = folder / "teacher"
    try:
        model, tokenizer = pair
        place.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        pieces = tokenizer.get_vocab()
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            f"teacher: {error}. Give a path, a name, or a BERT of transformers with its tokenizer."
        ) from error
    ordered = sorted(pieces, key=pieces.__getitem__)
    text = "".join(f"{piece}\n" for piece in ordered)
    (place / "vocab.txt").write_text(text, encoding="utf-8", newline="\n")
    return place
