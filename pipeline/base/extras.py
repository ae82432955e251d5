"""What `pip install pocketbert` leaves out, and how to get it."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import MissingExtra

# Top-level modules by the extra that brings them; every other one comes with `train`.
EXTRAS = {"ai_edge_litert": "tflite", "executorch": "executorch", "datasets": "hub"}
EXTRAS |= dict.fromkeys(("coreai", "coreai_torch", "coreai_opt"), "coreai")


@contextmanager
def explained() -> Iterator[None]:
    """Say of a module that the block lacks which extra brings it.

    Raises:
        MissingExtra: in place of `ModuleNotFoundError`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if not module or module == __name__.partition(".")[0]:
            raise
        raise MissingExtra(
            f"{module} is not installed, and this needs it. Run {remedy(module)}.", name=module
        ) from error


def remedy(module: str) -> str:
    """The command that installs what brings `module`."""
    return f"pip install 'pocketbert[{EXTRAS.get(module, 'train')}]'"
