"""`.pte` files in the ExecuTorch runtime of this process. It lowers nothing."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ...base.arrays import Ids, Logits
from ...base.errors import BundleError, TargetUnavailable
from ...base.extras import remedy
from ...base.quiet import hushed
from ..base import Artifact, RowRunner

RUNTIME = "executorch.extension.pybindings.portable_lib"  # through which methods are loaded


def load(artifact: Artifact) -> RowRunner:
    """Load into the ExecuTorch runtime of this process.

    Raises:
        TargetUnavailable: this host lacks the runtime.
        BundleError: the runtime refuses the file.
    """
    prepare_runtime()
    import torch
    from executorch.runtime import Runtime, Verification

    try:
        # Minimal verification, the C++ default, lets a corrupt header kill the process.
        program = Runtime.get().load_program(
            artifact.path, verification=Verification.InternalConsistency
        )
        method = program.load_method("forward")
    except RuntimeError as error:
        raise BundleError(f"{artifact.path}: ExecuTorch refuses the file ({error}).") from error

    def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
        inputs = [torch.from_numpy(input_ids), torch.from_numpy(attention_mask)]
        logits: Logits = method.execute(inputs)[0].numpy()
        return logits

    return RowRunner(artifact, f"ExecuTorch {version('executorch')}", execute)


@cache
def prepare_runtime() -> None:
    """Load the runtime with its int8 kernels, and give it one thread.

    One is fastest for a small student, and only so are times comparable. It must happen before any
    method is loaded; later it kills the process. So a program that has the runtime already keeps
    its threads.
    """
    used = RUNTIME in sys.modules
    try:
        with hushed():
            import executorch.kernels.quantized  # registers its kernels
            import executorch.runtime  # noqa: F401  for `load`
            from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
    except ImportError as error:
        raise TargetUnavailable(
            f"executorch: no runtime here ({error}). Run {remedy('executorch')}."
        ) from error

    if not used:
        with _silent_log():
            _unsafe_reset_threadpool(1)


class _PlatformTable(ctypes.Structure):
    """ExecuTorch's `PalImpl`: the functions through which the runtime reaches its platform."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("init", "abort", "ticks", "ratio", "log", "allocate", "free", "source")
    ]


@contextmanager
def _silent_log() -> Iterator[None]:
    """Keep the runtime from logging, in the block, the CPU files it reads to size its threads.

    Those lines come from C++ and have no switch. The log function in the platform's table,
    ExecuTorch's own means to redirect them, does nothing meanwhile; errors are exceptions anyway.
    """
    if sys.platform == "win32":
        yield  # where ctypes finds no library without a name
        return
    spec = find_spec("executorch")
    assert spec is not None and spec.submodule_search_locations, "imported by the caller"
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    try:
        runtime = ctypes.CDLL(str(next(folder.glob("libexecutorch.*"))))
        table = runtime._ZN10executorch7runtime12get_pal_implEv
    except (StopIteration, OSError, AttributeError):
        yield  # another build of the runtime: its lines are printed
        return
    table.restype = ctypes.POINTER(_PlatformTable)
    platform = table().contents
    loud = platform.log
    # Any C function that takes nothing and does nothing; register_pal would log a line of its own.
    platform.log = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    try:
        yield
    finally:
        platform.log = loud
