"""What a run found, as it stands on disk beside what it made. It computes no results."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import load_file

from ..measure.record import LatencyRecord, read_record
from ..base.errors import DataError, InputError, NotRun
from ..models.metrics import Calibration, Evaluation
from ..base.files import digest, write_json
from ..bundle.manifest import read_manifest
from ..measure.gates import PartLogits, Verdict
from ..models.vocabulary import Segmentation

FILE = "result.json"
MEASURED = "bench"  # the folder of `pocketbert bench`, beside the bundle


@dataclass(frozen=True)
class ModelResult:
    """A float model that the run made."""

    size_bytes: int
    parameters: int
    evaluation: Evaluation
    calibration: Calibration


@dataclass(frozen=True)
class Confusion:
    """Test texts of one intent that the student takes for another."""

    intent: str
    taken_for: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class RunResult:
    """Everything `pocketbert run` has to tell."""

    out: Path
    bundle: Path | NotRun
    data: str
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

    @property
    def report(self) -> Path:
        """Where the run puts its page."""
        return self.out / "report.html"


@dataclass(frozen=True)
class Build:
    """A folder that `pocketbert run` wrote, with what was measured of it since."""

    result: RunResult
    student: PartLogits
    records: tuple[LatencyRecord, ...]  # of the artefacts as they are now
    outdated: tuple[str, ...]  # records that are not shown, and why
    provenance: Mapping[str, Any]  # empty where nothing was sealed


def write_result(result: RunResult) -> None:
    """Write `result` into its folder; paths relative to that."""
    write_json(result.out / FILE, to_json(result))


def to_json(result: RunResult) -> dict[str, Any]:
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
    try:
        content = (folder / FILE).read_bytes()
        result = TypeAdapter(RunResult).validate_json(content)
    except OSError as error:
        raise DataError(
            f"{folder / FILE}: {error.strerror}. Give a folder that pocketbert run wrote, for "
            "example build."
        ) from error
    except ValidationError as error:
        raise DataError(
            f"{folder / FILE}: was written by another version of pocketbert. Run it again: stages "
            "that have not changed are reused."
        ) from error
    sealed = folder / result.bundle if isinstance(result.bundle, Path) else result.bundle
    return replace(result, out=folder, bundle=sealed)


def read_build(folder: Path) -> Build:
    """Everything below `folder` that a report shows.

    Raises:
        DataError: no result there, or one of another version.
    """
    result = read_result(folder)
    sealed = result.bundle if isinstance(result.bundle, Path) else None
    made = {}
    provenance: dict[str, Any] = {}
    if sealed:
        manifest = read_manifest(sealed)
        provenance = manifest.provenance.model_dump()
        made = {name: digest(sealed / entry.path) for name, entry in manifest.artifacts.items()}
    latest: dict[tuple[str, ...], LatencyRecord] = {}
    outdated = list[str]()
    # What `pocketbert bench` measured longer comes later, and replaces what the run did.
    for record in (*_quick(result), *_measured(folder, outdated)):
        if made.get(record.artifact) == record.sha256:
            latest[record.kind, record.device, record.serial, record.artifact] = record
        else:
            what = f"{record.artifact} on {record.device}"
            outdated.append(f"{what}: measured before it was made anew")
    student = PartLogits(**load_file(folder / "reference" / "student.safetensors"))
    return Build(result, student, tuple(latest.values()), tuple(outdated), provenance)


def _quick(result: RunResult) -> list[LatencyRecord]:
    return [record for record in result.latency.values() if isinstance(record, LatencyRecord)]


def _measured(folder: Path, unread: list[str]) -> Iterator[LatencyRecord]:
    """Records of `pocketbert bench`; what is none is named in `unread`."""
    for file in sorted((folder / MEASURED).glob("*.json")):
        try:
            yield read_record(file)
        except InputError as error:
            unread.append(str(error))
