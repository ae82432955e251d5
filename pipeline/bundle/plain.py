"""Files of a bundle, read without trust: plain ones of bounded size, held against their seals."""

import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from ..base.errors import BundleError
from ..base.files import sha256

if TYPE_CHECKING:
    from .manifest import FileSeal

T = TypeVar("T")
MANIFEST_BYTES = 16 << 20
SIGNATURE_BYTES = 4096
READ_BYTES = 256 << 20  # of each JSON file and the vocabulary, which are read into memory
LINK = (
    "is a link, and may lead out of the bundle. Copy the bundle with its links resolved (cp -rL; "
    "from the Hugging Face hub, download it with local_dir)."
)


def read_plain(file: Path, limit: int) -> bytes:
    """The content of `file`, a plain one of at most `limit` bytes.

    Raises:
        BundleError: none such.
    """
    try:
        found = file.lstat()
        if stat.S_ISLNK(found.st_mode):
            raise BundleError(f"{file}: {LINK}")
        if not stat.S_ISREG(found.st_mode):
            raise BundleError(f"{file}: is no plain file. Make the bundle again.")
        if found.st_size > limit:
            raise BundleError(
                f"{file}: has {found.st_size:,} bytes, and {limit:,} are allowed. "
                "Make the bundle again."
            )
        return file.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{file}: {error.strerror}. Give a bundle folder, for example build/bundle."
        ) from error


def read_checked(file: Path, adapter: TypeAdapter[T]) -> T:
    """What `adapter` makes of the JSON in `file`.

    Raises:
        BundleError: no plain file, too large, or with a value that the adapter refuses.
    """
    try:
        return adapter.validate_json(read_plain(file, READ_BYTES), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise BundleError(
            f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}. Make the bundle again."
        ) from error


def check_files(folder: Path, files: Mapping[str, "FileSeal"]) -> None:
    """Hold files of the bundle in `folder` against their seals.

    Raises:
        BundleError: the first that is missing, no plain file, or another than sealed.
    """
    for name, seal in files.items():
        file = folder / name
        if link := _link(folder, name):
            raise BundleError(f"{link}: {LINK}")
        if not file.is_file():
            raise BundleError(f"{file}: is missing or no plain file. Make the bundle again.")
        size = file.stat().st_size
        if size != seal.bytes:
            raise BundleError(
                f"{file}: has {size} bytes, and {seal.bytes} were sealed. Copy the bundle again."
            )
        if (digest := sha256(file)) != seal.sha256:
            raise BundleError(
                f"{file}: has sha256 {digest[:12]}…, and {seal.sha256[:12]}… was sealed: the "
                "file was changed. Copy the bundle again."
            )


def _link(folder: Path, name: str) -> Path | None:
    """The first link on the way from `folder` to its file `name`."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return path
    return None
