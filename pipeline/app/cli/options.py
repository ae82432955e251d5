"""Arguments that several commands share, and how durations and sizes are written.

The flags of settings are made here from their declarations in `base.config`.
"""

import inspect
import re
from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from pydantic import ByteSize, TypeAdapter, ValidationError

from ...base.config import SETTINGS, RunConfig
from ...base.config_file import load_config, merge
from ...base.config_text import read_assignments
from ...base.settings import Setting

Place = Literal["host", "arm64", "android", "ios"]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, for machines.")]
BundleFolder = Annotated[Path, typer.Argument(help="A sealed bundle, for example build/bundle.")]
OutFolder = Annotated[Path, typer.Option("--out", help="Where everything goes.", file_okay=False)]
Key = Annotated[
    Path | None,
    typer.Option("--key", help="Public key; the bundle must be signed by its owner."),
]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings; flags override it.")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Let pass what this machine can't run or measure.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting of docs/configuration.md: distill.temperature=2. Repeatable.",
    ),
]


def takes_settings(
    heeded: Collection[str] = (), base: RunConfig | None = None
) -> Callable[[Callable[..., None]], Any]:
    """Give a command a flag for every setting that has one, or for those in `heeded`.

    The command is called with the configuration that they make over `base`, as `settings`.
    """
    flags = {
        "_".join(one.path): one
        for one in SETTINGS
        if one.declared.flag and (not heeded or one.name in heeded)
    }

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_settings(**given: Any) -> None:
            overrides = read_assignments(given.pop("assignments") or ())
            for name, one in flags.items():
                if (value := given.pop(name)) is not None:
                    value = to_names(value) if _is_list(one) else value
                    overrides = merge(overrides, one.nested(value))
            command(settings=load_config(given.pop("config"), overrides, base), **given)

        own = inspect.signature(command).parameters
        annotated = {name: _flag(one) for name, one in flags.items()}
        annotated |= {"config": Config, "assignments": Assignments}
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for name, kind in annotated.items()
        ]
        parameters += [
            one.replace(kind=one.KEYWORD_ONLY) for one in own.values() if one.name != "settings"
        ]
        signature = inspect.Signature(parameters)
        with_settings.__signature__ = signature  # type: ignore[attr-defined]
        return with_settings

    return decorate


def _flag(one: Setting) -> Any:
    """The annotation that typer makes a flag of; None stands for one that was not given."""
    kind = str if _is_list(one) else next(t for t in (*get_args(one.type), one.type) if t)
    words = one.declared.help[0].upper() + one.declared.help[1:]
    described = f"{words}{' (comma-separated)' if _is_list(one) else ''}."
    return Annotated[kind | None, typer.Option(one.declared.flag, help=described)]


def _is_list(one: Setting) -> bool:
    return bool(one.type == tuple[str, ...])


def to_seconds(text: str) -> float:
    """Seconds in "90s", "30m" or "2h"."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration; write 90s, 30m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def to_minutes(text: str, place: Place) -> int:
    """Whole minutes of a sustained measurement, for those places that have one."""
    seconds = to_seconds(text)
    if seconds % 60:
        raise typer.BadParameter(f"{text!r} is not a whole number of minutes; write 10m")
    if seconds and place != "android":
        raise typer.BadParameter(f"--sustained measures on android, not on {place}")
    return int(seconds // 60)


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
