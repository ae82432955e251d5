"""What a run found, put together and as it stands on disk beside what it made."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import load_file

from ..base.arrays import Logits
from ..base.errors import DataError, InputError, NotRun
from ..base.events import TrainingEnded
from ..base.files import digest, write_json
from ..bundle.manifest import read_manifest
from ..learn.losses import OUTSIDE, UNLABELLED
from ..learn.transfer import load_transfer_set
from ..measure.consumers import loss_in_consumers
from ..measure.gates import JudgedLogits, Verdict
from ..measure.record import LatencyRecord, read_record
from ..models.calibration import Score
from ..models.student import load_student
from ..models.teacher import load_teacher, read_score
from ..models.vocabulary import Segmentation, compare_segmentation
from .folders import BENCH, PACKAGED, REFERENCE, REPORT, RESULT, STUDENT, TEACHER, TRAINING
from .stages.judge import ModelResult, Models
from .stages.learn import Job, Learned
from .stages.ship import Verified, list_failures

CONFUSIONS = 12  # pairs of intents shown in the report


@dataclass(frozen=True)
class Confusion:
    """Test texts of one intent that the student takes for another."""

    intent: str
    taken_for: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What every command that makes a bundle has to tell."""

    out: Path
    bundle: Path | NotRun

    @property
    def report(self) -> Path:
        """Where its page is put."""
        return self.out / REPORT


Kind = TypeVar("Kind", bound=Outcome)


