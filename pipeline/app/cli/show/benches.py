"""What was measured: latency, instructions, and their changes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from ....base.errors import NotRun
from ....measure.record import KINDS, LatencyRecord, describe_memory
from ....measure.regress import Change
from .tables import table


def measured(
    console: Console,
    records: Sequence[LatencyRecord],
    skipped: Mapping[str, NotRun],
    folder: Path,
) -> None:
    """Latency, or instructions, of every artefact; and where the records are."""
    timed = [record for record in records if record.wall]
    counted = [record for record in records if not record.wall]
    for machine in dict.fromkeys((record.kind, record.device, record.serial) for record in timed):
        same = [r for r in timed if (r.kind, r.device, r.serial) == machine]
        _timed(console, same)
    if counted:
        _counted(console, counted)
    for name, reason in skipped.items():
        console.print(f"[yellow]not run:[/] {escape(name)}: {escape(reason.reason)}")
    if records:
        console.print(f"records  {escape(str(folder))}")


def changes(console: Console, found: Sequence[Change], not_compared: Sequence[str]) -> None:
    """Instructions beside those of a baseline, and what only the baseline has."""
    rows = table("", ("artefact", "processor"), ("tokens", "baseline", "now", "change"), ())
    for one in found:
        cells = (str(one.tokens), f"{one.before:,}", f"{one.after:,}", f"{one.share:+.2%}")
        rows.add_row(one.artifact, one.device, *cells)
    console.print(rows)
    for name in not_compared:
        console.print(f"[yellow]not compared, only in the baseline:[/] {escape(name)}")


def _timed(console: Console, records: Sequence[LatencyRecord]) -> None:
    rows = table(
        f"{KINDS[records[0].kind]}: {records[0].device} {records[0].serial}".rstrip(),
        ("artefact", "clock"),
        (
            "infer p50",
            "p90",
            "p99",
            "tokenise",
            "answer p50",
            "cold load",
            "memory, peak",
            "queries",
        ),
        ("runtime",),
    )
    for record in records:
        for clock, steps in (("wall", record.wall), ("CPU", record.cpu)):
            if steps is None:
                continue
            first = clock == "wall"
            load = f"{record.load_ms:.0f} ms" if first and record.load_ms is not None else ""
            infer = steps.inference
            times = (infer.p50, infer.p90, infer.p99, steps.tokenize.p50, steps.answer.p50)
            cells = [f"{value:.2f} ms" for value in times]
            memory = describe_memory(record) if first else ""
            name, runtime = (record.artifact, record.runtime) if first else ("", "")
            rows.add_row(name, clock, *cells, load, memory, str(steps.answer.n), runtime)
    console.print(rows)
    for record in records:
        for remark in record.remarks:
            console.print(f"[yellow]{escape(record.artifact)}:[/] {escape(remark)}")
        if record.busy:
            console.print(f"[yellow]{escape(record.artifact)}:[/] busy machine; do not compare")


def _counted(console: Console, records: Sequence[LatencyRecord]) -> None:
    rows = table(
        f"{KINDS[records[0].kind]}",
        ("artefact", "processor"),
        ("tokens", "instructions", "SIMD", "floor", "of the floor"),
        (),
    )
    for record in records:
        for cost in record.by_length:
            if made := cost.instructions:
                cells = (str(cost.tokens), f"{made.total:,}", f"{made.simd:,}", f"{made.floor:,}")
                ratio = f"{made.total / made.floor:.2f} x"
                rows.add_row(record.artifact, record.device, *cells, ratio)
    console.print(rows)
    console.print("[dim]floor: one SDOT instruction for every 16 multiply-adds[/]")
    for record in records:
        for remark in record.remarks:
            console.print(f"[dim]{escape(f'{record.artifact}, {record.device}: {remark}')}[/]")
