"""Files that are whole or absent, and text that they can hold.

Digests, and folders written aside and renamed into place.
"""

import ctypes
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK = ".lock"
OLD = "old"  # what was replaced, where the system can't exchange two folders


def clean(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 tokenizer can hold, by U+FFFD (which BERT drops)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def sha256(file: Path) -> str:
    """Hex digest of the file's content."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def tree_digest(folder: Path, without: Collection[str] = ()) -> str:
    """Hex digest over the relative paths and contents of every file below `folder`.

    Files directly in `folder` whose names are in `without` do not count.
    """
    digest = hashlib.sha256()
    left_out = {folder / name for name in without}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file in left_out:
            continue
        digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def digest(path: Path) -> str:
    """Hex digest of an artefact: of a file, or of all that is in a folder."""
    return tree_digest(path) if path.is_dir() else sha256(path)


def tree_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def write_json(file: Path, value: Any, *, compact: bool = False) -> None:
    """Write `value` as UTF-8 JSON with a closing newline; indented unless `compact`."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    file.write_text(text + "\n", encoding="utf-8")


@contextmanager
def replacing_file(file: Path) -> Iterator[Path]:
    """Yield a file beside `file` that takes its place once the block ends without error."""
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    os.close(handle)
    try:
        yield Path(name)
        Path(name).chmod(file.parent.stat().st_mode & 0o666)  # read by whoever reads the folder
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` once the block ends without error.

    It is made beside `folder`, so that the renames stay within one file system. A process killed
    inside the block leaves `folder` as it was; what it left aside is removed by the next writer.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    ours = re.compile(rf"\.{re.escape(folder.name)}\.\w{{8}}")
    for aside in folder.parent.iterdir():
        if ours.fullmatch(aside.name) and (aside / LOCK).is_file():
            _clean_up(aside, folder)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    held = FileLock(new / LOCK)  # which a process that dies lets go
    try:
        held.acquire()
        (content := new / "new").mkdir()
        yield content
        if not _exchange(content, folder):
            if folder.exists():
                folder.rename(new / OLD)
            content.rename(folder)
    finally:
        _remove(new, folder)
        held.release()


def _clean_up(aside: Path, folder: Path) -> None:
    """Remove what a killed writer left."""
    held = FileLock(aside / LOCK)
    try:
        held.acquire(timeout=0)
    except (Timeout, OSError):
        return  # its writer is at work
    _remove(aside, folder)
    held.release()


def _remove(aside: Path, folder: Path) -> None:
    """Remove `aside`, once what had been moved into it is back."""
    if (aside / OLD).exists() and not folder.exists():
        (aside / OLD).rename(folder)
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step, where both exist and the system can.

    renameat2(2) of Linux and renamex_np(2) of macOS. Without them there is a moment with neither.
    """
    library, flag = ctypes.CDLL(None, use_errno=True), 2
    names = (os.fsencode(one.absolute()), os.fsencode(other.absolute()))
    if hasattr(library, "renameat2"):
        here = -100  # AT_FDCWD, which absolute paths do not need
        return bool(library.renameat2(here, names[0], here, names[1], flag) == 0)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, flag) == 0)
    return False
