"""The smallest recipe that loses little: lowered, read back, measured, from the smallest up.

It measures on the validation part, so that the test part stays unseen until the gates look at it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.config import Gates
from pipeline.data import Part
from pipeline.evaluate import accuracy, agreement
from pipeline.files import tree_bytes
from pipeline.inference import Logits
from pipeline.progress import Track
from pipeline.recipes import RECIPES, Recipe
from pipeline.student import Student
from pipeline.targets.base import Artifact, Target
from pipeline.verify import run_texts


@dataclass(frozen=True)
class Trial:
    """What one recipe cost, on the validation part."""

    recipe: Recipe
    size_bytes: int
    loss: float  # of accuracy against the float student, absolute
    agreement: float  # with the float student
    taken: bool

    def __str__(self) -> str:
        kept = f" with {', '.join(self.recipe.keep_float)} in float" * bool(self.recipe.keep_float)
        return (
            f"{self.recipe.name}{kept}: {self.size_bytes / 1e6:.2f} MB, loses {self.loss:.1%}, "
            f"agrees {self.agreement:.1%}: {'taken' if self.taken else 'refused'}"
        )


def candidates(
    supported: tuple[str, ...], layers: int, keep_float: tuple[str, ...]
) -> Iterator[Recipe]:
    """Recipes from the smallest up; int8 gives up its parts one by one, from the head down.

    Args:
        supported: names of the recipes that the target has.
        layers: of the student.
        keep_float: what stays in float in all of them.
    """
    for name in ("int4-embedding", "int8"):
        if name in supported:
            yield replace(RECIPES[name], keep_float=keep_float)
    parts = ("classifier", "pooler", *(f"layers.{layer}" for layer in reversed(range(layers))))
    kept = keep_float
    for part in parts:
        if part not in kept:
            kept = (*kept, part)
            yield replace(RECIPES["int8"], keep_float=kept)
    yield RECIPES["float"]


def choose(
    target: Target,
    student: Student,
    expected: Logits,
    validation: Part,
    gates: Gates,
    keep_float: tuple[str, ...],
    out: Path,
    track: Track,
) -> Artifact:
    """Lower `student` by the smallest recipe within the limits of `gates`; says why in `reason`.

    Args:
        expected: the float student's logits (texts, labels) on `validation`.
        out: an empty folder, where the artefact goes.
        keep_float: parts that stay in float in every recipe.
    """
    trials = list[Trial]()
    for recipe in candidates(target.recipes, student.model.config.num_hidden_layers, keep_float):
        with TemporaryDirectory(dir=out) as scratch:
            artifact = target.lower(student, Path(scratch), recipe)
            what = f"Try {recipe.name} on {target.name}"
            runner = target.load(artifact)
            logits = run_texts(runner, student.vocabulary, validation.texts, track, what)
            loss = accuracy(expected, validation.labels) - accuracy(logits, validation.labels)
            agreed = agreement(logits, expected)
            # float is the last resort: what it cannot do, no recipe can, and the gates will tell
            taken = recipe.name == "float" or (
                loss <= gates.max_recipe_loss and agreed >= gates.min_agreement
            )
            trials.append(Trial(recipe, tree_bytes(artifact.path), loss, agreed, taken))
            if taken:
                kept = Path(shutil.move(artifact.path, out))
                break
    return replace(artifact, path=kept, reason="; ".join(map(str, trials)))
