"""Timing on this machine: real texts at their real lengths, by two clocks.

Thread CPU time is what compares on a machine with neighbours; wall time is what a user waits. It
times runners; it knows nothing about models.
"""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Ids
from ..base.errors import TargetUnavailable
from ..base.files import digest
from ..base.progress import track
from ..bundle.classify import ChatEngine, Classifier
from ..bundle.golden import TORTURE
from ..bundle.open import Bundle
from ..targets.base import Artifact, Runner
from .programs import output_of
from .record import LatencyRecord, LengthCost, Steps, summarize

LENGTHS = (8, 16, 32, 64)  # tokens
CALLS = 100  # for each length
HANGS = 900  # seconds after which a process is given up that takes a few
BUSY = 0.1  # share of wall time that the thread may have waited for the processor


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How long to measure, as MLPerf Mobile asks: both minima hold."""

    warm_up: int = 20  # queries
    queries: int = 1024
    seconds: float = 10.0
    cool_down_s: float = 0.0
    sustained_minutes: int = 0  # to go on afterwards, on a phone
    loads: int = 3  # cold ones, each a fresh process


# What a run takes the time for; `pocketbert bench` measures longer.
QUICK = Rules(queries=200, seconds=1.0, loads=1)


def time_artifact(bundle: Bundle, target: str, rules: Rules | None = None) -> LatencyRecord:
    """Load `target` of an opened bundle and time it.

    Raises:
        TargetUnavailable: this host lacks the runtime.
        BundleError: the artefact does not reproduce the golden cases.
    """
    rules = rules or Rules()
    runner, texts = bundle.load(target), sample_texts(bundle)
    if runner.untimed:
        raise TargetUnavailable(f"{target} {runner.untimed}")
    colds = [_cold(bundle.path, target) for _ in track(range(rules.loads), f"Load {target}")]
    time.sleep(rules.cool_down_s)
    begun = time.perf_counter()
    waited = Waiting()
    clocks = {}
    for name, clock in (("cpu", time.thread_time), ("wall", time.perf_counter)):
        engine = ChatEngine(Classifier(bundle, target, runner, clock))
        clocks[name] = _time_answers(engine, texts, rules, clock, f"Time {target}, {name}")
    share = waited.share()
    return LatencyRecord(
        kind="host",
        device=processor(),
        system=platform.platform(),
        artifact=target,
        sha256=digest(bundle.artifacts[target].artifact.path),
        runtime=runner.engine,
        threads=1,
        warm_up=rules.warm_up,
        seconds=time.perf_counter() - begun,
        cool_down_s=rules.cool_down_s,
        load_ms=_median(colds, "load_ms"),
        loads=len(colds),
        memory_before_bytes=_median(colds, "before_bytes"),
        memory_loaded_bytes=_median(colds, "after_bytes"),
        memory_peak_bytes=_median(colds, "peak_bytes"),
        wall=clocks["wall"],
        cpu=clocks["cpu"],
        by_length=_by_length(bundle, runner, texts),
        busy=share > BUSY,
        remarks=(
            *((f"waited for the processor {share:.0%} of the time",) if share > BUSY else ()),
            *_time_outside(bundle.artifacts[target].artifact),
        ),
    )


def sample_texts(bundle: Bundle) -> tuple[str, ...]:
    """The golden cases' real texts, without those that are there to break tokenizers."""
    return tuple(case.text for case in bundle.golden if case.text not in TORTURE)


def text_of(bundle: Bundle, tokens: int, texts: Sequence[str]) -> tuple[Ids, Ids]:
    """Ids and mask, both (1, tokens), of real texts in a row, cut to exactly `tokens`."""
    encoded = bundle.vocabulary.encode(texts)
    words = encoded.input_ids[:, 1:][encoded.attention_mask[:, 1:] == 1]
    first, last = encoded.input_ids[0, 0], encoded.input_ids[0, encoded.attention_mask[0].sum() - 1]
    words = words[words != last]
    inside = np.fromiter(islice(cycle(words.tolist()), tokens - 2), np.int64)
    ids = np.concatenate([[first], inside, [last]])[None]
    return ids, np.ones_like(ids)


def processor() -> str:
    """The processor's name, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


class Waiting:
    """How much of the time this thread did not have the processor."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def share(self) -> float:
        """Since this object was made, from 0 to 1."""
        wall = time.perf_counter() - self._wall
        return max(0.0, 1 - (time.thread_time() - self._cpu) / max(wall, 1e-9))


def _time_answers(
    engine: ChatEngine,
    texts: Sequence[str],
    rules: Rules,
    clock: Callable[[], float],
    what: str,
) -> Steps:
    """Answer texts in turn until both minima hold; both clocks share the seconds."""
    turns = cycle(texts)
    for text in islice(turns, rules.warm_up):
        engine.answer(text)
    tokenize, inference, whole = list[float](), list[float](), list[float]()
    ends = time.perf_counter() + rules.seconds / 2
    for _ in track(range(rules.queries), what):
        _time_one(engine, next(turns), clock, tokenize, inference, whole)
    while time.perf_counter() < ends:
        _time_one(engine, next(turns), clock, tokenize, inference, whole)
    return Steps(
        tokenize=summarize(tokenize), inference=summarize(inference), answer=summarize(whole)
    )


def _time_one(
    engine: ChatEngine, text: str, clock: Callable[[], float], *into: list[float]
) -> None:
    begun = clock()
    answer = engine.answer(text)
    spent = (clock() - begun) * 1e3
    for values, value in zip(into, (answer.tokenize_ms, answer.inference_ms, spent), strict=True):
        values.append(value)


def _by_length(bundle: Bundle, runner: Runner, texts: Sequence[str]) -> tuple[LengthCost, ...]:
    costs = []
    for tokens in (n for n in LENGTHS if n <= bundle.vocabulary.max_length):
        ids, mask = text_of(bundle, tokens, texts)
        spent = []
        for call in range(CALLS + CALLS // 10):
            begun = time.thread_time()
            runner.logits(ids, mask)
            if call >= CALLS // 10:
                spent.append((time.thread_time() - begun) * 1e3)
        costs.append(LengthCost(tokens=tokens, inference=summarize(spent)))
    return tuple(costs)


def _cold(bundle: Path, target: str) -> dict[str, Any]:
    """Load time and memory of a fresh process; see `cold.py`."""
    command = [sys.executable, "-m", "pocketbert.measure.cold", str(bundle.resolve()), target]
    root = Path(__file__).parents[2]  # a folder called pipeline, where the user is, stays out of it
    what = f"{target}, loaded by a fresh process"
    measured: dict[str, Any] = json.loads(output_of(command, what, HANGS, folder=root))
    return measured


def _time_outside(artifact: Artifact) -> tuple[str, ...]:
    """How much of an inference passes outside XNNPACK; only ExecuTorch has a profiler for it."""
    if artifact.target != "executorch":
        return ()
    from ..targets.executorch.profile import time_operators

    try:
        times = time_operators(artifact.path, artifact.lengths[-1])
    except ImportError as error:  # the profiler's reader needs more than the runtime does
        return (f"time outside XNNPACK not measured ({error})",)
    return (f"{times.outside_us / times.total_us:.0%} of its time passes outside XNNPACK",)


def _median(colds: Sequence[dict[str, Any]], name: str) -> Any:
    """Of one figure, the lower of two middle ones; None where the system does not tell it."""
    values = [cold[name] for cold in colds]
    return None if None in values else statistics.median_low(values)
