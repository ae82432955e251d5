"""Versions of what is installed, and of this package's own code, read without importing it."""

import hashlib
import platform
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path

# A module imports only from its own room and from those before it in this list, so what a stage
# computes depends on no later one.
ROOMS = ("base", "data", "models", "learn", "targets", "bundle", "measure", "app")

# Packages whose release can change what a stage makes.
VERSIONS = (
    "torch",
    "transformers",
    "accelerate",
    "tokenizers",
    "torchao",
    "executorch",
    "litert-torch",
    "ai-edge-litert",
    "ai-edge-quantizer",
    "coremltools",
    "coreai-core",
    "coreai-torch",
    "coreai-opt",
    "tflite-support",
    "scikit-learn",
    "numpy",
    "scipy",
    "protobuf",
    "flatbuffers",
    "safetensors",
)


def installed_version(name: str) -> str | None:
    """Version of an installed distribution, None where it is missing."""
    try:
        return version(name)
    except ImportError:
        return None


def python_version() -> str:
    """Of the interpreter, without its patch level."""
    return ".".join(platform.python_version_tuple()[:2])


def this_platform() -> str:
    """System and processor family: they choose the runtime that computes."""
    return f"{platform.system()} {platform.machine()}"


@cache
def code_digest(room: str) -> str:
    """Hex digest of the code that a stage of `room` can reach: that of all rooms up to it."""
    package, found = Path(__file__).parents[1], hashlib.sha256()
    reached = ROOMS[: ROOMS.index(room) + 1]
    folders = (*(package / name for name in reached), package / "app" / "stages")
    for file in sorted(file for folder in folders for file in folder.rglob("*.py")):
        found.update(f"{file.relative_to(package).as_posix()}\0".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


def requirement(name: str) -> str:
    """What our own metadata asks for of the distribution `name`, with its limits."""
    asked = (one.partition(";")[0].strip() for one in requires("pocketbert") or ())
    return next((one for one in asked if one.startswith(name)), name)
