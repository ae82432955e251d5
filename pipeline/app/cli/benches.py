"""The command that measures: parsing and printing only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ...base.errors import GateFailed, NotRun, PipelineError, TargetUnavailable
from ...base.formats import TARGETS
from .console import err, out, print_json, progress, shown
from .options import AllowMissing, BundleFolder, Json, Key, Place, to_minutes, to_names, to_share

if TYPE_CHECKING:
    from ...measure.record import LatencyRecord

Artefacts = Annotated[
    str | None, typer.Option(help=f"Artefacts, comma-separated: {','.join(TARGETS)}.")
]
Sustained = Annotated[
    str, typer.Option(help="For android: how long to go on afterwards, for example 10m.")
]
Cores = Annotated[
    str, typer.Option(help="For arm64, comma-separated: cortex-a53, cortex-a76, i8mm.")
]
Devices = Annotated[
    str | None, typer.Option(help="For android and ios: devices; default: all connected.")
]
Gate = Annotated[Path | None, typer.Option(help="Baseline of instructions to compare with.")]
Baseline = Annotated[
    Path | None, typer.Option(help="Keep the instructions as a baseline, in this file.")
]
Records = Annotated[
    Path | None, typer.Option("--out", help="Of the records; default: bench beside the bundle.")
]


def bench(
    bundle: BundleFolder,
    place: Annotated[Place, typer.Option("--on", help="What to measure on.")] = "host",
    runtime: Artefacts = None,
    queries: Annotated[int, typer.Option(help="Least number of queries.", min=1)] = 1024,
    seconds: Annotated[float, typer.Option(help="Least time, both clocks together.", min=0)] = 10.0,
    cool_down: Annotated[float, typer.Option(help="Seconds of rest before.", min=0)] = 0.0,
    sustained: Sustained = "0m",
    core: Cores = "cortex-a53,cortex-a76,i8mm",
    serial: Devices = None,
    gate: Gate = None,
    tolerance: Annotated[str, typer.Option(help="Growth that the gate lets pass.")] = "1%",
    baseline: Baseline = None,
    allow_missing: AllowMissing = False,
    out_folder: Records = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Measure every artefact: on this host, a phone, or an emulated ARM64 processor."""
    allowed, minutes = to_share(tolerance), to_minutes(sustained, place)
    from ...bundle.open import open_bundle

    opened = open_bundle(bundle, key)
    from ...measure.drivers import measures
    from ...measure.host import Rules
    from ..folders import BENCH

    rules = Rules(
        queries=queries, seconds=seconds, cool_down_s=cool_down, sustained_minutes=minutes
    )
    folder = out_folder or bundle.resolve().parent / BENCH
    with progress():
        measured = _measure(
            measures(
                place,
                opened,
                to_names(runtime) or tuple(opened.artifacts),
                rules,
                cores=to_names(core) or (),
                serials=to_names(serial) or (),
            ),
            folder,
        )
    _print(measured, folder, as_json=as_json)
    measured.check()
    console = err if as_json else out
    if gate:
        _compare(measured.records, gate, allowed, console, allow_missing=allow_missing)
    if baseline:
        _keep(measured.records, baseline)


@dataclass
class _Measured:
    """What came of every measurement that was asked for."""

    records: "list[LatencyRecord]" = field(default_factory=list)
    skipped: dict[str, NotRun] = field(default_factory=dict)
    failed: bool = False  # where something other than a runtime was lacking

    def check(self) -> None:
        """Raise `PipelineError` where something was not measured that could have been."""
        if not self.records:
            raise PipelineError("Nothing could be measured, for the reasons above.")
        if self.failed:
            raise PipelineError("Not everything could be measured, for the reasons above.")


def _measure(
    measures: "Iterable[tuple[str, Callable[[], LatencyRecord]]]", folder: Path
) -> _Measured:
    """Measure one after the other; each record is written before the next begins."""
    from ...measure.record import write_record

    measured = _Measured()
    for name, measure in measures:
        try:
            record = measure()
        except PipelineError as error:
            # What was measured before stays, and the next may be measured all the same.
            measured.skipped[name] = NotRun(str(error))
            measured.failed |= not isinstance(error, TargetUnavailable)
            continue
        write_record(record, folder)
        measured.records.append(record)
    return measured


def _print(measured: _Measured, folder: Path, *, as_json: bool) -> None:
    from .show import benches as show

    if as_json:
        not_run = {name: reason.reason for name, reason in measured.skipped.items()}
        records = [asdict(record) for record in measured.records]
        print_json({"records": records, "not_run": not_run})
    else:
        show.measured(out, measured.records, measured.skipped, folder)


def _keep(records: "Sequence[LatencyRecord]", baseline: Path) -> None:
    from ...measure import regress

    regress.write_baseline(records, baseline)
    err.print(f"baseline {shown(baseline)}")


def _compare(
    records: "Sequence[LatencyRecord]",
    gate: Path,
    allowed: float,
    console: Console,
    *,
    allow_missing: bool,
) -> None:
    """Hold `records` against the baseline `gate`.

    Raises:
        GateFailed: something grew by more than `allowed`, or only the baseline has it.
    """
    from ...measure import regress
    from .show import benches as show

    changes = regress.compare_instructions(records, gate)
    missing = regress.not_compared(records, gate)
    show.changes(console, changes, missing)
    failures = list(regress.slower(changes, allowed))
    if missing and not allow_missing:
        failures.append(
            f"not measured, and in the baseline: {', '.join(missing)}. Measure them, too, or go "
            "without them with --allow-missing."
        )
    if failures:
        raise GateFailed("; ".join(failures))
