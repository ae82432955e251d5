"""What every format offers: lower a student to a file, load the file to run it.

It implements no format. The one piece of running code here is what all runtimes share: ids are
checked, and each text gets the shortest length that the artefact takes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..base.arrays import Ids, Logits
from ..base.errors import TargetUnavailable
from ..base.recipes import Recipe
from ..models.vocabulary import check_ids
from .inspect import Contents

if TYPE_CHECKING:
    from ..models.student import Student


@dataclass(frozen=True)
class Artifact:
    """One lowered model on disk, and how it is to be called."""

    target: str
    path: Path  # a file, or the folder that Apple's formats are
    inputs: tuple[str, ...]  # names: token ids, attention mask, and segment ids where there are any
    dtype: str  # of every input
    lengths: tuple[int, ...]  # tokens; lowest and highest where `dynamic`, else all that it takes
    dynamic: bool
    vocabulary: int  # ids from 0 to this, exclusive
    recipe: Recipe
    quantization: str  # what the target made of the recipe, in words
    min_runtime: str
    reason: str = ""  # why this recipe, where it was chosen automatically

    def length_for(self, tokens: int) -> int:
        """The shortest sequence length that holds `tokens`."""
        if self.dynamic:
            return max(tokens, self.lengths[0])
        return next(length for length in self.lengths if length >= tokens)


class Runner(Protocol):
    """A loaded artefact."""

    engine: str  # what computes the logits; printed wherever its figures are
    untimed: str  # why its time says nothing of a phone's runtime; empty where it does

    def logits(self, input_ids: Ids, attention_mask: Ids) -> Logits:
        """Logits (batch, labels) for ids and mask, both (batch, sequence), padded on the right."""


class Target(Protocol):
    """One format."""

    name: str
    suffix: str
    recipes: tuple[str, ...]  # names of those that it supports

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Quantize and lower `student` to a file named after the target in the folder `out`.

        Raises:
            TargetUnavailable: the toolchain is not installed, or the recipe not supported.
            PipelineError: the recipe keeps a part in float that the student does not have.
        """

    def read(self, artifact: Artifact) -> Contents:
        """What the file on disk holds, and what of it the fast kernels run."""

    def prepare(self) -> None:
        """Load the runtime's libraries; `load` does so, too.

        Raises:
            TargetUnavailable: this host lacks the runtime.
        """

    def load(self, artifact: Artifact) -> Runner:
        """Load an artefact whose digest has been checked.

        Raises:
            TargetUnavailable: this host lacks the runtime.
            BundleError: the runtime refuses the file.
        """


def check_recipe(target: str, supported: tuple[str, ...], recipe: Recipe) -> None:
    """Raise `TargetUnavailable` where `recipe` is none of the `supported`."""
    if recipe.name not in supported:
        raise TargetUnavailable(
            f"{target}: has no recipe {recipe.name}, but {', '.join(supported)}. "
            "Choose one of these, or other --targets."
        )


def lengths_up_to(longest: int) -> tuple[int, ...]:
    """Lengths of an artefact with several: 8, 16, 32 and so on, and the longest.

    Most texts are short.
    """
    doubled = takewhile(lambda length: length < longest, (8 << power for power in count()))
    return (*doubled, longest)


def describe_artifact(
    name: str,
    path: Path,
    student: "Student",
    recipe: Recipe,
    words: str,
    *,
    inputs: tuple[str, ...],
    lengths: tuple[int, ...],
    min_runtime: str,
    dtype: str = "int32",
    dynamic: bool = False,
) -> Artifact:
    """What the target `name` made of `student` at `path`.

    Args:
        words: what it makes of the recipe; the parts that stay in float are added.
    """
    kept = f"; {', '.join(recipe.keep_float)} in float" if recipe.keep_float else ""
    return Artifact(
        target=name,
        path=path,
        inputs=inputs,
        dtype=dtype,
        lengths=lengths,
        dynamic=dynamic,
        vocabulary=len(student.vocabulary),
        recipe=recipe,
        quantization=f"{words}{kept}",
        min_runtime=min_runtime,
    )


class RowRunner:
    """A `Runner` over a runtime that takes one text at a time."""

    def __init__(
        self,
        artifact: Artifact,
        engine: str,
        execute: Callable[[Ids, Ids], Logits],
        *,
        untimed: str = "",
    ) -> None:
        """`execute` maps ids and mask, both (1, length), to logits (1, labels)."""
        self.engine, self.untimed = engine, untimed
        self._artifact = artifact
        self.execute = execute

    def logits(self, input_ids: Ids, attention_mask: Ids) -> Logits:
        """Logits (batch, labels) float32.

        Raises:
            InputError: an id, a mask value or a length that the artefact does not take.
        """
        artifact = self._artifact
        check_ids(
            input_ids,
            attention_mask,
            vocabulary=artifact.vocabulary,
            max_length=artifact.lengths[-1],
        )
        return np.concatenate(
            [self._row(ids, mask) for ids, mask in zip(input_ids, attention_mask, strict=True)]
        ).astype(np.float32)

    def _row(self, ids: Ids, mask: Ids) -> Logits:
        used = int(np.flatnonzero(mask).max(initial=0)) + 1
        # Zeros behind the text: id 0 is [PAD], masked out. `np.pad` would take a tenth of the time
        # that a small model does.
        rows = np.zeros((2, 1, self._artifact.length_for(used)), self._artifact.dtype)
        rows[0, 0, :used], rows[1, 0, :used] = ids[:used], mask[:used]
        return self.execute(rows[0], rows[1])
