"""How long work is shown: stages wrap what they iterate over, whoever called them decides the rest.

What shows progress belongs to the context of the caller (`contextvars`), so that two runs in two
threads do not mix, and no function passes it on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Show = Callable[
    [Sequence[Any], str], Iterable[Any]
]  # yields the items, showing how far along it is


def _silent(items: Sequence[T], what: str) -> Iterable[T]:  # noqa: ARG001
    return items


_show: ContextVar[Show] = ContextVar("show", default=_silent)


def track(items: Sequence[T], what: str) -> Iterable[T]:
    """Yield every item of `items`, showing how far along `what` is; without one, nothing."""
    return _show.get()(items, what) if what else items


@contextmanager
def step(what: str) -> Iterator[None]:
    """Show `what` while the block, a single step, is at work."""
    for _ in track((None,), what):
        yield


@contextmanager
def showing(show: Show) -> Iterator[None]:
    """Have `show` present all progress within the block."""
    token = _show.set(show)
    try:
        yield
    finally:
        _show.reset(token)
