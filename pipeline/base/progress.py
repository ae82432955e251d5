"""How long work is shown: stages wrap what they iterate over, callers decide the rest."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Pass `items` through, showing how far along `what` is."""

    def __call__(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Yield every item of `items` in order."""


def silent(items: Sequence[T], what: str) -> Iterable[T]:  # noqa: ARG001
    """Pass `items` through and show nothing."""
    return items
