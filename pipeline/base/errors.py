"""The few kinds of failure a user can meet: each message has value, limit and remedy."""

from dataclasses import dataclass


class PipelineError(Exception):
    """A failure the user can mend; printed as one line, never as a stack trace."""

    exit_code = 2


class DataError(PipelineError):
    """The labelled text cannot be used as it is."""


class ModelError(PipelineError):
    """A teacher or student folder is missing, damaged or of another kind."""


class BundleError(PipelineError):
    """A bundle is incomplete, damaged or was made by an unknown version."""


class InputError(PipelineError):
    """Token ids or an attention mask that no runtime may see."""


class DeviceError(PipelineError):
    """A phone, an emulator or a simulator cannot be measured as it stands."""


class GateFailed(PipelineError):  # noqa: N818  a verdict, not a fault
    """A required accuracy, agreement or size was not reached."""

    exit_code = 1


class TargetUnavailable(PipelineError):  # noqa: N818  likewise
    """This host lacks the toolchain or the runtime of one target."""


class MissingExtra(PipelineError, ImportError):  # noqa: N818  likewise
    """A part of pocketbert that was not installed is needed."""


@dataclass(frozen=True)
class NotRun:
    """What could not be measured, and why: shown in place of the figure, never left out."""

    reason: str
