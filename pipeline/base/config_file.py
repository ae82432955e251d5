"""Settings read from a TOML file and from whoever asks, merged over a preset, and checked."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .config import RunConfig, with_preset
from .errors import PipelineError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load_config(
    file: str | PathLike[str] | None,
    overrides: Mapping[str, Any],
    base: RunConfig | None = None,
) -> RunConfig:
    """Build the configuration: preset, then the TOML `file`, then `overrides` (nested, by section).

    With a `base`, that stands in the preset's place.

    Raises:
        PipelineError: an unreadable file, an unknown key or a value out of range, by name.
    """
    settings = merge(_read_toml(Path(file)) if file else {}, overrides)
    base = base or with_preset(settings.get("preset", RunConfig.preset))
    try:
        return TypeAdapter(RunConfig).validate_python(merge(asdict(base), settings))
    except ValidationError as error:
        where = f"{file}: " if file else ""
        raise PipelineError(where + "; ".join(map(_explain, error.errors()))) from error


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PipelineError(f"{file}: not a readable TOML file ({error}).") from error


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with what `over` has, section by section."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _explain(error: ErrorDetails) -> str:
    """One pydantic error as a phrase: the setting, its value, and what would do."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown setting {key!r}; see docs/configuration.md for all of them"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
