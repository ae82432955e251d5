"""Arguments that several commands share, and how durations and sizes are written."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

Place = Literal["host", "arm64", "android", "ios"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
BundleFolder = Annotated[Path, typer.Argument(help="A sealed bundle, for example build/bundle.")]
Data = Annotated[
    str | None,
    typer.Option(help="Built-in name, file (.jsonl .csv .tsv .json), folder of parts, or hf:NAME."),
]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings; flags override it.")]
TeacherSource = Annotated[
    str | None,
    typer.Option("--teacher", help="BERT folder, hub name, or minilm (packaged)."),
]
FineTune = Annotated[
    bool | None, typer.Option("--fine-tune", help="Train the whole teacher, not only its head.")
]
NewHead = Annotated[
    bool | None,
    typer.Option("--new-head", help="Fit a head even where the teacher brings one."),
]
Seed = Annotated[int | None, typer.Option(help="Of splits and training.")]
Epochs = Annotated[int | None, typer.Option(help="Of distillation.")]
Unlabeled = Annotated[
    str | None,
    typer.Option(help="Raw texts (.txt .jsonl .csv .tsv, or assistant) that the teacher labels."),
]


def to_seconds(text: str) -> float:
    """Seconds in "90s", "30m" or "2h"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 30m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def to_bytes(text: str) -> int:
    """Bytes in "900KB" or "2MB"; a thousand bytes to the KB."""
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r} is no size; write 900KB or 2MB") from error


def to_names(commas: str | None) -> tuple[str, ...] | None:
    """Names in "one,two"; None for no text."""
    return tuple(name.strip() for name in commas.split(",")) if commas else None


def to_share(text: str) -> float:
    """A share in "1%" or "0.01"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no share; write 1% or 0.01")
    share = float(found[1]) / (100 if found[2] else 1)
    if share >= 1:
        raise typer.BadParameter(f"{text!r} lets everything pass; write 1% or 0.01")
    return share
