"""Texts read by a float model shard by shard, in as many processes as are at work.

Each shard's rows are a file, so that a killed run reads again only what it had not finished.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from ..base.arrays import Logits
from ..base.files import first_beyond, remove_marked, replacing_file
from ..base.workers import Call, Workers, workers
from ..models.batches import SHARD, run_shard
from ..models.encoders import load_encoder
from ..models.function import FunctionClassifier
from ..models.stock import BertModel
from ..models.teacher import Teacher, load_teacher, pooled
from ..models.vocabulary import Vocabulary
from . import team

Compute = Callable[[Sequence[str]], Logits]  # the rows (texts, features) of one shard
ROWS = "rows"
RECORD, NAME = "shards", re.compile(r"\d{7}\.safetensors")  # what is in a folder of shards


@dataclass(frozen=True)
class Source:
    """What a worker opens to compute what this process does."""

    kind: Literal["features", "logits"]  # of an encoder, or of a teacher that was saved
    folder: str
    max_length: int


def read_texts(
    compute: Compute,
    source: Source | None,
    texts: Sequence[str],
    what: str,
    *,
    kept: Path | None = None,
) -> Iterator[Logits]:
    """The rows of each shard of `texts`, in their order; all are read before the first is given.

    Args:
        compute: what this process does with a shard.
        source: what workers open to do the same; without one, or on a GPU, there are none.
        texts: of any number.
        what: shown meanwhile.
        kept: a folder where finished shards stay, and are found again. The processes of a launcher
            all call this, and share the work.
    """
    with ExitStack() as stack:
        folder = kept or Path(stack.enter_context(TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).touch()
        starts = range(0, len(texts), SHARD)
        files = [folder / f"{start // SHARD:07}.safetensors" for start in starts]
        missing = [i for i, file in enumerate(files) if not file.exists()]
        if kept:
            team.wait()  # until all have seen what is missing
            missing = missing[team.rank() :: team.size()]
        calls = [
            _call(compute, source, texts[starts[i] : starts[i] + SHARD], files[i]) for i in missing
        ]
        alone = source is None or team.device().type != "cpu" or team.size() > 1
        (Workers() if alone else workers()).do_all(calls, what)
        if kept:
            team.wait()
        for file in files:
            yield load_file(file)[ROWS]


def source_of(teacher: Teacher, folder: Path) -> Source | None:
    """What workers open to ask `teacher`, saved in `folder`; a function answers here alone."""
    if isinstance(teacher.other, FunctionClassifier):
        return None
    return Source("logits", str(folder), teacher.vocabulary.max_length)


def concatenated(rows: Iterator[Logits]) -> Logits:
    """All rows as one array; (0, 0) without any."""
    every = [*rows]
    return np.concatenate(every) if every else np.empty((0, 0), np.float32)


def foreign(folder: Path) -> Path | None:
    """The first file in `folder` of shards that was not left there by `read_texts`."""
    ours = {file.name for file in folder.glob("*") if NAME.fullmatch(file.name)}
    return first_beyond(folder, {RECORD, *ours} if (folder / RECORD).is_file() else ())


def clear(folder: Path, but: str = "") -> None:
    """Remove the folders of shards in `folder`, `but` one, and `folder` once it is empty."""
    for path in folder.glob("*"):
        if path.is_dir() and path.name != but and foreign(path) is None:
            remove_marked(path, RECORD)
    for aside in folder.glob(".*.safetensors.*"):  # of a process killed while it wrote
        aside.unlink()
    with suppress(OSError):  # it is not there, or holds something else, which stays
        folder.rmdir()


@contextmanager
def on_device(*modules: nn.Module) -> Iterator[None]:
    """Have `modules` compute on this process's GPU within the block, if there is one."""
    try:
        for module in modules:
            module.to(team.device())
        yield
    finally:
        for module in modules:
            module.to("cpu")


def features_of(encoder: BertModel, vocabulary: Vocabulary) -> Compute:
    """What reads a shard's features, on the encoder's device."""
    forward = partial(pooled, encoder)
    return lambda texts: run_shard(forward, vocabulary, texts, encoder.device)


def write_shard(file: str, texts: list[str], kind: str, folder: str, max_length: int) -> None:
    """Read a shard in a worker."""
    _write(_opened(kind, folder, max_length), texts, Path(file))


def _call(compute: Compute, source: Source | None, texts: Sequence[str], file: Path) -> Call:
    arguments = {"file": str(file), "texts": texts, **(asdict(source) if source else {})}
    here = partial(_write, compute, texts, file)
    return Call(write_shard, arguments, here)


def _write(compute: Compute, texts: Sequence[str], file: Path) -> None:
    with replacing_file(file) as new:
        save_file({ROWS: compute(texts)}, new)


@lru_cache(maxsize=1)
def _opened(kind: str, folder: str, max_length: int) -> Compute:
    torch.set_num_threads(1)
    if kind == "logits":
        return load_teacher(Path(folder), max_length).logits
    return features_of(*load_encoder(Path(folder), max_length))
