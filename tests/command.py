"""The command line: in this process, which has the imports, or as a user runs it."""

import io
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from pocketbert.app.cli.main import main

Done = subprocess.CompletedProcess[str]


def pocketbert(*arguments: str, stdin: str = "", cwd: Path | None = None) -> Done:
    """Run the command here: its exit code, and what it printed. A fresh process costs seconds."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["pocketbert", *arguments])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        patch.chdir(cwd or Path.cwd())
        with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
            try:
                main()
                code = 0
            except SystemExit as left:
                code = int(left.code or 0)
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
    printed = (stream.buffer.getvalue().decode() for stream in streams)
    return subprocess.CompletedProcess(list(arguments), code, *printed)


def pocketbert_process(*arguments: str, stdin: str | None = None) -> Done:
    """Run the command as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "pocketbert", *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=3600,  # a busy machine takes three times what a quiet one does
        env={**os.environ, "COLUMNS": "200"},
    )
