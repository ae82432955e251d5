"""A chat: its opening, its answers, its statistics."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from ....bundle.classify import Answer
from ....bundle.open import Bundle


def greeting(console: Console, bundle: Bundle, runtime: str) -> None:
    """What answers, and what can be typed besides texts."""
    console.print(
        f"[dim]{escape(bundle.name)}: {len(bundle.labels)} intents, answered by {runtime} on this "
        "host. /help, /stats, /quit[/]"
    )


def help(console: Console, bundle: Bundle) -> None:
    """The intents."""
    console.print("[dim]I know: " + escape(", ".join(bundle.labels)) + "[/]")


def answer(console: Console, answer: Answer) -> None:
    """One reply, with its intent, confidence and cost."""
    what = answer.intent or f"not understood, nearest {answer.nearest}"
    console.print(escape(answer.reply))
    console.print(
        f"[dim]  {escape(what)} · {answer.confidence:.0%} · tokenise {answer.tokenize_ms:.2f} ms "
        f"· infer {answer.inference_ms:.2f} ms[/]"
    )


def stats(console: Console, answers: Sequence[Answer]) -> None:
    """Percentiles over this chat."""
    from ....measure.record import summarize
    from .tables import table

    if not answers:
        console.print("[dim]Nothing was asked yet.[/]")
        return
    rows = table("", ("host, wall time",), ("p50", "p90", "p99", "min", "n"), ())
    for name, values in (
        ("tokenise", [answer.tokenize_ms for answer in answers]),
        ("infer", [answer.inference_ms for answer in answers]),
    ):
        latency = summarize(values)
        row = (latency.p50, latency.p90, latency.p99, latency.min)
        rows.add_row(name, *(f"{value:.2f} ms" for value in row), str(latency.n))
    console.print(rows)
