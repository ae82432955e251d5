"""Every stage of a run, wrapped in the cache: what decides its outcome, and where it puts it.

Stages hand each other folders, so a run that was killed goes on where it stopped. What a stage
computes is in the room it calls.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from pipeline import team
from pipeline.bench.host import measure
from pipeline.bench.record import LatencyRecord
from pipeline.bundle import golden_texts
from pipeline.cache import Cache
from pipeline.config import RunConfig
from pipeline.data import Corpus
from pipeline.distill import distill, hidden_layers
from pipeline.encoders import locate
from pipeline.errors import NotRun, TargetUnavailable
from pipeline.files import tree_bytes, write_json
from pipeline.inference import Logits
from pipeline.progress import Track
from pipeline.student import Student, load_student
from pipeline.targets import get_target
from pipeline.targets.base import Artifact
from pipeline.teacher import Teacher, fine_tune, fit_head, load_teacher
from pipeline.training import Checkpoints
from pipeline.transfer import (
    HiddenStates,
    TransferSet,
    load_hidden,
    load_transfer_set,
    make_transfer_set,
    save_hidden,
)
from pipeline.verify import PartLogits, Verdict, judge, over_parts, run_texts

NO_CORE_ML_TIME = "Core ML runs on Apple's systems only; an evaluator's time says nothing"


@dataclass(frozen=True)
class Job:
    """What every stage of one run is given."""

    config: RunConfig
    corpus: Corpus
    cache: Cache
    track: Track


@dataclass(frozen=True)
class Reference:
    """Logits of the two float models on what the gates look at."""

    teacher: PartLogits
    student: PartLogits


@dataclass(frozen=True)
class Lowered:
    """One artefact, what it was measured to do, and its logits on the golden texts."""

    artifact: Artifact
    verdict: Verdict
    golden: Logits


def fit(job: Job) -> Path:
    """Folder of the fitted teacher."""
    config, length = job.config.teacher, job.config.student.max_length
    inputs = {
        "corpus": job.corpus.digest,
        "source": locate(config.source),
        "max_length": length,
    }

    def make(folder: Path) -> None:
        fit_head(config, job.corpus, length, job.track).save(folder)

    if not config.fine_tune:
        return job.cache.shared_folder("teacher", inputs, make)
    frozen = job.cache.shared_folder("frozen_teacher", inputs, make)
    return _fine_tuned(job, frozen)


def _fine_tuned(job: Job, frozen: Path) -> Path:
    config = job.config
    inputs = {"corpus": job.corpus.digest, "frozen": frozen, "teacher": config.teacher}
    inputs |= {"seed": config.seed, **_launch()}

    def make(folder: Path, checkpoints: Checkpoints) -> None:
        teacher = load_teacher(frozen, config.student.max_length)
        fine_tune(
            teacher,
            job.corpus,
            config.teacher,
            seed=config.seed,
            checkpoints=checkpoints,
            track=job.track,
        ).save(folder)

    return _trained(job, "teacher", inputs, make)


def ask(job: Job, teacher: Path) -> Path:
    """Folder of the transfer set: the texts to learn from, and the teacher's logits of them."""
    config = job.config
    inputs = {
        "corpus": job.corpus.digest,
        "teacher": teacher,
        "copies": config.distill.augment,
        "seed": config.seed,
    }

    def make(folder: Path) -> None:
        loaded = load_teacher(teacher, config.student.max_length)
        make_transfer_set(loaded, job.corpus, config.distill.augment, config.seed, job.track).save(
            folder
        )

    return job.cache.shared_folder("transfer", inputs, make)


def train(job: Job, teacher: Path, lessons: Path) -> Path:
    """Folder of the distilled student."""
    config = job.config
    loaded = load_teacher(teacher, config.student.max_length)
    transfer = load_transfer_set(lessons)
    hidden = {
        layer: _hidden(job, loaded, transfer, layer, {"teacher": teacher, "lessons": lessons})
        for layer in hidden_layers(loaded, config.student, config.distill)
    }
    inputs = {
        "teacher": teacher,
        "lessons": lessons,
        "student": config.student,
        "distill": config.distill,
        "seed": config.seed,
        **_launch(),
    }

    def make(folder: Path, checkpoints: Checkpoints) -> None:
        distill(
            loaded,
            transfer,
            config.student,
            config.distill,
            hidden=hidden,
            seed=config.seed,
            checkpoints=checkpoints,
            track=job.track,
        ).save(folder)

    return _trained(job, "student", inputs, make)


def _hidden(
    job: Job, teacher: Teacher, lessons: TransferSet, layer: int, inputs: dict[str, Any]
) -> HiddenStates:
    def make(folder: Path) -> None:
        save_hidden(teacher, lessons.texts, layer, folder, job.track)

    return load_hidden(job.cache.shared_folder(f"hidden/{layer}", inputs, make))


