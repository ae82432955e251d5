"""Where Core AI's wheels can be installed, as scripts/setup decides it."""

import platform
import sys

import pytest

NEEDS = "Python 3.11, and Linux x86-64 with glibc 2.34 or macOS 26"


def need_core_ai() -> None:
    """Skip a test where the wheels do not fit; where they fit and are missing, it fails."""
    if not fits():
        pytest.skip(f"coreai is not made: its wheels need {NEEDS}")


def fits() -> bool:
    """Whether this Python and system are what the wheels are made for."""
    mac, machine = platform.mac_ver()[0], platform.machine()
    have, need = (mac, (26,)) if mac else (platform.libc_ver()[1], (2, 34))
    right = sys.version_info >= (3, 11) and machine == ("arm64" if mac else "x86_64")
    return right and bool(have) and tuple(map(int, have.split("."))) >= need
