"""Did it become slower? Instruction counts against a baseline; times do not repeat well enough."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..base.errors import InputError
from ..base.files import refuse_other_file, write_json
from .record import LatencyRecord


@dataclass(frozen=True)
class Change:
    """Instructions of one inference, then and now."""

    artifact: str
    device: str
    tokens: int
    before: int
    after: int

    @property
    def share(self) -> float:
        """Growth; .03 is 3 % more."""
        return self.after / self.before - 1


def write_baseline(records: Sequence[LatencyRecord], file: Path) -> None:
    """Keep the instructions of `records`, for later comparison.

    Raises:
        InputError: nothing was counted.
        PipelineError: `file` is there, and no baseline.
    """
    if not _counts(records):
        raise InputError("Nothing counted instructions, which a baseline keeps. Use --on arm64.")
    refuse_other_file(file, '"artifact"', '"instructions"')
    write_json(file, [asdict(record) for record in records if record.wall is None])


def compare_instructions(records: Sequence[LatencyRecord], baseline: Path) -> tuple[Change, ...]:
    """Every count of `records` beside that of the baseline.

    Raises:
        InputError: no baseline there, it lacks what was measured now, or nothing was counted.
    """
    before = _counts(_read(baseline))
    after = _counts(records)
    if not after:
        raise InputError("Nothing counted instructions, which the gate compares. Use --on arm64.")
    if lacking := sorted(after.keys() - before.keys()):
        artifact, device, tokens = lacking[0]
        raise InputError(
            f"{baseline}: has no {artifact} on {device} at {tokens} tokens. Write it anew with "
            "--baseline."
        )
    return tuple(Change(*key, before[key], after[key]) for key in sorted(after))


def not_compared(records: Sequence[LatencyRecord], baseline: Path) -> tuple[str, ...]:
    """What the baseline has and `records` have not: artefact and processor."""
    lacking = _counts(_read(baseline)).keys() - _counts(records).keys()
    return tuple(sorted({f"{artifact} on {device}" for artifact, device, _ in lacking}))


def slower(changes: Sequence[Change], tolerance: float) -> tuple[str, ...]:
    """What grew by more than `tolerance`, a share: value, limit, remedy."""
    return tuple(
        f"{change.artifact} on {change.device} at {change.tokens} tokens: "
        f"{change.after:,} instructions, {change.share:+.1%} on the baseline's {change.before:,} "
        f"and {tolerance:.1%} is allowed. Find what became slower, or accept it with --baseline."
        for change in changes
        if change.share > tolerance
    )


def _read(baseline: Path) -> Sequence[LatencyRecord]:
    try:
        content = json.loads(baseline.read_text(encoding="utf-8"))
        return TypeAdapter(list[LatencyRecord]).validate_python(content)
    except OSError as error:
        raise InputError(
            f"{baseline}: {error.strerror}. Write a baseline first, with --baseline."
        ) from error
    except (ValueError, ValidationError) as error:
        raise InputError(
            f"{baseline}: no list of records. Write it anew with --baseline."
        ) from error


def _counts(records: Sequence[LatencyRecord]) -> dict[tuple[str, str, int], int]:
    return {
        (record.artifact, record.device, cost.tokens): cost.instructions.total
        for record in records
        for cost in record.by_length
        if cost.instructions
    }
