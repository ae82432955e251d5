"""What packaging a classifier as it is found, put together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..base.errors import NotRun
from ..base.files import write_json
from ..measure.gates import Verdict
from ..measure.record import LatencyRecord
from ..models.metrics import Evaluation
from .folders import PACKAGED, RESULT
from .result import Measured, Outcome, measured_since, read_outcome, to_json
from .stages.judge import Models
from .stages.package import Adopted, is_labelled, list_not_run
from .stages.ship import Verified, list_failures


@dataclass(frozen=True)
class Packaged(Outcome):
    """Everything `pocketbert package` has to tell."""

    model: str
    architecture: str
    labels: int
    pieces: tuple[int, int]  # of the model and of the bundle
    parameters: int
    size_bytes: int
    texts: int  # that the artefacts were judged on
    evaluation: Evaluation | NotRun  # of the model itself
    verdicts: Mapping[str, Verdict | NotRun]
    latency: Mapping[str, LatencyRecord | NotRun]
    findings: tuple[str, ...]
    not_run: Mapping[str, NotRun]  # gates and figures that could not be had from what was given
    failures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PackagedBuild(Measured):
    """A folder that `pocketbert package` wrote, with what was measured of it since."""

    result: Packaged


def assemble_package(
    adopted: Adopted,
    models: Models,
    verified: Mapping[str, Verified | NotRun],
    bundle: Path | NotRun,
    latency: Mapping[str, LatencyRecord | NotRun],
) -> Packaged:
    """Everything the stages found, as one value."""
    job, student, model = adopted.job, adopted.student, models.student
    not_run = list_not_run(job)
    return Packaged(
        out=job.cache.out,
        bundle=bundle,
        model=job.config.teacher.source,
        architecture=type(student.model).__name__,
        labels=len(student.labels),
        pieces=(adopted.pieces, len(student.vocabulary)),
        parameters=model.parameters,
        size_bytes=model.size_bytes,
        texts=len(job.corpus.test.texts),
        evaluation=model.evaluation if is_labelled(job.config) else not_run["accuracy"],
        verdicts={n: v if isinstance(v, NotRun) else v.verdict for n, v in verified.items()},
        latency=latency,
        findings=adopted.findings,
        not_run=not_run,
        failures=list_failures(models, verified, job.config.required),
    )


def write_packaged(result: Packaged) -> None:
    """Write `result` into its folder."""
    write_json(result.out / PACKAGED, to_json(result))
    (result.out / RESULT).unlink(missing_ok=True)  # told of the bundle that was there before


def is_packaged(folder: Path) -> bool:
    """Whether `pocketbert package` made what is in `folder`."""
    return (folder / PACKAGED).exists()


def read_packaged(folder: Path) -> PackagedBuild:
    """Everything below `folder` that its page shows.

    Raises:
        DataError: no result there, or one of another version.
    """
    result = read_outcome(folder, PACKAGED, Packaged)
    return PackagedBuild(result=result, **vars(measured_since(result, result.latency)))
