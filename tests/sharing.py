"""Folders that one worker makes and all of them use."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from pocketbert.base.files import replacing_folder


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name`, which the first that asks for it makes, as pytest-xdist documents it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            with replacing_folder(folder) as new:
                make(new)
    return folder
