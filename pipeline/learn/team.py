"""The processes that a launcher started: which one this is, and how they keep in step.

`accelerate launch` starts them on GPUs, `torchrun` on CPUs, too.

Without a launcher there is one process, and all of this does nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
from accelerate import (
    Accelerator,
    DataLoaderConfiguration,
    DistributedDataParallelKwargs,
    InitProcessGroupKwargs,
)
from accelerate.utils import broadcast_object_list
from threadpoolctl import threadpool_limits

T = TypeVar("T")
# While the main process does what is not shared, the others wait.
PATIENCE = timedelta(hours=24)


@cache
def accelerator() -> Accelerator:
    """This process's view of devices, processes and precision; a batch is split among processes."""
    return Accelerator(
        # Without this, processes that torchrun starts where there is no GPU do not find each other.
        cpu=not torch.cuda.is_available(),
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[
            InitProcessGroupKwargs(timeout=PATIENCE),
            # Ours never change, and a word table is large to send at every step.
            DistributedDataParallelKwargs(broadcast_buffers=False),
        ],
    )


def is_main() -> bool:
    """Whether this process writes files and prints."""
    return bool(accelerator().is_main_process)


def size() -> int:
    """How many processes work together."""
    return int(accelerator().num_processes)


def rank() -> int:
    """Which of them this is, from 0 on."""
    return int(accelerator().process_index)


def device() -> torch.device:
    """Where this process's models run: its GPU, if there is one."""
    return torch.device(accelerator().device)


def layout() -> dict[str, Any]:
    """What the launcher decides of a training's outcome."""
    here = accelerator()
    return {
        "processes": here.num_processes,
        "mixed_precision": here.mixed_precision,
        "device": here.device.type,
    }


def broadcast(value: T) -> T:
    """The main process's `value`, in every process; all of them must call this."""
    values = [value]
    broadcast_object_list(values)
    return values[0]


def wait() -> None:
    """Let every process arrive here before any goes on."""
    accelerator().wait_for_everyone()


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the sums of the block: so results do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
