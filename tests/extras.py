"""What some tests need besides Python, and how a run says what it did without.

`scripts/test` sets these up where it can and leaves `.extras/NAME.ready`, or `.extras/NAME.failed`
with the reason.
"""

import os
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

FOLDER = Path(__file__).parent.parent / ".extras"
# pyproject.toml installs it there.
TFLITE_SUPPORT = (
    sys.version_info < (3, 12) and platform.system() + platform.machine() == "Linuxx86_64"
)
CORE_AI_NEEDS = "Python 3.11, and Linux x86-64 with glibc 2.34 or macOS 26"
TITLE = "not run, and why"


def not_run(lacking: str, *, extra: str | None = None) -> NoReturn:
    """Skip the test, since `lacking`; in CI fail it where `extra` was set up."""
    if os.environ.get("CI") and extra and (FOLDER / f"{extra}.ready").exists():
        pytest.fail(f"scripts/{extra} succeeded, and still: {lacking}", pytrace=False)
    pytest.skip(lacking)


def need_tflite_support() -> None:
    """Skip a test of tflite-task where tflite-support has no wheel."""
    if not TFLITE_SUPPORT:
        not_run("tflite-task is not made: tflite-support has no wheel for this Python or system")


def need_wheels_of(target: str) -> None:
    """Skip a test of `target` where its packages have no wheel; where they have, it must run."""
    if target == "tflite-task":
        need_tflite_support()
    if target == "coreai" and not _core_ai_fits():
        not_run(f"coreai is not made: its wheels need {CORE_AI_NEEDS}")


def _core_ai_fits() -> bool:
    """As scripts/setup decides whether to install the wheels."""
    mac, machine = platform.mac_ver()[0], platform.machine()
    have, need = (mac, (26,)) if mac else (platform.libc_ver()[1], (2, 34))
    right = sys.version_info >= (3, 11) and machine in ("x86_64", "arm64")
    return right and bool(have) and tuple(map(int, have.split("."))) >= need


def report(terminal: pytest.TerminalReporter) -> None:
    """Print one table of what was not set up and what was skipped."""
    failed = {
        file.stem: file.read_text(encoding="utf-8").strip()
        for file in sorted(FOLDER.glob("*.failed"))
    }
    skipped = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminal.stats.get("skipped", [])
    )
    if not failed and not skipped:
        return
    terminal.section(TITLE)
    for name, reason in failed.items():
        terminal.line(f"{'set-up':>8}  {name}: {reason.removeprefix(f'{name}: ')}")
    for reason, count in skipped.most_common():
        terminal.line(f"{count:>4} {'test' if count == 1 else 'tests'}  {reason}")