def _trained(
    job: Job, name: str, inputs: dict[str, Any], make: Callable[[Path, Checkpoints], None]
) -> Path:
    """A stage that several processes share and that goes on where it was killed."""
    kept = Checkpoints(job.cache.checkpoints(name, inputs), job.config.checkpoint_steps)
    if job.cache.fresh and team.is_main():
        shutil.rmtree(kept.folder, ignore_errors=True)
    folder = job.cache.shared_folder(name, inputs, lambda new: make(new, kept), together=True)
    if team.is_main():
        shutil.rmtree(kept.folder, ignore_errors=True)
    return folder


def _launch() -> dict[str, Any]:
    """What `accelerate launch` decides of a training's outcome."""
    return {"processes": team.size(), "mixed_precision": team.accelerator().mixed_precision}


def refer(job: Job, teacher: Path, student: Path) -> Reference:
    """Logits of teacher and student in float, which every artefact is compared with."""
    inputs = {"corpus": job.corpus.digest, "teacher": teacher, "student": student}

    def make(folder: Path) -> None:
        loaded: dict[str, Teacher | Student] = {
            "teacher": load_teacher(teacher, job.config.student.max_length),
            "student": load_student(student),
        }
        for name, model in loaded.items():
            what = f"{name.capitalize()} reads the test"
            read = partial(model.logits, track=job.track, what=what)
            save_file(vars(over_parts(job.corpus, read)), folder / f"{name}.safetensors")

    folder = job.cache.folder("reference", inputs, make)
    return Reference(
        **{
            name: PartLogits(**load_file(folder / f"{name}.safetensors"))
            for name in ("teacher", "student")
        }
    )


def lower(job: Job, name: str, student: Path) -> Artifact | NotRun:
    """The artefact of the target `name`, or why this host cannot make it."""

    def make(folder: Path) -> None:
        for _ in job.track((name,), f"Lower to {name}"):
            artifact = get_target(name).lower(load_student(student), folder)
        write_json(folder / "artifact.json", {**asdict(artifact), "path": artifact.path.name})

    try:
        folder = job.cache.folder(f"artifacts/{name}", {"student": student}, make)
    except TargetUnavailable as error:
        return NotRun(str(error))
    described = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
    artifact = TypeAdapter(Artifact).validate_python(described)
    return replace(artifact, path=folder / artifact.path)


def verify(job: Job, artifact: Artifact, student: Path, reference: Reference) -> Lowered | NotRun:
    """Run the artefact, read back from disk, on everything that the gates look at.

    Without the runtime it is not run, and what was not verified is not sealed.
    """
    name = artifact.target
    inputs = {
        "corpus": job.corpus.digest,
        "artifact": artifact.path.parent,
        "student": student,
        "gates": job.config.gates,
    }

    def make(folder: Path) -> None:
        loaded = load_student(student)
        runner, vocabulary = get_target(name).load(artifact), loaded.vocabulary
        read = partial(run_texts, runner, vocabulary, track=job.track, what=f"Verify {name}")
        verdict = judge(
            name,
            runner.engine,
            tree_bytes(artifact.path),
            loaded.model.num_parameters(),
            over_parts(job.corpus, read),
            reference.student,
            job.corpus,
            job.config.gates,
        )
        golden = read(golden_texts(job.corpus.test.texts))
        write_json(folder / "verdict.json", asdict(verdict))
        save_file({"golden": golden}, folder / "golden.safetensors")

    try:
        folder = job.cache.folder(f"verified/{name}", inputs, make)
    except TargetUnavailable as error:
        return NotRun(str(error))
    verdict = TypeAdapter(Verdict).validate_json((folder / "verdict.json").read_bytes())
    return Lowered(artifact, verdict, load_file(folder / "golden.safetensors")["golden"])


def bench(job: Job, artifact: Artifact, student: Path) -> LatencyRecord | NotRun:
    """What the artefact costs on this host, where its real runtime is at hand."""
    name = artifact.target
    if name == "coreml" and sys.platform != "darwin":
        return NotRun(NO_CORE_ML_TIME)

    def make(folder: Path) -> None:
        target, vocabulary = get_target(name), load_student(student).vocabulary
        for _ in job.track((name,), f"Time {name}"):
            record = measure(lambda: target.load(artifact), vocabulary, job.corpus.test.texts)
        write_json(folder / "latency.json", asdict(record))

    inputs = {"corpus": job.corpus.digest, "artifact": artifact.path.parent}
    folder = job.cache.folder(f"benched/{name}", inputs, make)
    return TypeAdapter(LatencyRecord).validate_json((folder / "latency.json").read_bytes())
