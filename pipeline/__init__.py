"""pocketbert: labelled text in, three checked int8 bundles for phones out.

Names are loaded when they are first used: `import pocketbert` costs nothing, and opening a bundle
needs no framework. docs/api.md describes all of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import lower, run
    from .app.result import RunResult
    from .base.config import RunConfig
    from .base.errors import (
        BundleError,
        DataError,
        GateFailed,
        InputError,
        MissingExtra,
        ModelError,
        NotRun,
        PipelineError,
        TargetUnavailable,
    )
    from .base.events import (
        EpochScored,
        Event,
        StageBegun,
        StageEnded,
        StageReused,
        TrainingEnded,
        TrainingStep,
    )
    from .bundle.classify import Answer, Classifier, Prediction
    from .bundle.open import Bundle
    from .bundle.open import open_bundle as open
    from .models.student import Student
    from .targets.base import Artifact

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
