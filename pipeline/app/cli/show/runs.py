"""What a run and a search found, and where to go from there."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ....base.errors import NotRun
from ....measure.gates import Verdict
from ....measure.record import LatencyRecord
from ....models.calibration import Score
from ....models.metrics import Evaluation, interval
from ...result import RunResult
from ...stages.judge import ModelResult
from ..console import argument, shown
from .tables import BAD, GOOD, size, table

if TYPE_CHECKING:
    from ...packaged import Packaged
    from ...shapes import SearchResult

SHOWN_FINDINGS = 5
SCORES = {"highest": "the highest logit", "margin": "the margin to a class of their own"}


def run_result(console: Console, result: RunResult) -> None:
    """The table a person understands at a glance, and where to go from there."""
    _findings(console, result.findings)
    rows = table(
        f"{result.data}: {result.labels} intents, {result.rows['test']} test texts",
        ("", "model"),
        ("size", "accuracy", "agrees", "OOS found", "host p50"),
        ("computed by",),
    )
    for name, model in (("teacher", result.teacher), ("student", result.student)):
        cells = (size(model.size_bytes), *_figures(model.evaluation))
        rows.add_row("", f"{name}, float", cells[0], cells[1], "", cells[2], "", "PyTorch")
    for name, verdict in result.verdicts.items():
        rows.add_row(*_verdict_row(name, verdict, result.latency[name]))
    console.print(rows)
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
    _ending(console, result)


def packaged(console: Console, result: "Packaged") -> None:
    """What became of a classifier that was packaged as it is."""
    _findings(console, result.findings)
    whole, kept = result.pieces
    rows = table(
        f"{result.model}: {result.architecture}, {result.labels} labels, {kept:,} of {whole:,} "
        f"pieces, judged on {result.texts} texts",
        ("", "model"),
        ("size", "accuracy", "agrees", "OOS found", "logit off by", "host p50"),
        ("computed by",),
    )
    figures = _known(result, result.evaluation)
    rows.add_row(
        "",
        "the model, float",
        size(result.size_bytes),
        *figures[:1],
        "",
        *figures[1:],
        *("", ""),
        "PyTorch",
    )
    for name, verdict in result.verdicts.items():
        row = _verdict_row(name, verdict, result.latency[name])
        if isinstance(verdict, NotRun):
            rows.add_row(*row[:-1], "not run", row[-1])
            continue
        accuracy, found = _known(result, verdict.evaluation)
        off = f"{verdict.max_difference:.3f}"
        rows.add_row(*row[:3], accuracy, row[4], found, off, *row[6:])
    console.print(rows)
    for gate, outcome in result.not_run.items():
        console.print(f"[yellow]not run:[/] {gate}: {escape(outcome.reason)}")
    _ending(console, result)


def _known(result: "Packaged", evaluation: Evaluation | NotRun) -> tuple[str, str]:
    """Accuracy and out-of-scope texts found, where there are labels."""
    if isinstance(evaluation, NotRun) or isinstance(result.evaluation, NotRun):
        return "not run", "not run"
    return _figures(evaluation)


def _findings(console: Console, findings: Sequence[str]) -> None:
    for finding in findings[:SHOWN_FINDINGS]:
        console.print(f"[yellow]data:[/] {escape(finding)}")
    if (more := len(findings) - SHOWN_FINDINGS) > 0:
        console.print(f"[yellow]data:[/] and {more} more, all in the report")


def _ending(console: Console, result: "RunResult | Packaged") -> None:
    """What failed, what was not run, and where to go from there."""
    for failure in result.failures:
        console.print(f"{BAD} {escape(failure)}")
    for verdict in result.verdicts.values():
        if isinstance(verdict, NotRun):
            console.print(f"[yellow]not run:[/] {escape(verdict.reason)}")
    if not isinstance(result.bundle, NotRun):
        console.print(f"bundle   {shown(result.bundle)}")
    console.print(f"report   {shown(result.report)}")
    if not isinstance(result.bundle, NotRun):
        console.print(f"next     [bold]pocketbert chat {argument(result.bundle)}[/]")


def searched(console: Console, result: "SearchResult") -> None:
    """Every shape that was trained, by size; those on the front are marked."""
    rows = table(
        "",
        ("", "shape"),
        ("int8 size", "multiply-adds", "accuracy", "of teacher", "AUROC", "trained in"),
        (),
    )
    for one in sorted(result.found, key=lambda one: one.size_bytes):
        rows.add_row(
            "*" if one in result.front else "",
            one.name,
            size(one.size_bytes),
            f"{one.multiply_adds / 1e6:.1f} M",
            f"{one.accuracy:.1%}",
            f"{one.retention:.1%}",
            "not run" if one.auroc is None else f"{one.auroc:.3f}",
            f"{one.seconds:.0f} s",
            style="bold" if one == result.best else None,
        )
    console.print(rows)
    console.print(
        "[dim]* no other is smaller, cheaper and more accurate · shape: layers x hidden - word "
        "pieces - columns of a factorised embedding · size as counted, multiply-adds for 16 "
        "tokens, accuracy of the float student on the validation part[/]"
    )
    console.print(f"plot     {shown(result.plot)}")
    if result.best:
        console.print(f"best     {result.best.name}, settings in {shown(result.settings)}")
        console.print(f"next     [bold]pocketbert run --config {argument(result.settings)}[/]")


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
        size(verdict.stored.size_bytes),
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
