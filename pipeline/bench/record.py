"""The one schema of a latency measurement. What it ran on is part of it and can't be dropped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal[
    "host", "arm64-emulated", "android-emulator", "android-device", "ios-simulator", "ios-device"
]


@dataclass(frozen=True)
class Latency:
    """Distribution of one step's duration in milliseconds."""

    p50: float
    p90: float
    p99: float
    min: float
    n: int


@dataclass(frozen=True)
class LatencyRecord:
    """What an artefact cost on one machine; times in milliseconds of thread CPU time."""

    kind: Kind
    device: str
    runtime: str
    threads: int
    warm_up: int  # queries run before any was counted
    load_ms: float  # cold: from the file to the first runner
    tokenize: Latency
    inference: Latency


def summarize(durations_ms: Sequence[float]) -> Latency:
    """Percentiles of at least one duration."""
    values = np.asarray(durations_ms)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return Latency(float(p50), float(p90), float(p99), float(values.min()), len(values))
