"""The stages from the student on, in the cache: what decides an outcome, and where it is put.

Stages hand each other folders, so a run that was killed goes on where it stopped. What a stage
computes is in the room it calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.numpy import load_file, save_file

from ...base.arrays import Logits
from ...base.config_text import to_command
from ...base.errors import NotRun, TargetUnavailable
from ...base.files import sha256, write_json
from ...base.progress import step
from ...base.versions import this_platform
from ...base.workers import Call
from ...bundle import seal
from ...bundle.golden import golden_texts, make_golden
from ...bundle.open import Sealed, open_bundle
from ...measure.choose import choose
from ...measure.gates import JudgedLogits, Verdict, judge, judged_texts, probe_texts
from ...measure.host import QUICK, processor, time_artifact
from ...measure.record import LatencyRecord, read_record, write_record
from ...models.student import load_student
from ...models.teacher import read_score, weights_file
from ...targets import get_target
from ...targets.base import Artifact
from ...targets.inspect import Stored
from ..cache import Stage
from ..folders import ARTIFACTS, BENCHED, BUNDLE, VERIFIED
from . import one_target
from .judge import Models
from .learn import Job, Learned
from .one_target import MEASURED, read_artifact, write_artifact


@dataclass(frozen=True)
class Verified:
    """One artefact, what it was measured to do, and its logits on the golden texts."""

    artifact: Artifact
    verdict: Verdict
    golden: Logits


def lower(job: Job, learned: Learned, models: Models) -> dict[str, Artifact | NotRun]:
    """The artefact of each target, or why it can't be made; none if the student may not ship."""
    targets = () if models.failures else job.config.targets
    recipe, student = job.config.lowering, learned.student
    if recipe is None:
        return {name: _choose(job, name, student, models.student.logits) for name in targets}

    def stage(name: str) -> Stage:
        fixed = {"target": name, "student": str(student), "recipe": asdict(recipe)}
        return Stage(
            f"{ARTIFACTS}/{name}",
            {"student": student, "recipe": recipe},
            lambda folder: Call(one_target.lower, {"folder": str(folder), **fixed}),
            lambda _, returned: returned,
            room="targets",
        )

    made = job.cache.folders([*map(stage, targets)], f"Lower to {', '.join(targets)}")
    return {
        name: NotRun(str(one)) if isinstance(one, TargetUnavailable) else read_artifact(one)
        for name, one in zip(targets, made, strict=True)
    }


def _choose(job: Job, name: str, student: Path, expected: JudgedLogits) -> Artifact | NotRun:
    """The artefact of the recipe that does best on the validation part in its runtime."""
    config = job.config
    inputs: dict[str, Any] = {"student": student, "recipe": None}
    inputs |= {"corpus": job.corpus.digest, "gates": config.gates, "float": config.keep_float}
    inputs["platform"] = this_platform()

    def make(folder: Path) -> None:
        arguments = (expected, job.corpus, config.gates, config.keep_float, folder)
        with step(f"Lower to {name}"):
            write_artifact(folder, choose(get_target(name), load_student(student), *arguments))

    try:
        return read_artifact(job.cache.folder(f"{ARTIFACTS}/{name}", inputs, make))
    except TargetUnavailable as error:
        return NotRun(str(error))


def verify(
    job: Job, learned: Learned, models: Models, artifacts: Mapping[str, Artifact | NotRun]
) -> dict[str, Verified | NotRun]:
    """Run each artefact, read back from disk, on everything that the gates look at.

    Without the runtime it is not run, and what was not verified is not sealed.
    """
    made = {name: one for name, one in artifacts.items() if isinstance(one, Artifact)}
    vocabulary = load_student(learned.student).vocabulary
    judged = judged_texts(job.corpus, probe_texts(job.corpus, vocabulary))
    golden = len(golden_texts(job.corpus.test.texts, len(job.corpus.labels)))
    gates = job.config.gates

    def stage(name: str) -> Stage:
        artifact = made[name]
        folders = {"artifacts": str(artifact.path.parent), "student": str(learned.student)}
        fixed = {**folders, "texts": judged.texts, "gates": asdict(gates)}

        def end(folder: Path, found: dict[str, Any]) -> bool:
            measured = judged.divide(load_file(folder / MEASURED)["logits"])
            stored = TypeAdapter(Stored).validate_python(found["stored"])
            student = models.student.logits
            verdict = judge(name, found["engine"], stored, measured, student, job.corpus, gates)
            write_json(folder / "verdict.json", asdict(verdict))
            save_file({"golden": measured.probes[:golden]}, folder / "golden.safetensors")
            return not verdict.failures

        return Stage(
            f"{VERIFIED}/{name}",
            {
                "corpus": job.corpus.digest,
                "artifact": artifact.path.parent,
                "student": learned.student,
                "gates": gates,
                "platform": this_platform(),  # which has a runtime of its own, or an evaluator
            },
            lambda folder: Call(one_target.measure, {"folder": str(folder), **fixed}),
            end,
        )

    found = job.cache.folders([*map(stage, made)], f"Verify {', '.join(made)}")
    verified = map(_read_verified, made.values(), found)
    missing = {name: one for name, one in artifacts.items() if isinstance(one, NotRun)}
    outcomes = {**missing, **dict(zip(made, verified, strict=True))}
    return {name: outcomes[name] for name in artifacts}


