"""Stages joined by folders on disk: a stage whose inputs have not changed is not run again.

A stage's key is the content of what goes into it; its folder appears whole or not at all. It knows
nothing of what a stage computes.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout

from ..base.errors import PipelineError
from ..base.files import replacing_folder, tree_digest, write_json
from ..base.versions import VERSIONS, installed_version
from ..learn import team
from .folders import CARD

RECORD = "stage.json"


class Cache:
    """The stage folders below one output folder."""

    def __init__(self, out: Path, *, fresh: bool = False) -> None:
        """With `fresh`, every stage runs again."""
        self.out = out
        self.reused: list[str] = []
        self.fresh = fresh
        self.versions = {name: installed_version(name) for name in ("pocketbert", *VERSIONS)}

    def folder(self, name: str, inputs: dict[str, Any], make: Callable[[Path], None]) -> Path:
        """The folder of stage `name`: made by `make` unless it holds the outcome of `inputs`.

        Args:
            name: of the folder, below the output folder.
            inputs: everything that decides the outcome; paths stand for the content below them.
            make: fills the empty folder it is given.
        """
        key = self._key(name, inputs)
        return self._made(name, key, self._holds(name, key), make)

    def shared_folder(
        self,
        name: str,
        inputs: dict[str, Any],
        make: Callable[[Path], None],
        *,
        together: bool = False,
    ) -> Path:
        """As `folder`, while several processes are at work: all call this, the main one writes.

        With `together`, all of them take part in `make`, and what the others write is dropped.
        """
        if team.is_main():
            key = self._key(name, inputs)
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

    def has(self, name: str, inputs: dict[str, Any]) -> bool:
        """Whether the folder of stage `name` holds the outcome of `inputs`."""
        return self._holds(name, self._key(name, inputs))

    def _made(self, name: str, key: str, held: bool, make: Callable[[Path], None]) -> Path:
        folder = self.out / name
        if held:
            if name not in self.reused:
                self.reused.append(name)
            return folder
        with replacing_folder(folder) as new:
            make(new)
            write_json(new / RECORD, {"key": key, "content": _content(new)})
        return folder

    def _holds(self, name: str, key: str) -> bool:
        return not self.fresh and self._is_whole(self.out / name, key)

    def _key(self, name: str, inputs: dict[str, Any]) -> str:
        content = json.dumps([name, described(inputs), self.versions], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def _is_whole(self, folder: Path, key: str) -> bool:
        try:
            record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(record == {"key": key, "content": _content(folder)})


def described(inputs: dict[str, Any]) -> dict[str, Any]:
    """`inputs` as plain values by dotted name; a path stands for the content below it."""
    plain = dict[str, Any]()
    for name, value in inputs.items():
        if is_dataclass(value):
            inner = {f.name: getattr(value, f.name) for f in fields(value)}
            plain |= {f"{name}.{key}": entry for key, entry in described(inner).items()}
        elif isinstance(value, Path):
            plain[name] = _content(value)
        elif isinstance(value, (list, tuple)):
            plain[name] = [*value]
        else:
            plain[name] = value
    return plain


def lock(out: Path) -> FileLock:
    """Hold `out` for one run at a time.

    Raises:
        PipelineError: another run holds it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = FileLock(out / ".lock")
        held.acquire(timeout=0)
    except Timeout as error:
        raise PipelineError(
            f"{out}: another run is at work there. Wait for it, or choose another --out."
        ) from error
    except OSError as error:
        raise PipelineError(f"{out}: {error.strerror}. Choose another --out.") from error
    return held


def _content(folder: Path) -> str:
    return tree_digest(folder, without=(RECORD, CARD))
