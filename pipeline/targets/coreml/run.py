"""`.mlpackage` folders, run: by Core ML on macOS, by the evaluator elsewhere. It lowers nothing."""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...base.arrays import Ids, Logits
from ...base.errors import BundleError, TargetUnavailable
from ...base.quiet import hushed
from ..base import Artifact, RowRunner
from .evaluator import Package

EVALUATOR = "MIL evaluator, not Apple's runtime"
UNTIMED = "runs on Apple's systems only; an evaluator's time says nothing"


def import_coremltools() -> Any:
    """The toolchain, imported on demand.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        with hushed():
            import coremltools
    except ImportError as error:
        raise TargetUnavailable(
            f"coreml: coremltools cannot be imported here ({error}). It has wheels for Linux "
            "x86-64 and macOS; elsewhere choose other --targets."
        ) from error
    return coremltools


def open_package(path: Path) -> Package:
    """The package at `path`, ready to be evaluated."""
    import_coremltools()  # whose protobuf classes the evaluator reads with
    return Package(path)


def load(artifact: Artifact) -> RowRunner:
    """Load into Core ML on macOS, and into an evaluator of the saved package elsewhere."""
    if sys.platform == "darwin":
        predict, engine, untimed = *_apple(artifact), ""
    else:
        predict, engine, untimed = open_package(artifact.path), EVALUATOR, UNTIMED

    def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
        feed = dict(zip(artifact.inputs, (input_ids, attention_mask), strict=True))
        return np.asarray(predict(feed)["logits"], np.float32)

    return RowRunner(artifact, engine, execute, untimed=untimed)


def _apple(artifact: Artifact) -> tuple[Any, str]:
    coremltools = import_coremltools()
    try:
        model = coremltools.models.MLModel(str(artifact.path))
    except RuntimeError as error:
        raise BundleError(f"{artifact.path}: Core ML refuses the package ({error}).") from error
    return model.predict, f"Core ML, coremltools {version('coremltools')}"
