"""Stages joined by folders on disk: a stage whose inputs have not changed is not run again.

A stage's key is the content of what goes into it; its folder appears whole or not at all. It knows
nothing of what a stage computes.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from ..base.errors import PipelineError
from ..base.events import StageBegun, StageEnded, StageReused, emit
from ..base.files import (
    LOCK,
    digest,
    files_below,
    first_beyond,
    replacing_folder,
    tree_digest,
    write_json,
)
from ..base.versions import VERSIONS, code_digest, installed_version, python_version
from ..learn import team
from .folders import CARD

RECORD = "stage.json"  # the mark of a folder that a stage made
NOT_KEPT = "not kept"  # in place of a key, where a stage said that its outcome is for once

Make = Callable[[Path], bool | None]  # fills a folder; False: not to be used again


class Cache:
    """The stage folders below one output folder."""

    def __init__(self, out: Path, *, fresh: bool = False) -> None:
        """With `fresh`, every stage runs again."""
        self.out = out
        self.reused: list[str] = []
        self.fresh = fresh
        self.versions = {name: installed_version(name) for name in ("pocketbert", *VERSIONS)}
        self.versions["python"] = python_version()

    def folder(
        self, name: str, inputs: dict[str, Any], make: Make, *, room: str = "measure"
    ) -> Path:
        """The folder of stage `name`: made by `make` unless it holds the outcome of `inputs`.

        Args:
            name: of the folder, below the output folder.
            inputs: everything that decides the outcome; paths stand for the content below them.
            make: fills the empty folder it is given.
            room: the last whose code has a say in the outcome.

        Raises:
            PipelineError: the folder holds something that no stage made.
        """
        key = self._key(name, inputs, room)
        return self._made(name, key, self._holds(name, key), make)

    def shared_folder(
        self,
        name: str,
        inputs: dict[str, Any],
        make: Make,
        *,
        room: str = "measure",
        together: bool = False,
    ) -> Path:
        """As `folder`, while several processes are at work: all call this, the main one writes.

        With `together`, all of them take part in `make`, and what the others write is dropped.
        """
        if team.is_main():
            key = self._key(name, inputs, room)
            held = self._holds(name, key)
            # Said before the work begins, so that the others know whether to take part.
            team.broadcast(not held)
            folder = self._made(name, key, held, make)
        else:
            folder = self.out / name
            if team.broadcast(None) and together:
                with TemporaryDirectory() as aside:
                    make(Path(aside))
        team.wait()
        return folder

    def has(self, name: str, inputs: dict[str, Any], *, room: str = "measure") -> bool:
        """Whether the folder of stage `name` holds the outcome of `inputs`."""
        return self._holds(name, self._key(name, inputs, room))

    def _made(self, name: str, key: str, held: bool, make: Make) -> Path:
        folder = self.out / name
        if held:
            if name not in self.reused:
                self.reused.append(name)
                emit(StageReused(name))
            return folder
        emit(StageBegun(name))
        begun = time.perf_counter()
        with replacing_folder(folder, foreign) as new:
            kept = make(new)
            record = {"key": NOT_KEPT if kept is False else key, "content": _content(new)}
            names = [file.relative_to(new).as_posix() for file in files_below(new)]
            write_json(new / RECORD, {**record, "files": names})
        emit(StageEnded(name, time.perf_counter() - begun))
        return folder

    def _holds(self, name: str, key: str) -> bool:
        return not self.fresh and self._is_whole(self.out / name, key)

    def _key(self, name: str, inputs: dict[str, Any], room: str) -> str:
        decided = [name, described(inputs), self.versions, code_digest(room)]
        content = json.dumps(decided, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def _is_whole(self, folder: Path, key: str) -> bool:
        record = _record(folder)
        return record.get("key") == key and record.get("content") == _content(folder)


def described(inputs: dict[str, Any]) -> dict[str, Any]:
    """`inputs` as plain values by dotted name; a path stands for the content below it."""
    plain = dict[str, Any]()
    for name, value in inputs.items():
        if is_dataclass(value):
            inner = {f.name: getattr(value, f.name) for f in fields(value)}
            plain |= {f"{name}.{key}": entry for key, entry in described(inner).items()}
        elif isinstance(value, Path):
            plain[name] = _content(value) if value.is_dir() else digest(value)
        elif isinstance(value, (list, tuple)):
            plain[name] = [*value]
        else:
            plain[name] = value
    return plain


def foreign(folder: Path) -> Path | None:
    """The first file in `folder` that no stage left there; None where all are a stage's."""
    names = _record(folder).get("files")
    return first_beyond(folder, {*names, RECORD, CARD} if isinstance(names, list) else ())


@contextmanager
def lock(out: Path) -> Iterator[None]:
    """Hold `out` for one run at a time.

    Raises:
        PipelineError: another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = FileLock(out / LOCK)
        held.acquire(timeout=0)
    except Timeout as error:
        raise PipelineError(
            f"{out}: another run is at work there. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise PipelineError(f"{out}: {error.strerror}. Choose another --out.") from error
    try:
        yield
    finally:
        held.release()


def _record(folder: Path) -> dict[str, Any]:
    """What a stage wrote of itself; nothing where `folder` is none's."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _content(folder: Path) -> str:
    return tree_digest(folder, without=(RECORD, CARD))
