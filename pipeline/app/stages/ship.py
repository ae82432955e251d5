"""The stages from the student on, in the cache: what decides an outcome, and where it is put.

Stages hand each other folders, so a run that was killed goes on where it stopped. What a stage
computes is in the room it calls.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from ...measure.host import QUICK, measure
from ...measure.record import LatencyRecord, read_record, write_record
from ...bundle.open import open_bundle
from ...measure.choose import choose
from ...targets.inspect import examine
from ...base.errors import NotRun, TargetUnavailable
from ...base.files import tree_bytes, write_json
from ...bundle.golden import golden_texts
from ...models.lean import LeanBert
from ...models.batches import Logits
from .learn import Job
from ...models.student import Student, load_student
from ...targets import get_target
from ...targets.base import Artifact
from ...models.teacher import Teacher, load_teacher
from ...measure.gates import PartLogits, Verdict, judge, over_parts, run_texts


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


def lower(job: Job, name: str, student: Path, reference: Reference) -> Artifact | NotRun:
    """The artefact of the target `name`, or why it cannot be made."""
    config = job.config
    recipe = config.lowering
    inputs: dict[str, Any] = {"student": student, "recipe": recipe}
    if recipe is None:  # to be chosen, by what it does to the validation part
        inputs |= {"corpus": job.corpus.digest, "gates": config.gates, "float": config.keep_float}

    def make(folder: Path) -> None:
        target, loaded = get_target(name), load_student(student)
        for _ in job.track((name,), f"Lower to {name}"):
            if recipe is not None:
                artifact = target.lower(loaded, folder, recipe)
            else:
                expected, part = reference.student.validation, job.corpus.validation
                artifact = choose(
                    target,
                    loaded,
                    expected,
                    part,
                    config.gates,
                    config.keep_float,
                    folder,
                    job.track,
                )
        write_json(folder / "artifact.json", {**asdict(artifact), "path": artifact.path.name})

    try:
        folder = job.cache.folder(f"artifacts/{name}", inputs, make)
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
        target, vocabulary = get_target(name), loaded.vocabulary
        runner = target.load(artifact)
        stored = examine(
            name,
            target.read(artifact),
            tree_bytes(artifact.path),
            LeanBert(loaded.model, vocabulary.max_length),
            artifact.recipe,
            job.config.gates,
        )
        read = partial(run_texts, runner, vocabulary, track=job.track, what=f"Verify {name}")
        verdict = judge(
            name,
            runner.engine,
            stored,
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


def bench(job: Job, name: str, bundle: Path | NotRun) -> LatencyRecord | NotRun:
    """What the sealed artefact costs on this host, where its real runtime is at hand."""
    if isinstance(bundle, NotRun):
        return bundle

    def make(folder: Path) -> None:
        write_record(measure(open_bundle(bundle), name, QUICK, job.track), folder)

    try:
        folder = job.cache.folder(f"benched/{name}", {"bundle": bundle}, make)
    except TargetUnavailable as error:
        return NotRun(str(error))
    return read_record(next(folder.glob(f"host-*-{name}.json")))
