"""What drivers of real devices share: a client program that may be missing, hang or fail."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import DeviceError, TargetUnavailable
from ..base.files import digest
from ..bundle.open import Bundle
from .record import LatencyRecord

# What an app puts before its reason, in place of what it was asked for.
FAILED, MISSING = "error: ", "not run: "


def client(program: str, remedy: str) -> str:
    """The path of `program`.

    Raises:
        TargetUnavailable: it is not installed; with the `remedy`.
    """
    found = shutil.which(program)
    if found is None:
        raise TargetUnavailable(f"{program} is missing. {remedy}")
    return found


def call(command: Sequence[str], what: str, seconds: float) -> str:
    """What `command` prints.

    Args:
        command: program and arguments.
        what: is being done, for messages.
        seconds: until it is given up.

    Raises:
        DeviceError: it failed or took too long; with what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603  the client that was found, our own arguments
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceError(
            f"{what}: no answer within {seconds:.0f} s. Look whether the device is awake and "
            "connected, and try again."
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise DeviceError(f"{what}: {said or f'exit {done.returncode}'}.")
    return done.stdout


def check_record(
    record: LatencyRecord, kind: str, bundle: Bundle, target: str, device: str
) -> None:
    """Refuse a record of another kind of machine, or of another artefact.

    Raises:
        DeviceError: what differs.
    """
    if record.kind != kind:
        raise DeviceError(
            f"{device}: the record says {record.kind}, and the device is an {kind}. "
            "Install the app that belongs to this pocketbert."
        )
    expected = digest(Path(bundle.artifacts[target].artifact.path))
    if (record.artifact, record.sha256) != (target, expected):
        raise DeviceError(
            f"{device}: the record is of another {target} than the one in "
            f"{bundle.path}. Measure again."
        )
