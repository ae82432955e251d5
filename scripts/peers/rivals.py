"""What a student is compared with: each answers ids and mask with logits, and says its bytes.

The peers are called as their own documentation calls them. It measures nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

from pocketbert.base.arrays import Ids
from pocketbert.base.files import tree_bytes
from pocketbert.bundle.open import Bundle
from pocketbert.models.student import Student
from pocketbert.targets import get_target

from .page import BERT, EAGER, ORT_INT8

OURS = ("executorch", "tflite")
EXPORTER = "transformers' ExecutorchExporter, int8"

Execute = Callable[[Ids, Ids], NDArray[np.float32]]


@dataclass(frozen=True)
class Peer:
    """Something that answers: ids and mask, both (1, length) int64, to logits (1, labels)."""

    name: str
    size_bytes: int
    execute: Execute
    answers: bool = True  # False for a shape with random weights
    pte: Path | None = None  # the file, where ExecuTorch runs it
    masked: bool = True  # False where the file takes no attention mask


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
        _exporter(student, scratch),
    ]


def _exporter(student: Student, scratch: Path) -> Peer:
    """The way to a `.pte`, of transformers itself, in the int8 that it documents (PT2E).

    Without a mask where that fails. With one, transformers 5.23 builds it by an index whose zero
    XNNPACK's quantizer turns into a float. One text alone needs none.
    """
    names = ("input_ids", "attention_mask")
    try:
        file = _export(student, names, scratch)
    except IndexError:
        names = names[:1]
        file = _export(student, names, scratch)
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(file).load_method("forward")

    def execute(ids: Ids, mask: Ids) -> NDArray[np.float32]:
        inputs = [torch.from_numpy(row) for row in (ids, mask)[: len(names)]]
        logits: NDArray[np.float32] = method.execute(inputs)[0].numpy()
        return logits

    return Peer(EXPORTER, file.stat().st_size, execute, pte=file, masked=len(names) > 1)


def _export(student: Student, names: Sequence[str], scratch: Path) -> Path:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from transformers.exporters import ExecutorchConfig, PT2EQuantizer
    from transformers.exporters.exporter_executorch import ExecutorchExporter

    longest = student.vocabulary.max_length
    length = torch.export.Dim("length", min=2, max=longest)
    inputs = dict.fromkeys(names, torch.ones(1, longest // 2, dtype=torch.int64))
    int8 = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
    config = ExecutorchConfig(
        dynamic_shapes={name: {1: length} for name in names},
        quantizer=PT2EQuantizer(XNNPACKQuantizer().set_global(int8), [inputs]),
    )
    ExecutorchExporter().export(student.model, inputs, config).save_pretrained(scratch / "exported")
    return scratch / "exported" / "model.pte"


def ours(bundle: Bundle) -> list[Peer]:
    """The artefacts of the bundle, padded to the shortest length that they take."""
    peers = []
    for name in OURS:
        sealed = bundle.artifacts[name].artifact
        run = get_target(name).load(sealed).execute

        def execute(ids: Ids, mask: Ids, run: Any = run, sealed: Any = sealed) -> Any:
            rows = np.zeros((2, 1, sealed.length_for(ids.shape[1])), sealed.dtype)
            rows[0, 0, : ids.shape[1]], rows[1, 0, : ids.shape[1]] = ids, mask
            return run(rows[0], rows[1])

        size, pte = tree_bytes(sealed.path), sealed.path if name == "executorch" else None
        peers.append(Peer(f"{sealed.path.suffix} ({name})", size, execute, pte=pte))
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
