"""What the tests have workers do."""

import os
import sys
import time
from pathlib import Path

from pocketbert.base.errors import TargetUnavailable


def pid(seconds: float = 0.0) -> int:
    """Which process this is, `seconds` later."""
    time.sleep(seconds)
    return os.getpid()


def say(text: str) -> str:
    """Print, as toolchains do, and answer something else."""
    print(text)
    os.write(1, text.encode())
    return text.upper()


def refuse() -> None:
    """As a target whose toolchain is missing."""
    raise TargetUnavailable("x: is missing. Choose another.")


def fill(file: str) -> None:
    """As a full disk."""
    raise OSError(28, "No space left on device", file)


def fail() -> None:
    """As a fault of ours."""
    raise KeyError("planted")


def threads() -> list[str]:
    """What the libraries are told of threads, and where modules are found."""
    return [os.environ["OMP_NUM_THREADS"], *sys.path]


def stall(file: str) -> None:
    """Tell which process this is, and never end."""
    Path(file).write_text(str(os.getpid()), encoding="utf-8")
    while True:
        time.sleep(60)
