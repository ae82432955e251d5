"""The smallest recipe that loses little: lowered, read back, measured, from the smallest up.

It measures on the validation part, so that the test part stays unseen until the gates look at it.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ..base.config import Gates
from ..base.files import tree_bytes
from ..base.recipes import INT4_GROUP, RECIPES, Recipe
from ..bundle.manifest import TEXT
from ..data.corpus import Corpus
from ..models.lean import LeanBert
from ..models.metrics import accuracy, agreement
from ..models.student import Student
from ..targets.base import Artifact, Target
from ..targets.inspect import examine
from .gates import JudgedLogits, probe_failures, probe_texts, run_texts


@dataclass(frozen=True)
class Trial:
    """What one recipe cost, on the validation part."""

    recipe: Recipe
    size_bytes: int
    loss: float  # of accuracy against the float student, absolute
    agreement: float  # with the float student
    failures: tuple[str, ...]  # of what the file holds, and answers to odd or long texts
    taken: bool

    def __str__(self) -> str:
        kept = f" with {', '.join(self.recipe.keep_float)} in float" * bool(self.recipe.keep_float)
        return (
            f"{self.recipe.name}{kept}: {self.size_bytes / 1e6:.2f} MB, loses {self.loss:.1%}, "
            f"agrees {self.agreement:.1%}: {'taken' if self.taken else 'refused'}"
            + "".join(f" ({failure.partition('. ')[0]})" for failure in self.failures[:1])
        )


def explain(trials: Sequence[Trial]) -> str:
    """What was tried, in the order of trial; the last that were refused go where it is too long."""
    *refused, last = map(str, trials)
    room = TEXT - len(last) - 40  # for the words below
    words = ""
    for number, one in enumerate(refused):
        if len(words) + len(one) + 2 > room:
            return f"{words}{len(refused) - number} more refused; {last}"
        words += f"{one}; "
    return words + last


def candidates(
    supported: tuple[str, ...], layers: int, width: int, keep_float: tuple[str, ...]
) -> Iterator[Recipe]:
    """Recipes in the order they are tried; int8 gives up its parts one by one, from the head down.

    An int4 embedding is tried without that: what it loses, a float head does not give back.

    Args:
        supported: names of the recipes that the target has.
        layers: of the student.
        width: of its embedding; int4 needs whole groups.
        keep_float: what stays in float in all of them.
    """
    if "int4-embedding" in supported and width % INT4_GROUP == 0:
        yield replace(RECIPES["int4-embedding"], keep_float=keep_float)
    yield replace(RECIPES["int8"], keep_float=keep_float)
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
    expected: JudgedLogits,
    corpus: Corpus,
    gates: Gates,
    keep_float: tuple[str, ...],
    out: Path,
) -> Artifact:
    """Lower `student` by the smallest recipe within the limits of `gates`; says why in `reason`.

    Args:
        expected: the float student's logits; of the test part, those of the probes alone are read.
        out: an empty folder, where the artefact goes.
        keep_float: parts that stay in float in every recipe.
    """
    trials = list[Trial]()
    validation, known = corpus.validation, expected.validation
    probes = probe_texts(corpus, student.vocabulary)
    own = student.model.config
    width = LeanBert(student.model, 1).embedding.weight.shape[1]
    for recipe in candidates(target.recipes, own.num_hidden_layers, width, keep_float):
        with TemporaryDirectory(dir=out) as scratch:
            artifact = target.lower(student, Path(scratch), recipe)
            what = f"Try {recipe.name} on {target.name}"
            runner = target.load(artifact)
            rows = run_texts(runner, student.vocabulary, (*validation.texts, *probes), what)
            logits, odd = rows[: len(validation.texts)], rows[len(validation.texts) :]
            loss = accuracy(known, validation.labels) - accuracy(logits, validation.labels)
            agreed = agreement(logits, known)
            size = tree_bytes(artifact.path)
            graph = LeanBert(student.model, student.vocabulary.max_length)
            # The recipe that was asked for, not what the artefact says of itself; but activations
            # are the target's own affair.
            asked = replace(recipe, dynamic=artifact.recipe.dynamic)
            stored = examine(target.name, target.read(artifact), size, graph, asked, gates)
            failures = (
                *stored.failures,
                *probe_failures(target.name, odd, expected.probes, gates.max_probe_error),
            )
            little = loss <= gates.max_recipe_loss and agreed >= gates.min_agreement
            # float is the last resort: what it cannot do, no recipe can, and the gates will tell
            taken = recipe.name == "float" or (little and not failures)
            trials.append(Trial(recipe, size, loss, agreed, failures, taken))
            if taken:
                kept = Path(shutil.move(artifact.path, out))
                break
    return replace(artifact, path=kept, reason=explain(trials))
