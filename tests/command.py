"""The command line, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def pocketbert(
    *arguments: str, stdin: str | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "pocketbert", *arguments],
        input=stdin,
        cwd=cwd,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=3600,  # a busy machine takes three times what a quiet one does
        env={**os.environ, "COLUMNS": "200"},
    )
