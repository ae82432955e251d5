"""A Hugging Face model handed over as an object, kept as the folder that a teacher is read from."""

from pathlib import Path
from typing import Any

from ..base.errors import ModelError
from ..base.files import foreign_to_mark, mark, replacing_folder


def keep_model(pair: Any, folder: Path) -> Path:
    """Write a model and its WordPiece tokenizer, a pair, below `folder`.

    Raises:
        ModelError: objects of another kind, or a tokenizer without a vocabulary of word pieces.
        PipelineError: `folder` has a teacher of its own.
    """
    place = folder / "teacher"
    with replacing_folder(place, foreign_to_mark) as new:
        try:
            model, tokenizer = pair
            model.save_pretrained(new)
            tokenizer.save_pretrained(new)
            pieces = tokenizer.get_vocab()
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelError(
                f"teacher: {error}. Give a path, a name, or a BERT of transformers with its "
                "tokenizer."
            ) from error
        ordered = sorted(pieces, key=pieces.__getitem__)
        text = "".join(f"{piece}\n" for piece in ordered)
        (new / "vocab.txt").write_text(text, encoding="utf-8", newline="\n")
        mark(new)
    return place
