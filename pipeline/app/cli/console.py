"""What every command prints through: two consoles, progress bars, JSON."""

import codecs
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ...base.progress import showing

T = TypeVar("T")
WIDTH = None if sys.stdout.isatty() else 120  # of tables in a pipe or a file
out = Console(highlight=False, soft_wrap=True, width=WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


# What an encoding without our marks prints in their place: who fails must be told so anywhere.
PLAIN = {"✓": "ok", "✗": "FAILED", "…": "...", "→": "->", "·": "-", "µ": "u"}


def in_any_encoding() -> None:
    """Have both streams print what they can, and plain words for what they can't."""

    def in_plain(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError), "streams that are written"
        found = error.object[error.start : error.end]
        return "".join(PLAIN.get(character, "?") for character in found), error.end

    codecs.register_error("pocketbert", in_plain)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="pocketbert")  # type: ignore[union-attr]


def shown(path: Path) -> str:
    """`path` as it is, also where it holds brackets, which would be markup."""
    return escape(str(path))


def argument(path: Path) -> str:
    """`path` as a shell takes it, also where it holds blanks."""
    return escape(shlex.quote(str(path)))


@contextmanager
def progress() -> Iterator[None]:
    """Bars on stderr where a person looks on; elsewhere one line a step."""
    if int(os.environ.get("RANK", "0")):  # of several processes, the first one speaks
        yield
        return
    if not err.is_terminal:
        said = set[str]()

        def note(items: Sequence[T], what: str) -> Iterable[T]:
            if what not in said:
                said.add(what)
                err.print(f"{escape(what)} …")
            return items

        with showing(note):
            yield
        return
    counts = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*counts, *times, console=err) as bars:

        def bar(items: Sequence[T], what: str) -> Iterable[T]:
            return bars.track(items, description=what)

        with showing(bar):
            yield


def print_json(value: Any) -> None:
    """Print `value` on stdout, for machines."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def plain(outcome: Any) -> Any:
    """What JSON can hold of a result, or of the error in its place."""
    return {"error": str(outcome)} if isinstance(outcome, Exception) else asdict(outcome)
