"""pocketbert: labelled text in, three checked int8 bundles for phones out.

Names are loaded when they are first used: `import pocketbert` costs nothing, and opening a bundle
needs no framework. docs/api.md describes all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import lower as lower
    from .api import run as run
    from .app.result import RunResult as RunResult
    from .base.config import RunConfig as RunConfig
    from .base.errors import BundleError as BundleError
    from .base.errors import DataError as DataError
    from .base.errors import GateFailed as GateFailed
    from .base.errors import InputError as InputError
    from .base.errors import MissingExtra as MissingExtra
    from .base.errors import ModelError as ModelError
    from .base.errors import NotRun as NotRun
    from .base.errors import PipelineError as PipelineError
    from .base.errors import TargetUnavailable as TargetUnavailable
    from .base.events import EpochScored as EpochScored
    from .base.events import Event as Event
    from .base.events import StageBegun as StageBegun
    from .base.events import StageEnded as StageEnded
    from .base.events import StageReused as StageReused
    from .base.events import TrainingEnded as TrainingEnded
    from .base.events import TrainingStep as TrainingStep
    from .bundle.classify import Answer as Answer
    from .bundle.classify import Classifier as Classifier
    from .bundle.classify import Prediction as Prediction
    from .bundle.open import Bundle as Bundle
    from .bundle.open import open_bundle as open
    from .models.student import Student as Student
    from .targets.base import Artifact as Artifact

__version__ = "0.1.0"

_HOMES = {
    "api": ("lower", "run"),
    "app.result": ("RunResult",),
    "base.config": ("RunConfig",),
    "base.errors": (
        *("BundleError", "DataError", "GateFailed", "InputError", "MissingExtra", "ModelError"),
        *("NotRun", "PipelineError", "TargetUnavailable"),
    ),
    "base.events": (
        *("EpochScored", "Event", "StageBegun", "StageEnded", "StageReused"),
        *("TrainingEnded", "TrainingStep"),
    ),
    "bundle.classify": ("Answer", "Classifier", "Prediction"),
    "bundle.open": ("Bundle", "open"),
    "models.student": ("Student",),
    "targets.base": ("Artifact",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}
__all__ = [
    "Answer",
    "Artifact",
    "Bundle",
    "BundleError",
    "Classifier",
    "DataError",
    "EpochScored",
    "Event",
    "GateFailed",
    "InputError",
    "MissingExtra",
    "ModelError",
    "NotRun",
    "PipelineError",
    "Prediction",
    "RunConfig",
    "RunResult",
    "StageBegun",
    "StageEnded",
    "StageReused",
    "Student",
    "TargetUnavailable",
    "TrainingEnded",
    "TrainingStep",
    "lower",
    "open",
    "run",
]


def __getattr__(name: str) -> Any:
    """Load one of the public names."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .base.extras import explained

    with explained():
        module = import_module(f".{_HOME[name]}", __name__)
    value = getattr(module, "open_bundle" if name == "open" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
