"""Library noise, silenced at its source."""

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
)


def quiet() -> None:
    """Turn off what the toolchains print on their own; call before they are imported."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # coremltools and ai-edge-quantizer bring bars
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads starve each other
    for name in LOUD:
        logging.getLogger(name).setLevel(logging.ERROR)
    # Accelerate passes on what team.py asks of DistributedDataParallel, whose name will change.
    warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
    # torch.export's pytrees, through copyreg: they warn of torch's own calls.
    warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)


@contextmanager
def without_line(line: bytes) -> Iterator[None]:
    """Take exactly `line` out of what the block writes to stderr; all else is passed on.

    For the one notice that comes from C++ and has no switch.
    """
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
                if written.rstrip() != line:
                    os.write(2, written)
