"""Programs that are started and waited for: what they print, or why nothing came of it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import BundleError, PipelineError

IDLE = "Try again when the machine has less to do."


def output_of(
    command: Sequence[str],
    what: str,
    seconds: float,
    *,
    remedy: str = IDLE,
    error: type[PipelineError] = BundleError,
    stdin: str | None = None,
    folder: Path | None = None,
) -> str:
    """What `command` prints.

    Args:
        command: program and arguments.
        what: is being done, for messages.
        seconds: until it is given up.
        remedy: what to do where that happens.
        error: the kind to raise.
        stdin: what it reads.
        folder: to start it in.

    Raises:
        error: it failed, with the last line that it said, or took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603  our own programs, and clients that were found
            command,
            cwd=folder,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise error(f"{what}: no answer within {seconds:g} s. {remedy}") from late
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise error(f"{what}: {said.rstrip('.') or f'exit {done.returncode}'}.")
    return done.stdout
