"""Timing on this machine: thread CPU time over real texts, so that neighbours do not count."""

import platform
import time
from collections.abc import Callable, Sequence

from pipeline.bench.record import LatencyRecord, summarize
from pipeline.targets.base import Runner
from pipeline.vocabulary import Vocabulary

WARM_UP = 20
QUERIES = 400


def measure(
    load: Callable[[], Runner], vocabulary: Vocabulary, texts: Sequence[str]
) -> LatencyRecord:
    """Time `QUERIES` single-text queries, tokenisation and inference apart.

    Only the calling thread's CPU time counts: both runtimes compute a batch of one there.
    """
    start = time.thread_time_ns()
    runner = load()
    load_ms = (time.thread_time_ns() - start) / 1e6
    tokenize, inference = list[float](), list[float]()
    for query in range(WARM_UP + QUERIES):
        text = texts[query % len(texts)]
        begun = time.thread_time_ns()
        encoded = vocabulary.encode([text])
        tokenized = time.thread_time_ns()
        runner.logits(encoded.input_ids, encoded.attention_mask)
        done = time.thread_time_ns()
        tokenize.append((tokenized - begun) / 1e6)
        inference.append((done - tokenized) / 1e6)
    return LatencyRecord(
        kind="host",
        device=f"{platform.system()} {platform.machine()}",
        runtime=runner.engine,
        threads=1,
        warm_up=WARM_UP,
        load_ms=load_ms,
        tokenize=summarize(tokenize[WARM_UP:]),
        inference=summarize(inference[WARM_UP:]),
    )
