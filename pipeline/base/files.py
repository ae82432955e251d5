"""Files that are whole or absent, and text that they can hold.

Digests, and folders written aside and renamed into place. What is there and not ours is refused.
"""

import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import PipelineError

LOCK = ".pocketbert.lock"
OLD = "old"  # what was replaced, where the system can't exchange two folders
MARK = ".pocketbert.json"  # names what we put into a folder that has no other record of ours
# What file managers leave in folders that they show; it is nobody's work.
LITTER = re.compile(r"\.DS_Store|\._.*|Thumbs\.db|desktop\.ini")

# How libraries in Rust word the system's error, in one of their own that is no OSError.
SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")

Foreign = Callable[[Path], Path | None]  # the first path in a folder that we did not make


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


def is_litter(path: Path) -> bool:
    """Whether a file manager put `path` there, and nobody will miss it."""
    return LITTER.fullmatch(path.name) is not None


def files_below(folder: Path) -> list[Path]:
    """Every file below `folder`, in order, but for what file managers leave."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not is_litter(p))


def tree_digest(folder: Path, without: Collection[str] = ()) -> str:
    """Hex digest over the relative paths and contents of every file below `folder`.

    Files directly in `folder` whose names are in `without` do not count.
    """
    digest = hashlib.sha256()
    left_out = {folder / name for name in without}
    for file in files_below(folder):
        if file in left_out:
            continue
        digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()


def digest(path: Path) -> str:
    """Hex digest of an artefact: of a file, or of all that is in a folder."""
    return tree_digest(path) if path.is_dir() else sha256(path)


def tree_bytes(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = files_below(path) if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def write_json(file: Path, value: Any, *, compact: bool = False) -> None:
    """Write `value` as UTF-8 JSON with a closing newline; indented unless `compact`."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **layout)
    file.write_text(text + "\n", encoding="utf-8")


def first_beyond(folder: Path, names: Collection[str]) -> Path | None:
    """The first file below `folder` whose relative path is none of `names`; None if all are."""
    for path in sorted(folder.rglob("*")):
        there = path.is_symlink() or not path.is_dir()
        if there and not is_litter(path) and path.relative_to(folder).as_posix() not in names:
            return path
    return None


def _any(folder: Path) -> Path | None:
    return first_beyond(folder, ())


def mark(folder: Path) -> None:
    """Record that what is in `folder` now is ours."""
    write_json(folder / MARK, [p.relative_to(folder).as_posix() for p in files_below(folder)])


