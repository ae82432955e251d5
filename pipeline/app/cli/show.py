"""How results look in a terminal: tables and lines, nothing computed but percentiles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...base.errors import NotRun, PipelineError
from ...bundle.classify import Answer
from ...bundle.compare import Difference
from ...bundle.open import Bundle
from ...measure.audit import Audit
from ...measure.gates import Verdict
from ...measure.record import KINDS, LatencyRecord, describe_memory, summarize
from ...measure.regress import Change
from ...models.calibration import Score
from ...models.metrics import Evaluation, interval
from ..result import ModelResult, RunResult

if TYPE_CHECKING:
    from ..shapes import SearchResult

SHOWN_FINDINGS = 5
SCORES = {"highest": "the highest logit", "margin": "the margin to a class of their own"}
GOOD, BAD = "[green]✓[/]", "[red]✗[/]"


def run_result(console: Console, result: RunResult) -> None:
    """The table a person understands at a glance, and where to go from there."""
    for finding in result.findings[:SHOWN_FINDINGS]:
        console.print(f"[yellow]data:[/] {escape(finding)}")
    if (more := len(result.findings) - SHOWN_FINDINGS) > 0:
        console.print(f"[yellow]data:[/] and {more} more, all in the report")
    table = _table(
        f"{result.data}: {result.labels} intents, {result.rows['test']} test texts",
        ("", "model"),
        ("size", "accuracy", "agrees", "OOS found", "host p50"),
        ("computed by",),
    )
    for name, model in (("teacher", result.teacher), ("student", result.student)):
        cells = (_size(model.size_bytes), *_figures(model.evaluation))
        table.add_row("", f"{name}, float", cells[0], cells[1], "", cells[2], "", "PyTorch")
    for name, verdict in result.verdicts.items():
        table.add_row(*_verdict_row(name, verdict, result.latency[name]))
    console.print(table)
    console.print(
        "[dim]agrees: same label as the float student · OOS found: out-of-scope texts recognised "
        "as such · host p50: CPU time of one inference on this machine, not on a phone[/]"
    )
    evaluation = result.student.evaluation
    low, high = interval(evaluation.accuracy, evaluation.texts)
    console.print(
        f"student  accuracy {evaluation.accuracy:.1%} ({low:.1%} to {high:.1%} at 95 %), macro F1 "
        f"{evaluation.macro_f1:.1%}, recall of the worst intent {evaluation.lowest_recall:.1%}"
    )
    console.print(_trust(result.student, result.score))
    for failure in result.failures:
        console.print(f"{BAD} {escape(failure)}")
    for verdict in result.verdicts.values():
        if isinstance(verdict, NotRun):
            console.print(f"[yellow]not run:[/] {escape(verdict.reason)}")
    if not isinstance(result.bundle, NotRun):
        console.print(f"bundle   {escape(str(result.bundle))}")
    console.print(f"report   {escape(str(result.report))}")
    if not isinstance(result.bundle, NotRun):
        console.print(f"next     [bold]pocketbert chat {escape(str(result.bundle))}[/]")


def searched(console: Console, result: "SearchResult") -> None:
    """Every shape that was trained, by size; those on the front are marked."""
    table = _table(
        "",
        ("", "shape"),
        ("int8 size", "multiply-adds", "accuracy", "of teacher", "AUROC", "trained in"),
        (),
    )
    for one in sorted(result.found, key=lambda one: one.size_bytes):
        table.add_row(
            "*" if one in result.front else "",
            one.name,
            _size(one.size_bytes),
            f"{one.multiply_adds / 1e6:.1f} M",
            f"{one.accuracy:.1%}",
            f"{one.retention:.1%}",
            "not run" if one.auroc is None else f"{one.auroc:.3f}",
            f"{one.seconds:.0f} s",
            style="bold" if one == result.best else None,
        )
    console.print(table)
    console.print(
        "[dim]* no other is smaller, cheaper and more accurate · shape: layers x hidden - word "
        "pieces - columns of a factorised embedding · size as counted, multiply-adds for 16 "
        "tokens, accuracy of the float student on the validation part[/]"
    )
    console.print(f"plot     {escape(str(result.plot))}")
    if result.best:
        console.print(f"best     {result.best.name}, settings in {escape(str(result.settings))}")
        console.print(f"next     [bold]pocketbert run --config {escape(str(result.settings))}[/]")


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
    table = _table("", ("artefact", "processor"), ("tokens", "baseline", "now", "change"), ())
    for one in found:
        cells = (str(one.tokens), f"{one.before:,}", f"{one.after:,}", f"{one.share:+.2%}")
        table.add_row(one.artifact, one.device, *cells)
    console.print(table)
    for name in not_compared:
        console.print(f"[yellow]not compared, only in the baseline:[/] {escape(name)}")


def _timed(console: Console, records: Sequence[LatencyRecord]) -> None:
    table = _table(
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
            table.add_row(name, clock, *cells, load, memory, str(steps.answer.n), runtime)
    console.print(table)
    for record in records:
        for remark in record.remarks:
            console.print(f"[yellow]{escape(record.artifact)}:[/] {escape(remark)}")
        if record.busy:
            console.print(f"[yellow]{escape(record.artifact)}:[/] busy machine; do not compare")


def _counted(console: Console, records: Sequence[LatencyRecord]) -> None:
    table = _table(
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
                table.add_row(record.artifact, record.device, *cells, ratio)
    console.print(table)
    console.print("[dim]floor: one SDOT instruction for every 16 multiply-adds[/]")
    for record in records:
        for remark in record.remarks:
            console.print(f"[dim]{escape(f'{record.artifact}, {record.device}: {remark}')}[/]")


def verified(
    console: Console, bundle: Bundle, outcomes: Mapping[str, Audit | PipelineError]
) -> None:
    """Digests and golden cases, a line an artefact."""
    console.print(f"{GOOD} {len(bundle.manifest.files)} files have the digests that were sealed")
    for name, outcome in outcomes.items():
        if isinstance(outcome, Audit):
            engine = escape(outcome.engine)
            cases = f"{outcome.golden_cases} golden cases reproduced"
            console.print(f"{GOOD} {name}: {cases} by {engine}")
        else:
            console.print(f"{BAD} {escape(str(outcome))}")


def difference(console: Console, found: Difference, shown: int = 10) -> None:
    """What changed between two bundles; of the golden texts answered otherwise, the first."""
    for words, labels in (("added", found.labels_added), ("removed", found.labels_removed)):
        if labels:
            console.print(f"labels {words}: {escape(', '.join(labels))}")
    table = _table("", ("artefact",), ("size", "now", "accuracy", "now", "agrees", "now"), ())
    for name, figures in found.artifacts.items():
        sizes = ["none" if size is None else f"{size / 1e6:.2f} MB" for size in figures.bytes]
        shares = [
            "" if share is None else f"{share:.1%}"
            for share in (*figures.accuracy, *figures.agreement)
        ]
        table.add_row(name, *sizes, *shares)
    console.print(table)
    changed = f"{len(found.answers)} answers changed"
    console.print(f"{changed} on the {found.golden_texts} golden texts that both have")
    for one in found.answers[:shown]:
        text = one.text if len(one.text) <= 60 else f"{one.text[:59]}…"
        console.print(f"  {one.artifact}: {text!r}: {one.before} → {one.after}", markup=False)
    if len(found.answers) > shown:
        console.print(f"  and {len(found.answers) - shown} more, with --json")


def evaluated(console: Console, outcomes: Mapping[str, Audit | PipelineError]) -> None:
    """Figures on labelled text, a row an artefact."""
    table = _table(
        "",
        ("artefact",),
        ("texts", "accuracy", "macro F1", "agrees", "AUROC", "OOS found"),
        ("computed by",),
    )
    notes = set[str]()
    for name, outcome in outcomes.items():
        if isinstance(outcome, Audit) and isinstance(outcome.evaluation, Evaluation):
            row, reasons = _audit_row(outcome, outcome.evaluation)
            table.add_row(name, *row)
            notes |= reasons
        else:
            notes.add(str(outcome))
    console.print(table)
    for note in sorted(notes):
        console.print(f"[yellow]not run:[/] {escape(note)}")


def chat_opening(console: Console, bundle: Bundle, runtime: str) -> None:
    """What answers, and what can be typed besides texts."""
    console.print(
        f"[dim]{escape(bundle.name)}: {len(bundle.labels)} intents, answered by {runtime} on this "
        "host. /help, /stats, /quit[/]"
    )


def chat_help(console: Console, bundle: Bundle) -> None:
    """The intents."""
    console.print("[dim]I know: " + escape(", ".join(bundle.labels)) + "[/]")


def chat_answer(console: Console, answer: Answer) -> None:
    """One reply, with its intent, confidence and cost."""
    what = answer.intent or f"not understood, nearest {answer.nearest}"
    console.print(escape(answer.reply))
    console.print(
        f"[dim]  {escape(what)} · {answer.confidence:.0%} · tokenise {answer.tokenize_ms:.2f} ms "
        f"· infer {answer.inference_ms:.2f} ms[/]"
    )


def chat_stats(console: Console, answers: Sequence[Answer]) -> None:
    """Percentiles over this chat."""
    if not answers:
        console.print("[dim]Nothing was asked yet.[/]")
        return
    table = _table("", ("host, wall time",), ("p50", "p90", "p99", "min", "n"), ())
    for name, values in (
        ("tokenise", [answer.tokenize_ms for answer in answers]),
        ("infer", [answer.inference_ms for answer in answers]),
    ):
        latency = summarize(values)
        row = (latency.p50, latency.p90, latency.p99, latency.min)
        table.add_row(name, *(f"{value:.2f} ms" for value in row), str(latency.n))
    console.print(table)


def _table(title: str, left: Sequence[str], right: Sequence[str], after: Sequence[str]) -> Table:
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for columns, justify in ((left, "left"), (right, "right"), (after, "left")):
        for name in columns:
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
    return table


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.2f} MB"


def _figures(evaluation: Evaluation) -> tuple[str, str]:
    outside = evaluation.out_of_scope
    found = "not run" if isinstance(outside, NotRun) else f"{outside.recall:.1%}"
    return f"{evaluation.accuracy:.1%}", found


def _trust(student: ModelResult, score: Score) -> str:
    """When the student can be believed: out of scope, and how honest its confidence is."""
    evaluation, temperature = student.evaluation, student.calibration.temperature
    raw, honest = evaluation.raw_calibration_error, evaluation.calibration_error
    calibration = f"calibration error {raw:.1%}"
    if temperature == 1.0:
        calibration += ", temperature left at 1: no other is clearly more honest"
    else:
        calibration += f", after temperature {temperature:.2f} {honest:.1%}"
    outside = evaluation.out_of_scope
    if isinstance(outside, NotRun):
        return f"student  {calibration}"
    return (
        f"student  out of scope, by {SCORES[score]}: AUROC {outside.auroc:.3f}, "
        f"{outside.recall:.1%} found with {outside.kept:.1%} of in-scope texts kept, "
        f"{outside.accuracy_kept:.1%} of these right; {calibration}"
    )


def _verdict_row(
    name: str, verdict: Verdict | NotRun, latency: LatencyRecord | NotRun
) -> tuple[str, ...]:
    if isinstance(verdict, NotRun):
        return ("", name, *["not run"] * 5, "")
    accuracy, found = _figures(verdict.evaluation)
    time = "not run" if isinstance(latency, NotRun) else _host_p50(latency)
    mark = BAD if verdict.failures else GOOD
    agreed = f"{verdict.agreement:.1%}"
    return (
        mark,
        name,
        _size(verdict.stored.size_bytes),
        accuracy,
        agreed,
        found,
        time,
        verdict.engine,
    )


def _host_p50(latency: LatencyRecord) -> str:
    """Of one inference, in CPU time."""
    busy = ", busy" if latency.busy else ""
    return f"{latency.cpu.inference.p50:.2f} ms{busy}" if latency.cpu else "not run"


def _audit_row(audit: Audit, evaluation: Evaluation) -> tuple[list[str], set[str]]:
    """Cells, and the reasons of what was not run."""
    outside, agreed = evaluation.out_of_scope, audit.agreement
    reasons = {value.reason for value in (outside, agreed) if isinstance(value, NotRun)}
    cells = [
        str(evaluation.texts),
        f"{evaluation.accuracy:.1%}",
        f"{evaluation.macro_f1:.1%}",
        "not run" if isinstance(agreed, NotRun) else f"{agreed:.1%}",
        "not run" if isinstance(outside, NotRun) else f"{outside.auroc:.3f}",
        "not run" if isinstance(outside, NotRun) else f"{outside.recall:.1%}",
        audit.engine,
    ]
    return cells, reasons