def _read_verified(artifact: Artifact, folder: Path | TargetUnavailable) -> Verified | NotRun:
    if isinstance(folder, TargetUnavailable):
        return NotRun(str(folder))
    verdict = TypeAdapter(Verdict).validate_json((folder / "verdict.json").read_bytes())
    return Verified(artifact, verdict, load_file(folder / "golden.safetensors")["golden"])


def list_failures(
    models: Models, verified: Mapping[str, Verified | NotRun], required: tuple[str, ...]
) -> tuple[str, ...]:
    """Everything that keeps the bundle from being sealed."""
    made = [value for value in verified.values() if isinstance(value, Verified)]
    if verified and not made:
        reasons = "; ".join(v.reason for v in verified.values() if isinstance(v, NotRun))
        return (*models.failures, f"No target could be lowered on this machine: {reasons}")
    missing = (
        f"{name}: was asked for by name and not made: {value.reason} Ask for others with "
        "--targets, or go without it with --allow-missing."
        for name, value in verified.items()
        if isinstance(value, NotRun) and name in required
    )
    judged = (failure for value in made for failure in value.verdict.failures)
    return (*models.failures, *judged, *missing)


def seal_bundle(
    job: Job,
    replies: Mapping[str, list[str]],
    learned: Learned,
    models: Models,
    verified: Mapping[str, Verified | NotRun],
    origin: Mapping[str, Any],
    to_sealed: Callable[[Verified], Sealed] | None = None,
) -> Path | NotRun:
    """The sealed bundle of everything verified, where every gate holds.

    Args:
        origin: what its provenance says beside data, student and versions; see `trained`.
        to_sealed: what is sealed of an artefact; its verdict's figures by default.
    """
    if list_failures(models, verified, job.config.required):
        return NotRun("a gate failed")
    made = {name: value for name, value in verified.items() if isinstance(value, Verified)}
    texts = golden_texts(job.corpus.test.texts, len(job.corpus.labels))
    vocabulary = load_student(learned.student).vocabulary
    return seal.seal(
        job.cache.out / BUNDLE,
        name=job.corpus.name,
        labels=job.corpus.labels,
        vocabulary=vocabulary,
        artifacts={name: (to_sealed or _sealed)(value) for name, value in made.items()},
        replies=replies,
        golden=make_golden(texts, vocabulary, {name: v.golden for name, v in made.items()}),
        provenance={
            "seed": job.config.seed,
            "data_sha256": job.corpus.digest,
            "student_sha256": sha256(learned.student / "model.safetensors"),
            "test_sha256": job.corpus.test_digest,
            "versions": job.cache.versions,
            **origin,
        },
        out_of_scope_label=job.config.data.out_of_scope_label,
    )


def trained(job: Job, learned: Learned) -> dict[str, Any]:
    """Where a student came from that was distilled."""
    return {
        "preset": job.config.preset,
        "command": to_command(job.config),
        "teacher_sha256": sha256(weights_file(learned.teacher)),
        "score": read_score(learned.teacher),
        "distill": asdict(job.config.distill),
        "student": asdict(job.config.student),
    }


def _sealed(made: Verified) -> Sealed:
    verdict = made.verdict
    compared = {"agreement": verdict.agreement, "same_decisions": verdict.same_decisions}
    metrics = {**asdict(verdict.evaluation), **compared}
    return Sealed(made.artifact, verdict.calibration, verdict.tolerance, verdict.engine, metrics)


def bench(
    job: Job, bundle: Path | NotRun, verified: Mapping[str, Verified | NotRun]
) -> dict[str, LatencyRecord | NotRun]:
    """What each sealed artefact costs on this host, where its real runtime is at hand."""
    return {
        name: made if isinstance(made, NotRun) else _bench(job, name, bundle)
        for name, made in verified.items()
    }


def _bench(job: Job, name: str, bundle: Path | NotRun) -> LatencyRecord | NotRun:
    if isinstance(bundle, NotRun):
        return bundle

    def make(folder: Path) -> bool:
        record = time_artifact(open_bundle(bundle), name, QUICK)
        write_record(record, folder)
        return not record.busy

    inputs = {"bundle": bundle, "platform": this_platform(), "processor": processor()}
    try:
        folder = job.cache.folder(f"{BENCHED}/{name}", inputs, make)
    except TargetUnavailable as error:
        return NotRun(str(error))
    return read_record(next(folder.glob(f"host-*-{name}.json")))
