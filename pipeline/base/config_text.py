"""Settings as text: the command that stands for a configuration, assignments, the documented file.

All of it follows from how `config` declares them.
"""

import json
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from .config import AS_IS, SETTINGS, RunConfig, with_preset
from .config_file import merge
from .errors import PipelineError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NONE = "none"  # what is off; TOML has no word for it


def to_command(config: RunConfig) -> str:
    """The command that makes what `config` says: whatever differs from the preset's defaults.

    Files stand there by their names, wherever they lie.
    """
    default = with_preset(config.preset)
    return shlex.join(["pocketbert", "run", "--preset", config.preset, *_words(config, default)])


def to_package_command(config: RunConfig) -> str:
    """The same of a model that is packaged as it is."""
    model = _name(config.teacher.source)
    default = replace(AS_IS, teacher=config.teacher)
    return shlex.join(["pocketbert", "package", model, *_words(config, default)])


def _words(config: RunConfig, default: RunConfig) -> Iterator[str]:
    """Flags and assignments of what is not as in `default`."""
    for one in SETTINGS:
        value = one.of(config)
        if value == one.of(default) or not one.declared.decides:
            continue
        if one.declared.file and isinstance(value, str):
            value = _name(value)
        if one.declared.flag and value is True:
            yield one.declared.flag
        elif one.declared.flag and value not in (False, None, ()):
            joined = ",".join(value) if isinstance(value, tuple) else str(value)
            yield from (one.declared.flag, joined)
        else:
            yield from ("--set", f"{one.name}={_written(value)}")


def read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Settings in "distill.temperature=2" and the like, by section; values as in TOML, or none.

    Raises:
        PipelineError: no such assignment.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        one = next((one for one in SETTINGS if one.name == name), None)
        if not equals or one is None:
            raise PipelineError(
                f"--set {assignment}: no setting and its value. Write SECTION.NAME=VALUE, for "
                "example distill.temperature=2; docs/configuration.md has all of them."
            )
        found = merge(found, one.nested(_read_value(text)))
    return found


def _read_value(text: str) -> Any:
    """A TOML value, None for none; any other text stands for itself."""
    if text == NONE:
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _written(value: Any) -> str:
    """`value` as TOML has it, and `_read_value` reads it."""
    return NONE if value is None else json.dumps(value, ensure_ascii=False)


def document(preset: str = "nano") -> str:
    """Every setting with its default and its meaning, as a TOML file."""
    config, lines, section = with_preset(preset), list[str](), ""
    for one in SETTINGS:
        if len(one.path) > 1 and one.path[0] != section:
            section = one.path[0]
            lines += ["", f"[{section}]"]
        value = one.of(config)
        # TOML has no null: what is off stands in a comment.
        line = f"# {one.path[-1]} =" if value is None else f"{one.path[-1]} = {_written(value)}"
        lines.append(f"{line:<26} # {one.declared.help}")
    return "\n".join(lines) + "\n"


def _name(source: str) -> str:
    """A built-in or hub name as it is, of a path only its last part."""
    return Path(source).name if Path(source).exists() else source
