"""Where the time of one inference goes in a `.pte`: ETDump, ExecuTorch's own profiler.

It measures wall time of the profiled runtime, which is some tenths slower than the plain one: read
shares, not milliseconds. Latency is measured by `bench`. Calls after the ExecuTorch documentation
(ETDump, Inspector API).
"""

import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

WARM_UP, CALLS = 5, 30
KERNEL, DELEGATE, WHOLE = "native_call_", "DELEGATE_CALL", "Method::execute"  # ETDump's names
# What XNNPACK calls int8 activations in the name of a kernel: by the processor, one or another.
INT8_INPUTS = ("QD8", "QDU8", "QP8")


@dataclass(frozen=True)
class OperatorTimes:
    """Median wall microseconds of one inference."""

    total_us: float
    outside_us: float  # not in the delegates: kernels, and the executor between them
    kernels_us: dict[str, float]  # outside, by operator
    delegated_us: dict[str, float]  # inside, by operator; XNNPACK counts whole ones
    calls: Counter[str]  # of each operator inside


def time_operators(path: Path, tokens: int) -> OperatorTimes:
    """Profile inferences of `tokens` word pieces, all of them id 0: what they are costs nothing."""
    from executorch.extension.pybindings import portable_lib

    module = portable_lib._load_for_executorch(str(path), enable_etdump=True)
    inputs = (torch.zeros(1, tokens, dtype=torch.int64), torch.ones(1, tokens, dtype=torch.int64))
    for _ in range(WARM_UP + CALLS):
        module.run_method("forward", inputs)
    with TemporaryDirectory() as folder:
        dump = f"{folder}/etdump.etdp"
        module.write_etdump_result_to_file(dump)
        events = _events(dump)
    total = sum(_median(event) for event in events if event.name == WHOLE)
    delegates = sum(_median(event) for event in events if event.name == DELEGATE)
    kernels: dict[str, float] = defaultdict(float)
    delegated: dict[str, float] = defaultdict(float)
    calls = Counter[str]()
    for event in events:
        if event.is_delegated_op:
            name = event.name.split(" #")[0]
            delegated[name] += _median(event)
            calls[name] += 1
        elif event.name.startswith(KERNEL):
            kernels[event.name.removeprefix(KERNEL)] += _median(event)
    return OperatorTimes(total, total - delegates, dict(kernels), dict(delegated), calls)


def is_int8_product(kernel: str) -> bool:
    """Whether XNNPACK's kernel of this name is a linear over int8 activations."""
    return kernel.startswith("Fully Connected") and any(f" {t}," in kernel for t in INT8_INPUTS)


def _events(dump: str) -> list[Any]:
    """The events of the block that runs; another block holds those of loading."""
    from executorch.devtools import Inspector
    from executorch.devtools.inspector import TimeScale

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensors are not dumped, and not needed
        blocks = Inspector(etdump_path=dump, target_time_scale=TimeScale.US).event_blocks
    (block,) = (block for block in blocks if block.name == "Execute")
    return [event for event in block.events if event.perf_data is not None]


def _median(event: Any) -> float:
    return float(torch.tensor(event.perf_data.raw[WARM_UP:]).median())