@dataclass(frozen=True)
class RunResult(Outcome):
    """Everything `pocketbert run` has to tell."""

    data: str
    score: Score  # what the highest logit tells
    rows: Mapping[str, int]  # texts by part, and out-of-scope ones
    labels: int
    findings: tuple[str, ...]  # rows left out, with line numbers
    preset: str
    seed: int
    learned_from: Mapping[str, int]  # texts that the student learned from, by kind
    segmentation: Segmentation  # of validation and test texts, which pruning did not see
    teacher: ModelResult
    student: ModelResult
    verdicts: Mapping[str, Verdict | NotRun]
    latency: Mapping[str, LatencyRecord | NotRun]
    confusions: tuple[Confusion, ...]
    failures: tuple[str, ...]
    reused: tuple[str, ...]  # stages that had not changed


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of a bundle when it was made and since, and where it came from."""

    records: tuple[LatencyRecord, ...]  # of the artefacts as they are now
    outdated: tuple[str, ...]  # records that are not shown, and why
    provenance: Mapping[str, Any]  # empty where nothing was sealed


@dataclass(frozen=True, kw_only=True)
class Build(Measured):
    """A folder that `pocketbert run` wrote, with what was measured of it since."""

    result: RunResult
    student: JudgedLogits
    training: Mapping[str, TrainingEnded]  # of the student, and of a teacher that was fine-tuned


def assemble(
    job: Job,
    learned: Learned,
    models: Models,
    verified: Mapping[str, Verified | NotRun],
    bundle: Path | NotRun,
    latency: Mapping[str, LatencyRecord | NotRun],
) -> RunResult:
    """Everything the stages of `job` found, as one value."""
    config, corpus = job.config, job.corpus
    segmentation = _segmentation(job, learned)
    return RunResult(
        out=job.cache.out,
        bundle=bundle,
        data=corpus.name,
        score=read_score(learned.teacher),
        rows=_count(job),
        labels=len(corpus.labels),
        findings=(
            *corpus.findings,
            *_oversize(segmentation, config.student.vocabulary),
            *_consumers(job, learned, verified),
        ),
        preset=config.preset,
        seed=config.seed,
        learned_from=_learned_from(learned.transfer_set),
        segmentation=segmentation,
        teacher=models.teacher.figures,
        student=models.student.figures,
        verdicts={
            name: made if isinstance(made, NotRun) else made.verdict
            for name, made in verified.items()
        },
        latency=latency,
        confusions=_confusions(job, models.student.logits.test),
        failures=list_failures(models, verified, config.required),
        reused=tuple(job.cache.reused),
    )


def _count(job: Job) -> dict[str, int]:
    counts = {name: len(part.texts) for name, part in job.corpus.parts.items()}
    return {**counts, "out_of_scope": len(job.corpus.test.out_of_scope)}


def _learned_from(folder: Path) -> dict[str, int]:
    labels = load_transfer_set(folder).labels
    return {
        "labelled": int((labels >= 0).sum()),
        "out-of-scope": int((labels == OUTSIDE).sum()),
        "reworded or unlabelled": int((labels == UNLABELLED).sum()),
    }


def _segmentation(job: Job, learned: Learned) -> Segmentation:
    length = job.config.student.max_length
    texts = (*job.corpus.validation.texts, *job.corpus.test.texts)
    whole = load_teacher(learned.teacher, length).vocabulary
    return compare_segmentation(whole, load_student(learned.student).vocabulary, texts)


def _consumers(
    job: Job, learned: Learned, verified: Mapping[str, Verified | NotRun]
) -> tuple[str, ...]:
    if not isinstance(verified.get("tflite-task"), Verified):
        return ()
    test = job.corpus.test
    return loss_in_consumers(load_student(learned.student), test.texts, test.labels)


def _oversize(found: Segmentation, asked: int | None) -> tuple[str, ...]:
    whole, kept = found.pieces
    if kept <= min(asked or whole, whole):
        return ()
    return (
        f"the vocabulary has {kept} pieces, and {asked} were asked for: the texts need so many "
        "characters",
    )


def _confusions(job: Job, logits: Logits) -> tuple[Confusion, ...]:
    """The pairs of intents that the student confuses most, with the texts."""
    labels, test = job.corpus.labels, job.corpus.test
    pairs = defaultdict[tuple[str, str], list[str]](list)
    for text, label, guess in zip(test.texts, test.labels, logits.argmax(1), strict=True):
        if label != guess:
            pairs[labels[label], labels[guess]].append(text)
    ranked = sorted(pairs.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    return tuple(Confusion(*pair, tuple(texts)) for pair, texts in ranked[:CONFUSIONS])


def write_result(result: RunResult) -> None:
    """Write `result` into its folder; paths relative to that."""
    write_json(result.out / RESULT, to_json(result))
    (result.out / PACKAGED).unlink(missing_ok=True)  # told of the bundle that was there before


def to_json(result: Outcome) -> dict[str, Any]:
    """The result as plain values, for machines; paths relative to the output folder."""
    plain = asdict(result)
    plain["out"] = result.out.as_posix()
    if isinstance(result.bundle, Path):
        plain["bundle"] = result.bundle.relative_to(result.out).as_posix()
    return plain


def read_result(folder: Path) -> RunResult:
    """The result in `folder`.

    Raises:
        DataError: no result there, or one of another version.
    """
    return read_outcome(folder, RESULT, RunResult)


def read_outcome(folder: Path, name: str, kind: type[Kind]) -> Kind:
    """What the file `name` in `folder` tells, a `kind`.

    Raises:
        DataError: no such file there, or one of another version.
    """
    try:
        found = TypeAdapter(kind).validate_json((folder / name).read_bytes())
    except OSError as error:
        raise DataError(
            f"{folder / name}: {error.strerror}. Give a folder that pocketbert run or "
            "package wrote, for example build."
        ) from error
    except ValidationError as error:
        raise DataError(
            f"{folder / name}: another version of pocketbert wrote it. Run it again: stages "
            "that have not changed are reused."
        ) from error
    sealed = folder / found.bundle if isinstance(found.bundle, Path) else found.bundle
    return replace(found, out=folder, bundle=sealed)


def read_build(folder: Path) -> Build:
    """Everything below `folder` that a report shows.

    Raises:
        DataError: no result there, or one of another version.
    """
    result = read_result(folder)
    return Build(
        result=result,
        student=JudgedLogits(**load_file(folder / REFERENCE / "student.safetensors")),
        training=_training(folder),
        **vars(measured_since(result, result.latency)),
    )


def measured_since(result: Outcome, latency: Mapping[str, LatencyRecord | NotRun]) -> Measured:
    """`latency` and the records that lie beside the bundle of `result`, the latest of each."""
    made, provenance = dict[str, str](), dict[str, Any]()
    if isinstance(result.bundle, Path):
        manifest = read_manifest(result.bundle)
        provenance = manifest.provenance.model_dump()
        made = {n: digest(result.bundle / entry.path) for n, entry in manifest.artifacts.items()}
    latest: dict[tuple[str, ...], LatencyRecord] = {}
    outdated = list[str]()
    quick = [record for record in latency.values() if isinstance(record, LatencyRecord)]
    # What `pocketbert bench` measured longer comes later, and replaces what the run did.
    for record in (*quick, *_measured(result.out, outdated)):
        if made.get(record.artifact) == record.sha256:
            latest[record.kind, record.device, record.serial, record.artifact] = record
        else:
            what = f"{record.artifact} on {record.device}"
            outdated.append(f"{what}: measured before it was made anew")
    return Measured(records=tuple(latest.values()), outdated=tuple(outdated), provenance=provenance)


def _training(folder: Path) -> dict[str, TrainingEnded]:
    """What each training left of itself.

    Raises:
        DataError: something else.
    """
    found = {}
    for name in (TEACHER, STUDENT):
        file = folder / name / TRAINING
        try:
            if file.exists():
                found[name] = TypeAdapter(TrainingEnded).validate_json(file.read_bytes())
        except ValidationError as error:
            raise DataError(f"{file}: holds no loss curve. Run again.") from error
    return found


def _measured(folder: Path, unread: list[str]) -> Iterator[LatencyRecord]:
    """Records of `pocketbert bench`; what is none is named in `unread`."""
    for file in sorted((folder / BENCH).glob("*.json")):
        try:
            yield read_record(file)
        except InputError as error:
            unread.append(str(error))
