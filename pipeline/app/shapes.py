"""Shapes of students: what can be proposed, what was found of each, and which pay off."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.trial import Trial

from ..base.config import StudentSpec
from ..models.teacher import Teacher
from .folders import BEST, FRONT

VOCABULARIES = (3_000, 4_000, 6_000, 8_000, 12_000, 15_000, 20_000)
DEEPEST = 4  # layers; more cost time on a phone and gain little


@dataclass(frozen=True)
class Found:
    """One trained shape, and what it was measured to do on the validation part."""

    layers: int
    hidden: int
    vocabulary: int
    embedding: int | None
    size_bytes: int  # of the int8 artefact, as counted
    multiply_adds: int  # of one inference over 16 tokens
    accuracy: float
    retention: float  # share of the teacher's accuracy
    auroc: float | None  # of out-of-scope texts; None where there are none
    seconds: float  # of training

    @property
    def name(self) -> str:
        """The shape in a word."""
        return name_of(self.layers, self.hidden, self.vocabulary, self.embedding)


@dataclass(frozen=True)
class SearchResult:
    """All shapes that were trained, and the one that the limits choose."""

    out: Path
    found: tuple[Found, ...]
    best: Found | None  # the smallest that keeps enough of the teacher's accuracy
    max_bytes: int
    min_retention: float

    @property
    def front(self) -> tuple[Found, ...]:
        """Those that no other beats in bytes, accuracy and multiply-adds together, by size."""
        front = [one for one in self.found if not any(_beats(other, one) for other in self.found)]
        return tuple(sorted(front, key=lambda one: one.size_bytes))

    @property
    def settings(self) -> Path:
        """The TOML file that has `pocketbert run` make the best shape."""
        return self.out / BEST

    @property
    def plot(self) -> Path:
        """The picture of all shapes and the front."""
        return self.out / FRONT


def name_of(layers: int, hidden: int, vocabulary: int | None, embedding: int | None) -> str:
    """As 2x128-8000, with -e64 where the embedding is factorised."""
    narrow = embedding is not None and embedding < hidden
    return f"{layers}x{hidden}-{vocabulary}" + (f"-e{embedding}" if narrow else "")


def _beats(one: Found, other: Found) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better."""
    ours = (one.size_bytes, one.multiply_adds, -one.accuracy)
    theirs = (other.size_bytes, other.multiply_adds, -other.accuracy)
    return ours != theirs and all(a <= b for a, b in zip(ours, theirs, strict=True))


def propose(trial: Trial, base: StudentSpec, teacher: Teacher) -> StudentSpec:
    """A shape that can be cut out of `teacher`; what no shape says is as in `base`."""
    source, step = teacher.encoder.config, hidden_step(teacher)
    hidden = trial.suggest_int("hidden", step, source.hidden_size // step * step, step=step)
    narrow = trial.suggest_categorical("narrow", (False, True))
    return replace(
        base,
        layers=trial.suggest_int("layers", 1, min(DEEPEST, source.num_hidden_layers)),
        hidden=hidden,
        vocabulary=trial.suggest_categorical("vocabulary", VOCABULARIES),
        embedding=hidden // 2 if narrow else None,
        teacher_layers=None,
    )


def to_parameters(spec: StudentSpec) -> dict[str, Any]:
    """What `_propose` would have to draw to propose `spec`."""
    return {
        "layers": spec.layers,
        "hidden": spec.hidden,
        "vocabulary": spec.vocabulary,
        "narrow": spec.columns < spec.hidden,
    }


def hidden_step(teacher: Teacher) -> int:
    """Hidden sizes are multiples of this: of two of the teacher's heads."""
    source = teacher.encoder.config
    return int(source.hidden_size // max(1, source.num_attention_heads // 2))


def can_be_cut(spec: StudentSpec, teacher: Teacher) -> bool:
    """Whether `propose` could have drawn `spec` for this teacher."""
    source = teacher.encoder.config
    fits = spec.layers <= source.num_hidden_layers and spec.hidden <= source.hidden_size
    return fits and spec.hidden % hidden_step(teacher) == 0 and spec.vocabulary in VOCABULARIES
