"""`.aimodel` folders in Core AI's runtime: run, and read for what they hold. It lowers nothing.

On Linux this is Apple's own code, too, without the kernels of Apple's processors. The runtime's
package brings the compiler that makes a saved program executable; torch is not needed.
"""

import asyncio
import hashlib
import weakref
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from ...base.arrays import Ids, Logits
from ...base.errors import BundleError, TargetUnavailable
from ...base.extras import remedy
from ...base.quiet import without_lines
from ..base import Artifact, RowRunner
from ..inspect import Contents, Graph

T = TypeVar("T")
FUNCTION = "length"  # followed by _ and the number of tokens
PROGRAM, DIGEST = "main.mlirb", "main.hash"
LOADED = b"ODIE [default]: Loading function "
UNTIMED = (
    "computes in threads of its own and, off Apple's processors, without their kernels; its time "
    "here says nothing"
)


def import_runtime() -> Any:
    """The runtime's package.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        import coreai.authoring
        import coreai.runtime
    except ImportError as error:
        raise TargetUnavailable(
            f"coreai: Core AI's runtime cannot be imported here ({error}). Run {remedy('coreai')}: "
            "it has wheels for Python 3.11 and later, on Linux x86-64 with glibc 2.34 and on macOS "
            "26; elsewhere choose other --targets."
        ) from error
    return coreai


def load(artifact: Artifact) -> RowRunner:
    """Load every function of the file, one a length."""
    coreai = import_runtime()
    check_digest(artifact.path)
    loop = _Loop()
    try:
        with without_lines(LOADED):
            functions = loop.wait(_functions(coreai, artifact))
    except (RuntimeError, KeyError) as error:
        raise BundleError(f"{artifact.path}: Core AI refuses the file ({error}).") from error

    def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
        arrays = map(coreai.runtime.NDArray, (input_ids, attention_mask))
        feed = dict(zip(artifact.inputs, arrays, strict=True))
        outputs = loop.wait(functions[input_ids.shape[1]](feed))
        logits: Logits = outputs["logits"].numpy()
        return logits

    engine = f"Core AI {version('coreai-core')}, Apple's runtime"
    return RowRunner(artifact, engine, execute, untimed=UNTIMED)


def read(artifact: Artifact) -> Contents:
    """Constants of the program. What runs where, Core AI decides on the device."""
    import_runtime()
    check_digest(artifact.path)
    from .program import blobs

    return Contents(blobs(artifact.path), (Graph(delegated=None, int8_products=None),))


def check_digest(path: Path) -> None:
    """Compare the program with the digest beside it: a damaged one kills the process that reads it.

    Raises:
        BundleError: they do not match, or one is missing.
    """
    try:
        program, digest = (path / PROGRAM).read_bytes(), (path / DIGEST).read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path}: not a readable Core AI model ({error}). Lower it again."
        ) from error
    if hashlib.sha256(program).digest() != digest:
        raise BundleError(
            f"{path}: not a readable Core AI model ({PROGRAM} is not what {DIGEST} says). "
            "Lower it again."
        )


async def _functions(coreai: Any, artifact: Artifact) -> dict[int, Any]:
    asset = coreai.authoring.AIModelAsset.load(artifact.path)
    async with asset.executable() as model:
        return {n: model.load_function(f"{FUNCTION}_{n}") for n in artifact.lengths}


class _Loop:
    """An event loop in a thread of its own: the caller may be in one already, as notebooks are."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = ThreadPoolExecutor(1, "coreai")
        weakref.finalize(self, self._loop.close)

    def wait(self, what: Coroutine[Any, Any, T]) -> T:
        """The result of `what`."""
        return self._thread.submit(self._loop.run_until_complete, what).result()
