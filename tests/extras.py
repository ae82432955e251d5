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