def foreign_to_mark(folder: Path) -> Path | None:
    """The first file in `folder` that was not there when it was marked; None where all were."""
    try:
        names = json.loads((folder / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        names = None
    return first_beyond(folder, {*names, MARK} if isinstance(names, list) else ())


def refuse_foreign(folder: Path, foreign: Foreign = _any) -> None:
    """Refuse to replace `folder` where `foreign` finds something in it.

    Raises:
        PipelineError: the first path that is not ours.
    """
    if not os.path.lexists(folder):
        return
    found = foreign(folder) if folder.is_dir() else folder
    if found is not None:
        raise PipelineError(
            f"{found}: pocketbert did not make this, and it would be lost. Move it away, or "
            "choose another folder."
        )


def refuse_other_file(file: Path, *marks: str) -> None:
    """Refuse to overwrite `file` unless it contains all `marks`, which ours have.

    Raises:
        PipelineError: it is another one.
    """
    if not file.is_file():
        return  # a terminal or a pipe loses nothing, and a folder can't be overwritten
    content = file.read_text(encoding="utf-8", errors="replace")
    if not all(mark in content for mark in marks):
        raise PipelineError(
            f"{file}: pocketbert did not make this, and it would be overwritten. Move it away, or "
            "choose another place."
        )


@contextmanager
def replacing_file(file: Path) -> Iterator[Path]:
    """Yield an empty file that takes the place of `file` once the block ends without error.

    It lies beside the folder of `file` where that can be: what a killed process leaves is not in
    the folder, whose files may be listed elsewhere.
    """
    folder = file.resolve().parent
    outside = folder.parent
    same = outside.stat().st_dev == folder.stat().st_dev
    aside = outside if same and os.access(outside, os.W_OK) else folder
    new = aside / f".{file.name}.{secrets.token_hex(4)}"
    new.touch(exist_ok=False)  # with the mode that every new file gets, as mkstemp's has not
    try:
        yield new
        _flush(new)
        new.replace(file)
        _flush(folder)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def replacing_folder(folder: Path, foreign: Foreign = _any) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `folder` once the block ends without error.

    It is made beside `folder`, so that the renames stay within one file system. A process killed
    inside the block leaves `folder` as it was; what it left aside is removed by the next writer.

    Args:
        folder: what is replaced.
        foreign: finds what must not be lost; without it, all that is there.

    Raises:
        PipelineError: `folder` holds something that is not ours.
    """
    refuse_foreign(folder, foreign)
    folder.parent.mkdir(parents=True, exist_ok=True)
    clean_up(folder.parent, folder.name)
    new, held = _make_aside(folder)
    try:
        (content := new / "new").mkdir()
        yield content
        _settle(content)
        refuse_foreign(folder, foreign)  # again: the block may have taken hours
        if not _exchange(content, folder):
            if folder.exists():
                folder.rename(new / OLD)
            content.rename(folder)
        _flush(folder.parent)
    except PipelineError:
        raise
    except Exception as error:
        if (code := _nameless(error)) is None:
            raise
        raise OSError(code, os.strerror(code), str(folder)) from error
    finally:
        _remove(new, folder, held)


def _nameless(error: Exception) -> int | None:
    """Number of an error of the system's that names no file, mostly a full disk; None of others."""
    if isinstance(error, OSError):
        return None if error.filename else error.errno
    found = SYSTEM_ERROR.search(str(error))
    return int(found[1]) if found else None


def _make_aside(folder: Path) -> tuple[Path, FileLock]:
    """A folder beside `folder`, and the lock on it, which a process that dies lets go."""
    while True:
        new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        held = FileLock(new / LOCK)
        held.acquire()
        if (new / LOCK).exists():
            return new, held
        held.release()  # another writer took it for a dead one's, and removed it


def clean_up(parent: Path, name: str | None = None) -> None:
    """Remove what killed writers of the folder `name`, or of any, left aside in `parent`."""
    ours = re.compile(rf"\.({re.escape(name) if name else '.+'})\.\w{{8}}")
    for aside in parent.iterdir():
        found = ours.fullmatch(aside.name)
        if found and (aside / LOCK).is_file():
            held = FileLock(aside / LOCK)
            try:
                held.acquire(timeout=0)
            except (Timeout, OSError):
                continue  # its writer is at work
            _remove(aside, parent / found[1], held)


def _remove(aside: Path, folder: Path, held: FileLock) -> None:
    """Remove `aside`, once what had been moved into it is back."""
    if (aside / OLD).exists() and not folder.exists():
        (aside / OLD).rename(folder)
    held.release()  # before its file goes: Windows removes no open one
    shutil.rmtree(aside, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Let others read what is in `folder`, as they may read what is new; and put it on the disk.

    safetensors writes files that nobody but their owner may read, whatever the umask.
    """
    usual = folder.stat().st_mode & 0o666
    for path in (*folder.rglob("*"), folder):
        if path.is_file():
            path.chmod(path.stat().st_mode | usual)
        _flush(path)


def _flush(path: Path) -> None:
    """Put `path` on the disk, so that a power cut after the rename leaves no empty file."""
    if sys.platform == "win32" and path.is_dir():
        return  # which can't be opened there
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step, where both exist and the system can.

    renameat2(2) of Linux and renamex_np(2) of macOS. Without them there is a moment with neither.
    """
    if sys.platform == "win32":
        return False  # and ctypes finds no library without a name
    library, flag = ctypes.CDLL(None, use_errno=True), 2
    names = (os.fsencode(one.absolute()), os.fsencode(other.absolute()))
    if hasattr(library, "renameat2"):
        here = -100  # AT_FDCWD, which absolute paths do not need
        return bool(library.renameat2(here, names[0], here, names[1], flag) == 0)
    if hasattr(library, "renamex_np"):
        return bool(library.renamex_np(*names, flag) == 0)
    return False


def remove_marked(folder: Path, mark: str) -> None:
    """Remove `folder`, the file `mark` last: killed half-way, it is still known for ours."""
    for file in folder.iterdir():
        if file.name != mark:
            file.unlink()
    shutil.rmtree(folder)
