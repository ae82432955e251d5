"""The commands that measure and show what was measured: parsing and printing only."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ...base.errors import GateFailed, NotRun, PipelineError, TargetUnavailable
from ...base.formats import TARGETS
from .console import err, out, print_json, progress
from .options import AllowMissing, BundleFolder, Json, Place, to_names, to_share


def bench(
    bundle: BundleFolder,
    place: Annotated[Place, typer.Option("--on", help="What to measure on.")] = "host",
    runtime: Annotated[
        str | None, typer.Option(help=f"Artefacts, comma-separated: {','.join(TARGETS)}.")
    ] = None,
    queries: Annotated[int, typer.Option(help="Least number of queries.", min=1)] = 1024,
    seconds: Annotated[float, typer.Option(help="Least time, both clocks together.", min=0)] = 10.0,
    cool_down: Annotated[float, typer.Option(help="Seconds of rest before.", min=0)] = 0.0,
    core: Annotated[
        str, typer.Option(help="For arm64, comma-separated: cortex-a53, cortex-a76, i8mm.")
    ] = "cortex-a53,cortex-a76,i8mm",
    serial: Annotated[
        str | None, typer.Option(help="For android and ios: devices; default: all connected.")
    ] = None,
    gate: Annotated[
        Path | None, typer.Option(help="Baseline of instructions to compare with.")
    ] = None,
    tolerance: Annotated[str, typer.Option(help="Growth that the gate lets pass.")] = "1%",
    baseline: Annotated[
        Path | None, typer.Option(help="Keep the instructions as a baseline, in this file.")
    ] = None,
    allow_missing: AllowMissing = False,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Of the records; default: bench beside the bundle.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure every artefact: on this host, a phone, or an emulated ARM64 processor."""
    allowed = to_share(tolerance)
    from ...bundle.open import open_bundle
    from ...measure import regress as gates
    from ...measure.drivers import measures
    from ...measure.host import Rules
    from ...measure.record import LatencyRecord, write_record
    from ..folders import BENCH
    from . import show

    opened = open_bundle(bundle)
    rules = Rules(queries=queries, seconds=seconds, cool_down_s=cool_down)
    records, skipped = list[LatencyRecord](), dict[str, NotRun]()
    failed = False
    folder = out_folder or bundle.resolve().parent / BENCH
    with progress():
        for name, measure in measures(
            place,
            opened,
            to_names(runtime) or tuple(opened.artifacts),
            rules,
            cores=to_names(core) or (),
            serials=to_names(serial) or (),
        ):
            try:
                record = measure()
            except PipelineError as error:
                # What was measured before stays, and the next may be measured all the same.
                skipped[name] = NotRun(str(error))
                failed |= not isinstance(error, TargetUnavailable)
                continue
            write_record(record, folder)
            records.append(record)
    if as_json:
        not_run = {name: reason.reason for name, reason in skipped.items()}
        print_json({"records": [asdict(record) for record in records], "not_run": not_run})
    else:
        show.measured(out, records, skipped, folder)
    if not records:
        raise PipelineError("Nothing could be measured, for the reasons above.")
    if failed:
        raise PipelineError("Not everything could be measured, for the reasons above.")
    if gate:
        changes = gates.compare(records, gate)
        missing = gates.not_compared(records, gate)
        show.changes(err if as_json else out, changes, missing)
        failures = list(gates.slower(changes, allowed))
        if missing and not allow_missing:
            failures.append(
                f"not measured, and in the baseline: {', '.join(missing)}. Measure them, too, or "
                "go without them with --allow-missing."
            )
        if failures:
            raise GateFailed("; ".join(failures))
    if baseline:
        gates.write_baseline(records, baseline)
        err.print(f"baseline {baseline}")


def report(
    builds: Annotated[list[Path], typer.Argument(help="Folders that pocketbert run wrote.")],
    file: Annotated[
        Path | None, typer.Option("--out", help="The page; default: report.html in the first.")
    ] = None,
) -> None:
    """Write one page of one or several builds, with everything measured since."""
    from ..folders import REPORT
    from ..report.page import write_report
    from ..result import read_build

    page = write_report([read_build(build) for build in builds], file or builds[0] / REPORT)
    out.print(f"report   {page}")
