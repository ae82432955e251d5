"""A Hugging Face model handed over as an object, kept as the folder that a teacher is read from."""

from pathlib import Path
from typing import Any

from ..base.errors import ModelError


def keep_model(model: Any, tokenizer: Any, folder: Path) -> Path:
    """Write `model` and its WordPiece `tokenizer` below `folder`.

    Raises:
        ModelError: objects of another kind, or a tokenizer without a vocabulary of word pieces.
    """
    place = folder / "teacher"
    place.mkdir(parents=True, exist_ok=True)
    try:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        pieces = tokenizer.get_vocab()
    except AttributeError as error:
        raise ModelError(f"teacher: {error}. Give a BERT of transformers and its tokenizer.") from (
            error
        )
    ordered = sorted(pieces, key=pieces.__getitem__)
    text = "".join(f"{piece}\n" for piece in ordered)
    (place / "vocab.txt").write_text(text, encoding="utf-8", newline="\n")
    return place
