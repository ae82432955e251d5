"""What drivers of real devices share: a client program that may be missing, hang or fail."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import DeviceError, TargetUnavailable
from ..base.files import digest
from ..bundle.open import Bundle
from .programs import output_of
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
    remedy = "Look whether the device is awake and connected, and try again."
    return output_of(command, what, seconds, remedy=remedy, error=DeviceError)


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
