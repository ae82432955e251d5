"""The two trainings, in whatever process: plain values in, and the trained model out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ...base.config import DistillConfig, StudentSpec, TeacherConfig
from ...data.corpus import Corpus
from ...learn.checkpoint import Checkpoints
from ...learn.distill import distill
from ...learn.fit import fine_tune
from ...learn.pair import Trainers
from ...learn.transfer import load_hidden, load_transfer_set
from ...models.student import Student
from ...models.teacher import Teacher, load_teacher

Plain = Mapping[str, Any]


def train_teacher(
    trainers: Trainers,
    frozen: str,
    corpus: Plain,
    config: Plain,
    max_length: int,
    seed: int,
    checkpoints: Plain,
) -> Teacher:
    """The teacher of the folder `frozen`, fine-tuned."""
    return fine_tune(
        load_teacher(Path(frozen), max_length),
        TypeAdapter(Corpus).validate_python(corpus),
        TypeAdapter(TeacherConfig).validate_python(config),
        seed=seed,
        checkpoints=_checkpoints(checkpoints),
        trainers=trainers,
    )


def train_student(
    trainers: Trainers,
    teacher: str,
    transfer_set: str,
    hidden: Mapping[str, str],
    spec: Plain,
    config: Plain,
    seed: int,
    checkpoints: Plain,
) -> Student:
    """A student distilled from folders: of the teacher, of what it said, of its hidden states."""
    asked = TypeAdapter(StudentSpec).validate_python(spec)
    return distill(
        load_teacher(Path(teacher), asked.max_length),
        load_transfer_set(Path(transfer_set)),
        asked,
        TypeAdapter(DistillConfig).validate_python(config),
        hidden={int(layer): load_hidden(Path(folder)) for layer, folder in hidden.items()},
        seed=seed,
        checkpoints=_checkpoints(checkpoints),
        trainers=trainers,
    )


def _checkpoints(plain: Plain) -> Checkpoints:
    return TypeAdapter(Checkpoints).validate_python(plain)
