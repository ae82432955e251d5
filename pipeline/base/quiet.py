"""Library noise, silenced at its source: for good in our own processes, for a block in others.

A program that uses us as a library keeps its environment, its log levels and its stderr.
"""

import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# Each says something at import that no user can act on.
LOUD = (
    "torchao",
    "torch.utils._pytree",
    "coremltools",
    "executorch.backends.apple",
    "transformers",
    "absl",
    "datasets",
    "matplotlib",
)
# Read by C++ while it is imported: TensorFlow, in litert-torch, says which oneDNN it has.
AT_IMPORT = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
ENVIRONMENT = {
    **AT_IMPORT,
    "TQDM_DISABLE": "1",  # coremltools and ai-edge-quantizer bring bars
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_WAIT_POLICY": "passive",  # spinning threads starve each other
}
WARNINGS = (
    # Accelerate passes on what team.py asks of DistributedDataParallel, whose name will change.
    (".*broadcast_buffers", FutureWarning),
    # torch.export's pytrees, through copyreg: they warn of torch's own calls.
    (".*LeafSpec", FutureWarning),
    # Strings of torchao and coremltools, on Python 3.12 and newer.
    ("invalid escape", SyntaxWarning),
    # Takes the +cpu of torch's version for a later one.
    ("coreai-torch has only been validated", UserWarning),
    # torch, of Python 3.13.0.
    ("Guards may run slower", RuntimeWarning),
)
_own = False  # whether this process is ours


def quiet() -> None:
    """Turn off what the toolchains print on their own, in a process that is ours from the start."""
    global _own
    _own = True
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    _ignore_warnings()


def _ignore_warnings() -> None:
    for message, category in WARNINGS:
        warnings.filterwarnings("ignore", message=message, category=category)


@contextmanager
def hushed() -> Iterator[None]:
    """Import or use toolchains without their noise; afterwards all is set as before."""
    loggers = [logging.getLogger(name) for name in LOUD]
    levels = [logger.level for logger in loggers]
    before = {name: os.environ.get(name) for name in AT_IMPORT}
    try:
        for logger in loggers:
            logger.setLevel(max(logger.level, logging.ERROR))
        for name, value in AT_IMPORT.items():
            os.environ.setdefault(name, value)
        with warnings.catch_warnings():
            _ignore_warnings()
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for name, earlier in before.items():
            if earlier is None:
                os.environ.pop(name, None)


@contextmanager
def without_lines(start: bytes) -> Iterator[None]:
    """Take lines that begin with `start` out of what the block writes to stderr, if it is ours.

    For notices that come from compiled code and have no switch. All else is passed on.
    """
    if not _own:
        yield  # stderr is the host program's
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for written in held:
                if not written.startswith(start):
                    os.write(2, written)
