"""The command that seals a fine-tuned classifier as it is: parsing and printing only."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ...base.config_file import load_config, merge
from ...base.errors import GateFailed, NotRun
from .console import out as console
from .console import print_json, progress
from .options import Json, OutFolder, to_names

if TYPE_CHECKING:
    from ...measure.record import LatencyRecord
    from ..stages.package import Packaged

ALWAYS = {
    # Nothing is trained, so most of the texts can judge.
    "data": {"validation_share": 0.3, "test_share": 0.4},
    "student": {"layers": 48},  # the model's own, once it is read
}
Texts = Annotated[
    str | None, typer.Option(help="Labelled texts (.jsonl .csv .tsv .json, folder, hf:NAME).")
]
RawTexts = Annotated[
    str | None, typer.Option(help="Raw texts where there are no labels: judged by agreement.")
]
Pieces = Annotated[
    int | None, typer.Option(help="Word pieces to keep, by the texts given; all without it.")
]
Parts = Annotated[
    str | None, typer.Option("--float", help="Parts kept in float: classifier,layers.0, …")
]
Replies = Annotated[str | None, typer.Option(help="JSON of what the chat says for each intent.")]
LeastAgreement = Annotated[float | None, typer.Option(help="Gate: artefact against the model.")]
MostDrop = Annotated[
    float | None, typer.Option(help="Gate: accuracy an artefact may lose, absolute.")
]


def package(
    model: Annotated[str, typer.Argument(help="Folder or hub name of a fine-tuned classifier.")],
    data: Texts = None,
    unlabeled: RawTexts = None,
    out_folder: OutFolder = Path("build"),
    vocabulary: Pieces = None,
    max_length: Annotated[int, typer.Option(help="Tokens; longer texts are cut.")] = 128,
    targets: Annotated[str | None, typer.Option(help="As in run; with commas.")] = None,
    recipe: Annotated[str | None, typer.Option(help="How weights are stored, or auto.")] = None,
    keep_float: Parts = None,
    text_column: Annotated[str | None, typer.Option(help="Column of the text.")] = None,
    intent_column: Annotated[str | None, typer.Option(help="Column of the intent.")] = None,
    replies: Replies = None,
    min_agreement: LeastAgreement = None,
    max_drop: MostDrop = None,
    seed: Annotated[int | None, typer.Option(help="Of the split.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again.")] = False,
    as_json: Json = False,
) -> None:
    """Lower, verify and seal a fine-tuned classifier as it is: no distillation, no training."""
    if vocabulary is not None and not (data or unlabeled):
        raise typer.BadParameter("--vocabulary needs texts that say what to keep: give --data")
    settings = {
        "seed": seed,
        "targets": to_names(targets),
        "recipe": recipe,
        "keep_float": to_names(keep_float),
        "data": {
            "source": data,
            "text": text_column,
            "intent": intent_column,
            "unlabeled": unlabeled,
            "replies": replies,
        },
        "teacher": {"source": model},
        "student": {"max_length": max_length},
        "gates": {"min_agreement": min_agreement, "max_accuracy_drop": max_drop if data else 1.0},
    }
    config = load_config(None, merge(ALWAYS, _given(settings)))
    from ..stages import package as stages

    with progress():
        request = stages.Request(config, data is not None, vocabulary)
        result = stages.package(request, out_folder, fresh=fresh)
    if as_json:
        print_json(stages.to_json(result))
    else:
        _show(result)
    if result.failures:
        raise GateFailed(f"{len(result.failures)} of the gates failed, so nothing was sealed.")


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` without those that were not given."""
    nested = {k: _given(v) if isinstance(v, dict) else v for k, v in settings.items()}
    return {key: value for key, value in nested.items() if value not in (None, {})}


def _show(result: "Packaged") -> None:
    whole, kept = result.pieces
    console.print(
        f"{escape(result.model)}: {result.architecture}, {result.labels} labels, "
        f"{result.parameters:,} parameters, {kept:,} of {whole:,} pieces"
    )
    table = Table("target", "MB", "agreement", "accuracy", "largest difference", "p50 ms")
    for name, verdict in result.verdicts.items():
        if isinstance(verdict, NotRun):
            console.print(f"not run: {escape(verdict.reason)}")
            continue
        table.add_row(
            f"{'✗' if verdict.failures else '✓'} {name}",
            f"{verdict.stored.size_bytes / 1e6:.2f}",
            f"{verdict.agreement:.1%}",
            f"{verdict.evaluation.accuracy:.1%}" if result.labelled else "not run",
            f"{verdict.max_difference:.3f}",
            _median(result.latency[name]),
        )
    console.print(table)
    for line in (*(f"gate not run: {line}" for line in result.not_run), *result.findings):
        console.print(escape(line), highlight=False)
    for line in result.failures:
        console.print(f"[red]✗[/] {escape(line)}")
    console.print(f"bundle   {escape(str(result.bundle))}" if not result.failures else "not sealed")


def _median(latency: "LatencyRecord | NotRun") -> str:
    timed = not isinstance(latency, NotRun) and latency.wall
    return f"{timed.inference.p50:.2f}" if timed else "not run"
