"""What happens while a run is at work, for whoever listens: stages, steps of training, scores.

As with progress, the listener belongs to the context of the caller (`contextvars`), so that runs in
two threads do not mix, and no function passes it on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class StageBegun:
    """A stage is computed, for its inputs are new."""

    stage: str  # the folder that it fills, below that of the run


@dataclass(frozen=True)
class StageEnded:
    """A stage's folder is complete."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class StageReused:
    """A stage's inputs have not changed, so its folder is taken as it is."""

    stage: str


@dataclass(frozen=True)
class TrainingStep:
    """The optimizer made a step."""

    what: str  # as the progress bar calls the training
    step: int  # from 1 on
    total: int
    loss: float  # of the step's batch; of this process's share of it, where there are several


@dataclass(frozen=True)
class EpochScored:
    """An epoch ended, and the model was measured as it stands."""

    what: str
    step: int
    score: float  # accuracy on the validation part


@dataclass(frozen=True)
class TrainingEnded:
    """The whole of a training, what a killed run did before included."""

    what: str
    losses: tuple[tuple[int, float], ...]  # (step, mean loss since the point before)
    scores: tuple[tuple[int, float], ...]  # (step, score)


Event = StageBegun | StageEnded | StageReused | TrainingStep | EpochScored | TrainingEnded
Listener = Callable[[Event], object]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("listeners", default=())


def emit(event: Event) -> None:
    """Tell every listener of the context."""
    for listener in _listeners.get():
        listener(event)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` told of every event within the block, besides those that listen already."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)
