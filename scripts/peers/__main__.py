"""Measure builds against their peers: the same student, texts and thread, in one run.

Models take turns in blocks of calls, so that a busy neighbour slows all of them alike. What counts
is CPU time of the whole process: work that a runtime hands to another thread counts, too.
"""

import logging
import statistics
import time
import warnings
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402
import typer  # noqa: E402
from rich.progress import track  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from pocketbert.app.result import read_result  # noqa: E402
from pocketbert.base.config import DataConfig  # noqa: E402
from pocketbert.bundle.open import open_bundle  # noqa: E402
from pocketbert.data.corpus import Part, load_corpus  # noqa: E402
from pocketbert.measure.host import processor  # noqa: E402
from pocketbert.models.metrics import accuracy, agreement  # noqa: E402
from pocketbert.models.student import FactorizedEmbedding, load_student  # noqa: E402
from pocketbert.targets import get_target  # noqa: E402
from pocketbert.targets.executorch.profile import (  # noqa: E402
    OperatorTimes,
    is_int8_product,
    time_operators,
)
from pocketbert.targets.executorch.program import read, read_delegate  # noqa: E402

from .page import (  # noqa: E402
    EAGER,
    LENGTHS,
    Build,
    Contents,
    Machine,
    Row,
    draw,
    keep,
    render,
    this_processor,
)
from .rivals import OURS, Peer, float_peers, ours, quantized_peers  # noqa: E402

WARM_UP, BLOCK, BLOCKS = 3, 20, 30  # calls not counted and counted, each turn; turns
DOCS = Path(__file__).parents[2] / "docs"
# How ETDump's names of operators begin.
ATTENTION = ("Batch Matrix Multiply", "Softmax", "Transpose", "Static Reshape")


def main(
    builds: Annotated[list[Path], typer.Argument(help="Folders that pocketbert run wrote.")],
    data: Annotated[str, typer.Option(help="Labelled text for agreement.")] = "assistant",
    part: Annotated[str, typer.Option(help="Of the data: validation or test.")] = "test",
    docs: Annotated[Path, typer.Option(help="Folder for performance.md and .svg.")] = DOCS,
) -> None:
    """Measure every build, and write performance.md, .json and .svg."""
    torch.set_num_threads(1)
    # Before anything else loads ExecuTorch, whose pool would then keep a thread a core.
    get_target(OURS[0]).prepare()
    # The exporters and quantizers of the peers advise; here they are measured as people call them.
    warnings.filterwarnings("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    texts = load_corpus(DataConfig(source=data)).parts[part]
    said = f"{data}, {part} part, {len(texts.texts)} texts"
    with threadpool_limits(1), TemporaryDirectory() as scratch:
        measured = {
            _name(build): measure(build, texts, said, Path(scratch) / str(number))
            for number, build in enumerate(builds)
        }
    machines = keep(docs, Machine(this_processor(processor()), measured))
    (docs / "performance.md").write_text(render(machines), encoding="utf-8")
    draw(docs, machines[0])


def measure(build: Path, part: Part, said: str, scratch: Path) -> Build:
    """One row a peer for the student in `build`, and the profile of its `.pte`.

    `said` is what `part` is called.
    """
    scratch.mkdir()
    student, bundle = load_student(build / "student"), open_bundle(build / "bundle")
    peers = [*float_peers(student, scratch), *quantized_peers(student, scratch), *ours(bundle)]
    encoded = [student.vocabulary.encode([text]) for text in part.texts]
    answers = {}
    for peer in peers:
        if peer.answers:
            rows = track(encoded, f"{build.name}: {peer.name} answers", transient=True)
            answers[peer.name] = np.concatenate(
                [peer.execute(e.input_ids, e.attention_mask) for e in rows]
            )
    times = time_all(peers, len(student.vocabulary))
    rows = [
        Row(
            peer.name,
            peer.size_bytes,
            times[peer.name],
            accuracy(answers[peer.name], part.labels) if peer.answers else None,
            agreement(answers[peer.name], answers[EAGER]) if peer.answers else None,
        )
        for peer in peers
    ]
    profile = time_operators(bundle.artifacts[OURS[0]].artifact.path, LENGTHS[-1])
    words = student.model.get_input_embeddings()
    table = (words.table if isinstance(words, FactorizedEmbedding) else words).weight.numel()
    files = [contents(peer, peer.pte, table) for peer in peers if peer.pte]
    return Build(
        bundle.manifest.provenance.command,
        f"{datetime.now(timezone.utc):%-d %B %Y}",
        said,
        f"in blocks of {BLOCK} calls, BERT-base and DistilBERT of one, median of {BLOCKS} turns",
        rows,
        shares(profile),
        files,
    )


def time_all(peers: Sequence[Peer], vocabulary: int) -> dict[str, dict[int, float]]:
    """Median CPU microseconds of one call by name and length, peers taking turns."""
    generator = np.random.default_rng(0)
    times: dict[str, dict[int, float]] = {peer.name: {} for peer in peers}
    for length in LENGTHS:
        ids = generator.integers(5, vocabulary, (1, length))
        mask = np.ones_like(ids)
        turns: dict[str, list[float]] = {peer.name: [] for peer in peers}
        for _ in track(range(BLOCKS), f"{length} tokens", transient=True):
            for peer in peers:
                # A call of BERT-base takes as long as a block of the others.
                calls, warm_up = (BLOCK, WARM_UP) if peer.answers else (1, 1)
                for _ in range(warm_up):  # the others left cold caches
                    peer.execute(ids, mask)
                begun = time.process_time_ns()
                for _ in range(calls):
                    peer.execute(ids, mask)
                turns[peer.name].append((time.process_time_ns() - begun) / calls / 1e3)
        for name, turn in turns.items():
            times[name][length] = statistics.median(turn)
    return times


def contents(peer: Peer, file: Path, table: int) -> Contents:
    """What the `.pte` of `peer` holds; its embedding has `table` elements."""
    program = read(file)
    graphs = [read_delegate(delegate) for delegate in program.delegates]
    largest = max(map(len, program.constants))
    return Contents(
        peer.name,
        peer.size_bytes,
        len(graphs),
        sum(graph.count for graph in graphs),
        sum(graph.int8_products for graph in graphs),
        sum(program.kernels.values()),
        f"{8 * largest / table:.0f} bits",
        peer.masked,
    )


def shares(times: OperatorTimes) -> dict[str, float]:
    """Where the time of a `.pte` goes, in parts of one."""
    inside = times.delegated_us
    parts = {
        "int8 matrix products": sum(
            inside.pop(name) for name in list(inside) if is_int8_product(name)
        ),
        "attention: float matrix products, softmax, transposes": sum(
            inside.pop(name) for name in list(inside) if name.startswith(ATTENTION)
        ),
        "LayerNorm, GELU, bias and mask": sum(inside.values()),
        "outside XNNPACK: the embedding's rows": sum(
            spent for name, spent in times.kernels_us.items() if name.startswith("embedding")
        ),
    }
    parts["outside XNNPACK: the rest"] = times.outside_us - parts[list(parts)[-1]]
    rest = "XNNPACK's set-up of each graph, int8 of activations, rounding of the above"
    parts[rest] = times.total_us - sum(parts.values())
    return {what: spent / times.total_us for what, spent in parts.items()}


def _name(build: Path) -> str:
    preset, folder = read_result(build).preset, build.resolve().name
    return preset if folder == "build" or folder.endswith(preset) else f"{preset} ({folder})"


if __name__ == "__main__":
    typer.run(main)
