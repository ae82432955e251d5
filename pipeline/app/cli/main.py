"""The command line: parsing and printing only."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from ... import __version__
from ...base.config import PRESETS, DataConfig, load_config
from ...base.errors import GateFailed, NotRun, PipelineError
from ...base.formats import TARGETS
from ...base.quiet import quiet
from ...base.recipes import RECIPES
from . import benches as measuring
from . import bundles as bundling
from .console import err, out, plain, print_json, progress
from .options import (
    BundleFolder,
    Config,
    Data,
    Epochs,
    FineTune,
    Json,
    NewHead,
    Seed,
    TeacherSource,
    Unlabeled,
    to_bytes,
    to_names,
    to_seconds,
)
from .package import package

if TYPE_CHECKING:
    from ...bundle.open import Bundle

app = typer.Typer(
    name="pocketbert",
    help="Labelled text in, three checked int8 bundles for phones out.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.command(epilog="Example: [bold]pocketbert verify build/bundle --json[/]")(bundling.verify)
app.command(epilog="Example: [bold]pocketbert install build/bundle android_demo[/]")(
    bundling.install
)
app.command(epilog="Example: [bold]pocketbert keygen keys[/]")(bundling.keygen)
app.command(epilog="Example: [bold]pocketbert sign build/bundle keys/private.pem[/]")(bundling.sign)
app.command(epilog="Example: [bold]pocketbert diff shipped/bundle build/bundle[/]")(bundling.diff)
app.command(epilog="Example: [bold]pocketbert bench build/bundle --on host[/]")(measuring.bench)
app.command(epilog="Example: [bold]pocketbert report build[/]")(measuring.report)
app.command(epilog="Example: [bold]pocketbert package my-classifier --data texts.csv[/]")(package)


def main() -> None:
    """Run the command line; failures a user can mend end in one line and an exit code."""
    quiet()
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        app()
    except PipelineError as error:
        err.print(f"[bold red]pocketbert:[/] {escape(str(error))}")
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        err.print(f"[bold red]pocketbert:[/] {escape(str(error))}. Free space or mend permissions.")
        sys.exit(2)
    except KeyboardInterrupt:
        err.print("pocketbert: interrupted; finished stages are kept, the same command goes on.")
        sys.exit(130)


@app.command(
    epilog="Example: [bold]pocketbert run --data intents.csv --preset micro --out build[/]"
)
def run(
    data: Data = None,
    preset: Annotated[str | None, typer.Option(help=f"Student: {', '.join(PRESETS)}.")] = None,
    out_folder: Annotated[
        Path, typer.Option("--out", help="Where everything goes.", file_okay=False)
    ] = Path("build"),
    config: Config = None,
    targets: Annotated[
        str | None, typer.Option(help=f"Comma-separated: {','.join(TARGETS)}.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help=f"How weights are stored: {', '.join(RECIPES)}, auto.")
    ] = None,
    keep_float: Annotated[
        str | None,
        typer.Option("--float", help="Parts kept in float: classifier,layers.0.attention, …"),
    ] = None,
    teacher: TeacherSource = None,
    fine_tune: FineTune = None,
    new_head: NewHead = None,
    seed: Seed = None,
    epochs: Epochs = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    intent_column: Annotated[str | None, typer.Option(help="Column of the intent.")] = None,
    out_of_scope: Annotated[
        str | None, typer.Option(help="File of texts that belong to no intent.")
    ] = None,
    unlabeled: Unlabeled = None,
    replies: Annotated[
        str | None, typer.Option(help="JSON of what the chat says for each intent.")
    ] = None,
    min_retention: Annotated[
        float | None, typer.Option(help="Gate: student's share of the teacher's accuracy.")
    ] = None,
    min_agreement: Annotated[
        float | None, typer.Option(help="Gate: artefact against student.")
    ] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Gate: accuracy an artefact may lose, absolute.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again.")] = False,
    as_json: Json = False,
) -> None:
    """Distill, quantize, lower, verify and seal: from labelled text to a bundle."""
    overrides = _given(
        {
            "preset": preset,
            "seed": seed,
            "targets": to_names(targets),
            "recipe": recipe,
            "keep_float": to_names(keep_float),
            "data": {
                "source": data,
                "text": text_column,
                "intent": intent_column,
                "out_of_scope": out_of_scope,
                "unlabeled": unlabeled,
                "replies": replies,
            },
            "teacher": {"source": teacher, "fine_tune": fine_tune, "new_head": new_head},
            "distill": {"epochs": epochs},
            "gates": {
                "min_retention": min_retention,
                "min_agreement": min_agreement,
                "max_accuracy_drop": max_drop,
            },
        }
    )
    settings = load_config(config, overrides)
    from ... import run as runs
    from ..result import to_json
    from . import show

    with progress():
        result = runs.run(settings, out_folder, fresh=fresh)
    if isinstance(result, NotRun):
        return  # another process does the rest
    if as_json:
        print_json(to_json(result))
    else:
        show.run_result(out, result)
    if result.failures:
        raise GateFailed(
            f"{len(result.failures)} of the gates failed, so nothing was sealed; what was made is "
            f"in {out_folder} for inspection, and a bundle there is an earlier run's."
        )


@app.command(
    "search",
    epilog="Example: [bold]pocketbert search --budget 30m --max-bytes 2MB --min-retention 0.98[/]",
)
def search_shapes(
    budget: Annotated[str, typer.Option(help="Time for all of it: 90s, 30m or 2h.")] = "30m",
    max_bytes: Annotated[str, typer.Option(help="Largest int8 artefact: 900KB or 2MB.")] = "2MB",
    min_retention: Annotated[
        float, typer.Option(help="Share of the teacher's accuracy that is enough.")
    ] = 0.98,
    data: Data = None,
    unlabeled: Unlabeled = None,
    out_folder: Annotated[
        Path, typer.Option("--out", help="Where everything goes.", file_okay=False)
    ] = Path("build/search"),
    config: Config = None,
    teacher: TeacherSource = None,
    fine_tune: FineTune = None,
    seed: Seed = None,
    epochs: Epochs = None,
    as_json: Json = False,
) -> None:
    """Train students of many shapes within a time budget; show which pay off."""
    overrides = _given(
        {
            "seed": seed,
            "data": {"source": data, "unlabeled": unlabeled},
            "teacher": {"source": teacher, "fine_tune": fine_tune},
            "distill": {"epochs": epochs},
        }
    )
    settings = load_config(config, overrides)
    from ..search import search
    from . import show

    with progress():
        result = search(
            settings,
            out_folder,
            budget_s=to_seconds(budget),
            max_bytes=to_bytes(max_bytes),
            min_retention=min_retention,
        )
    if as_json:
        print_json(asdict(result))
    else:
        show.searched(out, result)
    if result.best is None:
        raise GateFailed(
            f"None of the {len(result.found)} shapes that were trained keeps {min_retention:.1%} "
            "of the teacher's accuracy. Raise --budget or --max-bytes, or lower --min-retention."
        )


@app.command(epilog="Example: [bold]echo 'wake me at 7' | pocketbert chat build/bundle[/]")
def chat(
    bundle: BundleFolder,
    runtime: Annotated[
        str | None,
        typer.Option(help=f"Artefact that answers: {', '.join(TARGETS)}; default: the first."),
    ] = None,
) -> None:
    """Chat in the terminal, or answer piped lines; /stats shows latency, /quit leaves."""
    opened = _open(bundle)
    from ...bundle.classify import Answer, ChatEngine
    from . import show

    runtime = runtime or next(name for name in (*TARGETS, "") if name in (*opened.artifacts, ""))
    engine = ChatEngine(opened, runtime, opened.load(runtime))
    show.chat_opening(out, opened, runtime)
    answers = list[Answer]()
    for line in _lines():
        command = line.strip()
        if command in ("/quit", "/exit"):
            break
        if command == "/stats":
            show.chat_stats(out, answers)
        elif command == "/help":
            show.chat_help(out, opened)
        else:
            answers.append(engine.answer(line))
            show.chat_answer(out, answers[-1])


@app.command(
    "eval", epilog="Example: [bold]pocketbert eval build/bundle --data new_requests.csv[/]"
)
def evaluate(
    bundle: BundleFolder,
    data: Annotated[Path, typer.Option(help="Labelled file: .jsonl, .csv, .tsv or .json.")],
    student: Annotated[
        Path | None, typer.Option(help="Float student to agree with; default: beside the bundle.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    intent_column: Annotated[str, typer.Option(help="Column of the intent.")] = "intent",
    as_json: Json = False,
) -> None:
    """Accuracy, agreement and out-of-scope figures of every artefact on labelled text."""
    opened = _open(bundle)
    from ...measure.audit import evaluate_bundle
    from . import show

    columns = DataConfig(
        text=text_column,
        intent=intent_column,
        out_of_scope_label=opened.out_of_scope_label,
    )
    with progress():
        outcomes, findings = evaluate_bundle(opened, data, columns, student)
    for finding in findings:
        err.print(f"data: {escape(finding)}")
    if as_json:
        print_json({name: plain(outcome) for name, outcome in outcomes.items()})
    else:
        show.evaluated(out, outcomes)


@app.command(epilog="Example: [bold]pocketbert doctor[/]")
def doctor(as_json: Json = False) -> None:
    """Say what this machine can and cannot do, and how to mend it."""
    from .doctor import examine

    findings = examine()
    if as_json:
        print_json({finding.ability: asdict(finding) for finding in findings})
    else:
        for found in findings:
            mark = "[green]✓[/]" if found.present else "[red]✗[/]"
            out.print(f"{mark} {found.ability:22} {escape(found.detail)}")
            if found.remedy:
                out.print(f"  {'':22} [yellow]{escape(found.remedy)}[/]")


@app.callback(invoke_without_command=True)
def version(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Labelled text in, three checked int8 bundles for phones out."""
    if show_version:
        out.print(f"pocketbert {__version__}")
        raise typer.Exit


def _open(path: Path) -> "Bundle":
    from ...bundle.open import open_bundle

    return open_bundle(path)


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given on the command line, section by section."""
    return {
        key: _given(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if value is not None
    }


def _lines() -> Iterator[str]:
    """Lines typed or piped, of any content, until the end of input."""
    if sys.stdin is None:
        return
    if sys.stdin.isatty():
        while True:
            try:
                yield input("> ")
            except EOFError:
                return
    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        yield line.rstrip("\n")
