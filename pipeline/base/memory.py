"""Memory handed back to the system. It knows nothing of what needed it."""

import ctypes
import sys


def release_memory() -> None:
    """Return freed memory to the system, which glibc keeps for this process otherwise.

    What a stage needed would stay beside what the next one needs, in each process. Source: man
    malloc_trim.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
