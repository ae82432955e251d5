"""Results and measurements to one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.errors import NotRun
from ...base.files import refuse_other_file
from ...bundle.manifest import read_manifest
from ...measure.gates import Verdict
from ...measure.growth import Growth, app_growth
from ...measure.record import KINDS, LatencyRecord
from ...models.metrics import interval
from ..owned import REPORT_MARK
from ..packaged import PackagedBuild
from ..result import Build, Measured
from . import charts
from .templates import environment


def write_report(builds: Sequence[Build], file: Path) -> Path:
    """Write the page: one section a build, and a table of all where there are several.

    Raises:
        PipelineError: `file` is there, and no report.
    """
    refuse_other_file(file, REPORT_MARK)
    page = (
        environment()
        .get_template("report.html")
        .render(
            builds=builds,
            sections=[_section(build) for build in builds],
            kinds=KINDS,
        )
    )
    file.write_text(page, encoding="utf-8")
    return file


def write_package_report(build: PackagedBuild, file: Path) -> Path:
    """Write the page of a classifier that was packaged as it is.

    Raises:
        PipelineError: `file` is there, and no report.
    """
    refuse_other_file(file, REPORT_MARK)
    result = build.result
    verdicts = {n: v for n, v in result.verdicts.items() if isinstance(v, Verdict)}
    shown = {
        "verdicts": verdicts,
        "sizes": charts.sizes({"the model, float": result.size_bytes}, verdicts),
        "bytes": charts.bytes_by_part(verdicts) if verdicts else None,
        "growth": _growth(result.bundle),
        "not_run": _not_run(build, result.not_run),
        **_measured(build),
    }
    page = (
        environment()
        .get_template("package.html")
        .render(result=result, shown=shown, kinds=KINDS, provenance=build.provenance)
    )
    file.write_text(page, encoding="utf-8")
    return file


def _section(build: Build) -> dict[str, Any]:
    """What the template shows of one build besides its result."""
    result = build.result
    verdicts = {n: v for n, v in result.verdicts.items() if isinstance(v, Verdict)}
    outside = build.student.out_of_scope
    threshold = result.student.calibration.threshold
    return {
        "verdicts": verdicts,
        "interval": interval(result.student.evaluation.accuracy, result.student.evaluation.texts),
        "sizes": charts.sizes(
            {
                "teacher, float": result.teacher.size_bytes,
                "student, float": result.student.size_bytes,
            },
            verdicts,
        ),
        "growth": _growth(result.bundle),
        "bytes": charts.bytes_by_part(verdicts) if verdicts else None,
        "scores": charts.scores(build.student, threshold) if len(outside) else None,
        "curve": charts.out_of_scope(build.student, threshold) if len(outside) else None,
        "training": {
            name: charts.training(ended) for name, ended in build.training.items() if ended.losses
        },
        "not_run": _not_run(
            build, {"out-of-scope detection": result.student.evaluation.out_of_scope}
        ),
        **_measured(build),
    }


def _measured(build: Measured) -> dict[str, Any]:
    """What the templates show of times, by kind of machine, and of instructions."""
    kinds: dict[str, list[LatencyRecord]] = {}
    for record in build.records:
        if record.wall:
            kinds.setdefault(record.kind, []).append(record)
    counted = [record for record in build.records if not record.wall]
    return {
        "timed": {
            kind: (records, charts.by_length(records), charts.percentiles(records))
            for kind, records in kinds.items()
        },
        "counted": counted,
        "instructions": charts.instructions(counted) if counted else None,
    }


def _growth(bundle: Path | NotRun) -> tuple[Growth, ...]:
    return () if isinstance(bundle, NotRun) else app_growth(bundle, read_manifest(bundle))


def _not_run(build: Build | PackagedBuild, figures: Mapping[str, object]) -> list[tuple[str, str]]:
    """Everything that this report does not show, its `figures` among that, and why."""
    result = build.result
    reasons = [
        (what, outcome.reason)
        for what, outcome in (
            ("bundle", result.bundle),
            *figures.items(),
            *result.verdicts.items(),
            *((f"latency of {name}", record) for name, record in result.latency.items()),
        )
        if isinstance(outcome, NotRun)
    ]
    measured = {record.kind for record in build.records}
    reasons += [
        (f"on {words}", f"no record; pocketbert bench BUNDLE --on {kind.split('-')[0]} makes one")
        for kind, words in KINDS.items()
        if kind not in measured
    ]
    return [*reasons, *(("a record", why) for why in build.outdated)]
