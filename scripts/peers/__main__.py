"""Our artefacts against what one would use instead: the same student, texts and thread, one run.

Models take turns in blocks of calls, so that a busy neighbour slows all of them alike. What counts
is CPU time of the whole process: work that a runtime hands to another thread counts, too.
"""

import logging
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402
import typer  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rich.progress import track  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402
from torch import nn  # noqa: E402
from transformers import (  # noqa: E402
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from pocketbert.app.report.charts import BLUE, GREY, new_figure  # noqa: E402
from pocketbert.app.result import read_result  # noqa: E402
from pocketbert.base.arrays import Ids  # noqa: E402
from pocketbert.base.config import DataConfig  # noqa: E402
from pocketbert.base.files import tree_bytes  # noqa: E402
from pocketbert.bundle.open import Bundle, open_bundle  # noqa: E402
from pocketbert.data.corpus import Part, load_corpus  # noqa: E402
from pocketbert.models.metrics import accuracy, agreement  # noqa: E402
from pocketbert.models.student import Student, load_student  # noqa: E402
from pocketbert.targets import get_target  # noqa: E402
from pocketbert.targets.executorch.profile import (  # noqa: E402
    OperatorTimes,
    is_int8_product,
    time_operators,
)

LENGTHS = (8, 16, 32)
WARM_UP, BLOCK, BLOCKS = 3, 20, 30  # calls not counted and counted, each turn; turns
OURS = ("executorch", "tflite")
DOCS = Path(__file__).parent.parent / "docs"
# How ETDump's names of operators begin.
ATTENTION = ("Batch Matrix Multiply", "Softmax", "Transpose", "Static Reshape")
EAGER, ORT_INT8, BERT = "PyTorch eager", "ONNX Runtime int8", "BERT-base, eager"

Execute = Callable[[Ids, Ids], NDArray[np.float32]]


@dataclass(frozen=True)
class Peer:
    """Something that answers: ids and mask, both (1, length) int64, to logits (1, labels)."""

    name: str
    size_bytes: int
    execute: Execute
    answers: bool = True  # False for a shape with random weights


@dataclass(frozen=True)
class Row:
    """What was measured of one peer; CPU time in microseconds by length in tokens."""

    name: str
    size_bytes: int
    cpu_us: dict[int, float]
    accuracy: float | None
    agreement: float | None


@dataclass(frozen=True)
class Measured:
    """All that was measured of one build."""

    rows: list[Row]
    times: OperatorTimes  # of the .pte, at the longest of LENGTHS


def main(
    builds: Annotated[list[Path], typer.Argument(help="Folders that pocketbert run wrote.")],
    data: Annotated[str, typer.Option(help="Labelled text for agreement.")] = "assistant",
    part: Annotated[str, typer.Option(help="Of the data: validation or test.")] = "test",
    docs: Annotated[Path, typer.Option(help="Folder for performance.md and .svg.")] = DOCS,
) -> None:
    """Measure every build, and write performance.md and .svg."""
    torch.set_num_threads(1)
    # The exporters and quantizers of the peers advise; here they are measured as people call them.
    warnings.filterwarnings("ignore")
    logging.getLogger().setLevel(logging.ERROR)
    texts = load_corpus(DataConfig(source=data)).parts[part]
    with threadpool_limits(1), TemporaryDirectory() as scratch:
        measured = {
            _name(build): measure(build, texts, Path(scratch) / str(number))
            for number, build in enumerate(builds)
        }
    write_page(docs, measured, f"{data}, {part} part, {len(texts.texts)} texts")
    draw(docs, measured)


def measure(build: Path, part: Part, scratch: Path) -> Measured:
    """One row a peer for the student in `build`, and the profile of its `.pte`."""
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
    return Measured(rows, time_operators(bundle.artifacts[OURS[0]].artifact.path, LENGTHS[-1]))


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


def float_peers(student: Student, scratch: Path) -> list[Peer]:
    """The student in float, and the shapes that one would start from, with random weights."""
    model, labels = student.model.eval(), len(student.labels)
    torch.manual_seed(0)
    bert = BertForSequenceClassification(BertConfig(num_labels=labels)).eval()
    distilled = DistilBertForSequenceClassification(DistilBertConfig(num_labels=labels)).eval()
    return [
        Peer(BERT, _bytes(bert), _torch(bert), answers=False),
        Peer("DistilBERT, eager", _bytes(distilled), _torch(distilled), answers=False),
        Peer(EAGER, _bytes(model), _torch(model)),
        Peer("torch.compile", _bytes(model), _torch(torch.compile(model, dynamic=True))),
        _onnx_runtime("ONNX Runtime", _exported(student, scratch)),
        _openvino("OpenVINO", _exported(student, scratch)),
    ]


def quantized_peers(student: Student, scratch: Path) -> list[Peer]:
    """The same student in int8, by what each ecosystem offers with one call."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    file = scratch / "int8.onnx"
    quantize_dynamic(
        _exported(student, scratch), file, weight_type=QuantType.QInt8, per_channel=True
    )
    quantized = torch.ao.quantization.quantize_dynamic(student.model, {nn.Linear}, torch.qint8)
    saved = scratch / "quantize_dynamic.pt"
    torch.save(quantized.state_dict(), saved)
    size = saved.stat().st_size
    return [
        _onnx_runtime(ORT_INT8, file),
        Peer("torch quantize_dynamic", size, _torch(quantized)),
    ]


def ours(bundle: Bundle) -> list[Peer]:
    """The artefacts of the bundle, padded to the shortest length that they take."""
    peers = []
    for name in OURS:
        sealed = bundle.artifacts[name].artifact
        runner: Any = get_target(name).load(sealed)

        def execute(ids: Ids, mask: Ids, runner: Any = runner, sealed: Any = sealed) -> Any:
            rows = np.zeros((2, 1, sealed.length_for(ids.shape[1])), sealed.dtype)
            rows[0, 0, : ids.shape[1]], rows[1, 0, : ids.shape[1]] = ids, mask
            return runner.execute(rows[0], rows[1])

        peers.append(Peer(f"{sealed.path.suffix} ({name})", tree_bytes(sealed.path), execute))
    return peers


def _torch(model: Any) -> Execute:
    def execute(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        with torch.inference_mode():
            inputs = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
            logits: NDArray[np.float32] = model(**inputs).logits.numpy()
        return logits

    return execute


def _bytes(model: nn.Module) -> int:
    return sum(4 * parameter.numel() for parameter in model.parameters())


def _exported(student: Student, scratch: Path) -> Path:
    file = scratch / "float.onnx"
    if not file.exists():
        ids = torch.ones(1, 16, dtype=torch.int64)
        torch.onnx.export(
            student.model,
            (ids, ids.clone()),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": {1: "length"}, "attention_mask": {1: "length"}},
            opset_version=17,
            dynamo=False,  # the newer exporter keeps the HF mask's shape
        )
    return file


def _onnx_runtime(name: str, file: Path) -> Peer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def execute(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        logits: NDArray[np.float32]
        (logits,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        return logits

    return Peer(name, file.stat().st_size, execute)


def _openvino(name: str, file: Path) -> Peer:
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(file), "CPU", settings).create_infer_request()

    def execute(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = request.infer([ids, mask])[0]
        return logits.copy()

    return Peer(name, file.stat().st_size, execute)


def _name(build: Path) -> str:
    return f"{read_result(build).preset} ({build.name})"


def write_page(docs: Path, measured: dict[str, Measured], texts: str) -> None:
    """Write docs/performance.md: one table a build."""
    lines = [
        "# Against what one would use instead",
        "",
        "Written by `scripts/compare_peers`; do not edit. The same student, the same texts, one "
        "thread, all in one process on one machine, taking turns in blocks of "
        f"{BLOCK} calls, BERT-base and DistilBERT of one: CPU time of a call, median of {BLOCKS} "
        "turns. Read the ratios: the "
        "microseconds belong to a busy "
        f"{platform.system()} {platform.machine()} host and say nothing of a phone. BERT-base and "
        "DistilBERT have random weights: size and speed only.",
        "",
        "![CPU time and size](performance.svg)",
    ]
    for name, build in measured.items():
        rows = build.rows
        by_name = {row.name: row for row in rows}
        eager, ort = by_name[EAGER].cpu_us[32], by_name[ORT_INT8].cpu_us[32]
        lines += [
            "",
            f"## {name}",
            f"Accuracy and agreement with PyTorch eager: {texts}.",
            "",
            "| | MB | 8 tokens, µs | 16 | 32 | of eager, at 32 | of ORT int8, at 32 | 8 to 32 "
            "tokens | agrees | accuracy |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *(_line(row, eager, ort) for row in rows),
            "",
            *_against_bert(rows, by_name[BERT]),
            "",
            *_profile(build.times),
        ]
    (docs / "performance.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _line(row: Row, eager: float, ort: float) -> str:
    cpu = row.cpu_us
    cells = [
        row.name,
        f"{row.size_bytes / 1e6:.2f}",
        *(f"{cpu[length]:.0f}" for length in LENGTHS),
        f"{cpu[32] / eager:.3f}",
        f"{cpu[32] / ort:.2f}",
        f"{cpu[8] / cpu[32]:.2f}",
        "" if row.agreement is None else f"{row.agreement:.2%}",
        "" if row.accuracy is None else f"{row.accuracy:.2%}",
    ]
    return f"| {' | '.join(cells)} |"


def _against_bert(rows: Sequence[Row], bert: Row) -> list[str]:
    return [
        f"- Against BERT-base in eager PyTorch, `{row.name}` takes "
        f"{bert.cpu_us[32] / row.cpu_us[32]:.0f} times less CPU time at 32 tokens "
        f"({bert.cpu_us[8] / row.cpu_us[8]:.0f} times at 8) and "
        f"{bert.size_bytes / row.size_bytes:.0f} times fewer bytes."
        for row in rows
        if row.name.startswith(".")
    ]


def _profile(times: OperatorTimes) -> list[str]:
    """Where the time goes, as a table."""
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
    return [
        f"Where the time of the `.pte` goes at {LENGTHS[-1]} tokens, by ETDump (wall time of the "
        "profiled runtime, in which XNNPACK counts whole microseconds):",
        "",
        "| | share |",
        "|---|---|",
        *(f"| {what} | {spent / times.total_us:.1%} |" for what, spent in parts.items()),
    ]


def draw(docs: Path, measured: dict[str, Measured]) -> None:
    """Write docs/performance.svg."""
    rows = [
        (f"{name}: {row.name}", row)
        for name, build in reversed(measured.items())
        for row in reversed(build.rows)
        if row.accuracy is not None  # BERT-base would leave nothing of the others to see
    ]
    figure, axes = new_figure(0.34 * len(rows) + 0.8)
    colours = [BLUE if row.name.startswith(".") else GREY for _, row in rows]
    drawn = axes.barh([name for name, _ in rows], [r.cpu_us[32] for _, r in rows], color=colours)
    axes.bar_label(drawn, [f"{row.size_bytes / 1e6:.2f} MB" for _, row in rows], padding=4)
    axes.margins(x=0.12)
    axes.set_xlabel("CPU µs of 32 tokens on this host; sizes at the bars")
    figure.savefig(docs / "performance.svg", metadata={"Date": None})


if __name__ == "__main__":
    typer.run(main)
