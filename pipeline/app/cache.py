"""Stages joined by folders on disk: a stage whose inputs have not changed is not run again.

A stage's key is the content of what goes into it; its folder appears whole or not at all. It knows
nothing of what a stage computes.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from ..base.errors import PipelineError, TargetUnavailable
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
from ..base.memory import release_memory
from ..base.versions import VERSIONS, code_digest, installed_version, python_version
from ..base.workers import Call, workers
from ..learn import team
from .folders import CARD

RECORD = "stage.json"  # the mark of a folder that a stage made
NOT_KEPT = "not kept"  # in place of a key, where a stage said that its outcome is for once

TICK = 20_000_000  # ns, longer than that of any clock of files
# Digests by folder, wherever it is moved; with the stamps of its files.
_digests: dict[tuple[int, int], tuple[tuple[Any, ...], str]] = {}

Make = Callable[[Path], bool | None]  # fills a folder; False: not to be used again


@dataclass(frozen=True)
class Stage:
    """A stage that any process of ours can compute."""

    name: str
    inputs: dict[str, Any]
    call: Callable[[Path], Call]  # what fills the empty folder
    # Completes the folder, given what the call returned; False: not to be used again.
    end: Callable[[Path, Any], bool | None]
    room: str = "measure"


@dataclass
class _New:
    """A folder that is being made."""

    folder: Path
    kept: bool | None = None


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
        key = self.key(name, inputs, room)
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
            key = self.key(name, inputs, room)
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

    def folders(self, stages: Sequence[Stage], what: str) -> "list[Path | TargetUnavailable]":
        """As `folder` of each of `stages`, made side by side; or why one can't be made here."""
        keys = [self.key(stage.name, stage.inputs, stage.room) for stage in stages]
        outcomes: list[Path | TargetUnavailable] = [self.out / stage.name for stage in stages]
        with ExitStack() as stack:
            begun, calls = list[tuple[int, ExitStack, _New]](), list[Call]()
            for i, (stage, key) in enumerate(zip(stages, keys, strict=True)):
                if self._holds(stage.name, key):
                    self._reuse(stage.name)
                    continue
                own = stack.enter_context(ExitStack())
                new = own.enter_context(self._making(stage.name, key))
                begun.append((i, own, new))
                calls.append(stage.call(new.folder))
            done = stack.enter_context(workers().doing(calls, what))
            for (i, own, new), future in zip(begun, done, strict=True):
                try:
                    with own:
                        new.kept = stages[i].end(new.folder, future.result())
                except TargetUnavailable as error:
                    outcomes[i] = error
        return outcomes

    def has(self, name: str, inputs: dict[str, Any], *, room: str = "measure") -> bool:
        """Whether the folder of stage `name` holds the outcome of `inputs`."""
        return self._holds(name, self.key(name, inputs, room))

    def _made(self, name: str, key: str, held: bool, make: Make) -> Path:
        folder = self.out / name
        if held:
            self._reuse(name)
            return folder
        with self._making(name, key) as new:
            new.kept = make(new.folder)
        return folder

    @contextmanager
    def _making(self, name: str, key: str) -> Iterator["_New"]:
        """Yield the new folder of stage `name`, and put it into place once the block ends."""
        emit(StageBegun(name))
        begun = time.perf_counter()
        with replacing_folder(self.out / name, foreign) as folder:
            new = _New(folder)
            yield new
            record = {"key": NOT_KEPT if new.kept is False else key, "content": _content(folder)}
            names = [file.relative_to(folder).as_posix() for file in files_below(folder)]
            write_json(folder / RECORD, {**record, "files": names})
        emit(StageEnded(name, time.perf_counter() - begun))
        release_memory()

    def _reuse(self, name: str) -> None:
        if name not in self.reused:
            self.reused.append(name)
            emit(StageReused(name))

    def _holds(self, name: str, key: str) -> bool:
        return not self.fresh and self._is_whole(self.out / name, key)

    def key(self, name: str, inputs: dict[str, Any], room: str) -> str:
        """Hex digest of all that decides the outcome of stage `name`, code and packages too."""
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
    """Hex digest of what is in `folder`, which is not read again until a file there changes."""
    stamps = tuple(_stamp(file) for file in files_below(folder))
    place = folder.stat()
    known = _digests.get((place.st_dev, place.st_ino))
    if known and known[0] == stamps:
        return known[1]
    found = tree_digest(folder, without=(RECORD, CARD))
    newest = max((stamp[-1] for stamp in stamps), default=0)
    if time.time_ns() - newest > TICK:  # else a change to come could have the same stamp
        _digests[place.st_dev, place.st_ino] = stamps, found
    return found


def _stamp(file: Path) -> tuple[Any, ...]:
    stat = file.stat()
    return file.name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
