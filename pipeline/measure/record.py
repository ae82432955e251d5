"""The one schema of a measurement. What it ran on is part of it and can't be dropped.

The apps write the same record in Kotlin and Swift; `record.schema.json` beside this file describes
it to them. Rules after MLPerf Mobile (mlcommons/mobile_app_open): enough queries and seconds, 90th
percentiles, a cool-down before.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import TypeAdapter, ValidationError

from ..base.errors import InputError
from ..base.files import write_json

SCHEMA = "1.0"  # readers refuse another number before the dot
Kind = Literal[
    "host", "arm64-emulated", "android-emulator", "android-device", "ios-simulator", "ios-device"
]
KINDS: dict[Kind, str] = {
    "host": "this host, not a phone",
    "arm64-emulated": "an emulated ARM64 processor: instructions, not time",
    "android-emulator": "an Android emulator, not a phone",
    "android-device": "an Android phone",
    "ios-simulator": "an iOS simulator, not a phone",
    "ios-device": "an iOS device",
}


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Distribution of one step's duration in milliseconds."""

    p50: float
    p90: float
    p99: float
    min: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A query by one clock; `answer` is all of it, from the text to the reply."""

    tokenize: Latency
    inference: Latency
    answer: Latency


@dataclass(frozen=True, kw_only=True)
class Instructions:
    """Instructions that one inference executes."""

    total: int
    simd: int  # SIMD and floating point arithmetic
    sdot: int  # of these, 16 multiply-adds of int8 each
    floor: int  # one SDOT for every 16 multiply-adds of the model


@dataclass(frozen=True, kw_only=True)
class LengthCost:
    """One inference over a text of so many tokens, padding not counted."""

    tokens: int
    inference: Latency | None = None  # thread CPU time, wall time where there is none
    instructions: Instructions | None = None


@dataclass(frozen=True, kw_only=True)
class Thermal:
    """Degrees Celsius, or the system's own word, before and after."""

    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Minute:
    """Inference in one minute of a sustained measurement, milliseconds."""

    p50: float
    p90: float
    n: int
    thermal: str


@dataclass(frozen=True, kw_only=True)
class LatencyRecord:
    """What an artefact cost on one machine."""

    kind: Kind
    device: str  # a phone's name, or the processor's
    system: str
    artifact: str  # its name in the bundle
    sha256: str  # of the artefact
    runtime: str  # with its version
    threads: int | None = None  # None where the runtime does not tell
    by_length: tuple[LengthCost, ...]
    warm_up: int = 0  # queries run before any was counted
    seconds: float = 0.0  # that the queries took, by both clocks together
    cool_down_s: float = 0.0  # of rest before the first query
    load_ms: float | None = None  # cold: a fresh process, from the file to the first answer
    loads: int = 0  # of which `load_ms` is the median
    memory_before_bytes: int | None = None  # resident, in a fresh process with the runtime loaded
    memory_loaded_bytes: int | None = None  # and once it has loaded the artefact and answered
    memory_peak_bytes: int | None = None  # the most that was resident meanwhile
    memory_closed_bytes: int | None = None  # and what stays once the artefact is closed
    wall: Steps | None = None
    cpu: Steps | None = None  # thread CPU time, where the system tells it
    serial: str = ""  # tells two devices of one name apart
    busy: bool = False  # other programs took the processor meanwhile: do not compare
    thermal: Thermal | None = None
    build_type: str = ""  # of an app: release or debug, which is slower
    soc: str = ""  # a phone's chip
    charging: bool | None = None
    minutes: tuple[Minute, ...] = ()  # that the measurement was sustained for
    remarks: tuple[str, ...] = ()
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        """Refuse what would mislead: a time from an emulated processor, or a record of nothing."""
        emulated = self.kind == "arm64-emulated"
        if emulated and (self.wall or self.cpu or any(cost.inference for cost in self.by_length)):
            raise ValueError("time under emulation says nothing; count instructions")
        counted = self.by_length and all(cost.instructions for cost in self.by_length)
        if emulated and not counted:
            raise ValueError("instructions are missing, all that counts on an emulated processor")
        if not emulated and self.wall is None:
            raise ValueError("wall is missing; only an emulated processor is measured without time")
        if self.schema.split(".")[0] != SCHEMA.split(".")[0]:
            raise ValueError(f"schema is {self.schema}; this version reads {SCHEMA}")


def summarize(durations_ms: Sequence[float]) -> Latency:
    """Percentiles of at least one duration."""
    values = np.asarray(durations_ms)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return Latency(
        p50=float(p50), p90=float(p90), p99=float(p99), min=float(values.min()), n=len(values)
    )


def describe_memory(record: LatencyRecord) -> str:
    """What loading and answering added to a fresh process; empty where nothing was measured."""
    before, loaded = record.memory_before_bytes, record.memory_loaded_bytes
    if before is None or loaded is None:
        return ""
    grown, peak = f"+{(loaded - before) / 1e6:.1f}", record.memory_peak_bytes
    return f"{grown} MB" if peak is None else f"{grown}, +{(peak - before) / 1e6:.1f} MB"


def write_record(record: LatencyRecord, folder: Path) -> Path:
    """Write `record` into `folder`, named after what was measured and where."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = f"{record.device} {record.serial}".strip()
    device = "".join(c if c.isalnum() else "-" for c in machine).strip("-").lower()
    file = folder / f"{record.kind}-{device}-{record.artifact}.json"
    write_json(file, asdict(record))
    return file


def read_record(file: Path) -> LatencyRecord:
    """Read and check a record, whoever wrote it.

    Raises:
        InputError: not a record of this schema.
    """
    try:
        return TypeAdapter(LatencyRecord).validate_json(file.read_bytes())
    except ValidationError as error:
        found = error.errors()[0]
        where = ".".join(map(str, found["loc"])) or "the whole"
        raise InputError(
            f"{file}: not a latency record, {where}: {found['msg']}. "
            "docs/benchmarking.md describes the format."
        ) from error


def json_schema() -> dict[str, Any]:
    """The record's JSON Schema."""
    return TypeAdapter(LatencyRecord).json_schema()
