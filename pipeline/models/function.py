"""A teacher that is a function of the caller's program: texts in, logits or probabilities out.

A function can't be kept on disk. Its folder holds the labels alone, and it answers while the run is
at work that it was given to; as with events, it belongs to the context of the caller.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..base.arrays import Logits
from ..base.errors import ModelError
from ..base.files import foreign_to_mark, mark, replacing_folder, write_json
from ..base.progress import track
from .tokenizer import read_object

Ask: TypeAlias = Callable[[list[str]], Any]
LABELS = "function.json"  # in the folder of such a teacher
BATCH = 256  # texts of one call
SAMPLE = 200  # texts whose answers tell one function from another
LEAST = 1e-6  # probability that still has a logarithm
EVEN = 1e-3  # by which probabilities of a text may miss 1

_asked: ContextVar[Ask | None] = ContextVar("asked", default=None)


@contextmanager
def answering(function: Ask) -> Iterator[None]:
    """Have `function` answer for the teacher within the block."""
    token = _asked.set(function)
    try:
        yield
    finally:
        _asked.reset(token)


def keep_labels(labels: Sequence[str], folder: Path) -> Path:
    """Write the folder that stands for a function, below `folder`.

    Raises:
        ModelError: fewer than two labels, or one twice.
        PipelineError: `folder` has a teacher of its own.
    """
    names = [str(label) for label in labels]
    if len(names) < 2 or len({*names}) < len(names):
        raise ModelError(
            f"teacher: has the labels {', '.join(names) or 'none'}; give two or more, each once, "
            "in the order of what the function returns."
        )
    place = folder / "teacher"
    with replacing_folder(place, foreign_to_mark) as new:
        write_json(new / LABELS, {"labels": names})
        mark(new)
    return place


def is_function(folder: Path) -> bool:
    """Whether `folder` stands for a function."""
    return (folder / LABELS).exists()


@dataclass(frozen=True)
class FunctionClassifier:
    """A function as a classifier; `labels[i]` names column i of what it returns."""

    labels: tuple[str, ...]
    function: Ask
    parameters: int = 0  # not known

    def logits(self, texts: Sequence[str], what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`; (0, 0) where there is none.

        Raises:
            ModelError: the function returned something else.
        """
        rows = [np.empty((0, 0), np.float32)]
        for start in track(range(0, len(texts), BATCH), what):
            rows.append(self._ask(list(texts[start : start + BATCH])))
        return np.concatenate(rows[1:] or rows)

    def save(self, folder: Path) -> None:
        """Write the labels."""
        folder.mkdir()
        write_json(folder / LABELS, {"labels": self.labels})

    def fingerprint(self, texts: Sequence[str]) -> str:
        """sha256 of what it says of a sample of `texts`, to a thousandth."""
        sample = texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE]
        rounded = np.round(self.logits(sample).astype(np.float64), 3) + 0.0  # no -0
        return sha256(rounded.tobytes()).hexdigest()

    def _ask(self, texts: list[str]) -> Logits:
        try:
            said = np.asarray(self.function(texts), np.float32)
        except (TypeError, ValueError) as error:
            raise ModelError(f"teacher: the function returned no table of numbers: {error}.") from (
                error
            )
        wanted = (len(texts), len(self.labels))
        if said.shape != wanted or not np.isfinite(said).all():
            found = f"shape {said.shape}" if said.shape != wanted else "numbers that are not finite"
            raise ModelError(
                f"teacher: the function returned {found}; give {wanted[0]} rows of {wanted[1]} "
                "finite numbers, one row a text and one number a label."
            )
        if (said >= 0).all() and (np.abs(said.sum(1) - 1) <= EVEN).all():  # probabilities
            said = np.log(np.maximum(said, LEAST))
        return said


def open_function(folder: Path) -> FunctionClassifier:
    """The function that answers in this context, with the labels in `folder`.

    Raises:
        ModelError: none answers.
    """
    function = _asked.get()
    if function is None:
        raise ModelError(
            f"{folder}: this teacher is a function of the program that called pb.run. Call it "
            "again from there."
        )
    return FunctionClassifier(tuple(read_object(folder / LABELS)["labels"]), function)
