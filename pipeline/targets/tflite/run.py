"""`.tflite` files in LiteRT's interpreter: run, and read for what they hold. It lowers nothing."""

import zipfile
from collections import Counter
from copy import copy
from importlib.metadata import version
from typing import Any

import numpy as np

from ...base.arrays import Ids, Logits
from ...base.errors import BundleError, TargetUnavailable
from ...base.extras import remedy
from ...base.quiet import without_lines
from ..base import Artifact, RowRunner
from ..inspect import Contents, Graph

DELEGATE_NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


def import_interpreter() -> Any:
    """LiteRT's `Interpreter` class.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise TargetUnavailable(
            f"tflite: no LiteRT here ({error}). Run {remedy('ai_edge_litert')}."
        ) from error
    return Interpreter


def load(artifact: Artifact) -> RowRunner:
    """Load into LiteRT's `Interpreter`; `CompiledModel` crashes the process on a damaged file.

    Every length runs on one thread: XNNPACK's pool spins, and stalls on a busy machine.
    """
    try:
        interpreter = import_interpreter()(model_path=str(artifact.path), num_threads=1)
        with without_lines(DELEGATE_NOTICE):
            interpreter.allocate_tensors()
        runners = {}
        for name in interpreter.get_signature_list():
            runner = interpreter.get_signature_runner(name)
            shape = runner.get_input_details()[artifact.inputs[0]]["shape"]
            runners[int(shape[1])] = runner
    except (ValueError, RuntimeError, KeyError) as error:
        raise BundleError(f"{artifact.path}: LiteRT refuses the file ({error}).") from error

    def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
        inputs = (input_ids, attention_mask, input_ids * 0)[: len(artifact.inputs)]
        feed = dict(zip(artifact.inputs, inputs, strict=True))
        (logits,) = runners[input_ids.shape[1]](**feed).values()
        return logits  # type: ignore[no-any-return]

    return RowRunner(artifact, f"LiteRT {version('ai-edge-litert')}", execute)


def read(artifact: Artifact) -> Contents:
    """Buffers of the flatbuffer, and the plan of LiteRT's interpreter for each signature."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    blobs = tuple(bytes(np.asarray(b.data)) for b in model.buffers if b.data is not None)
    signatures, graphs = model.signatureDefs or (), []
    names = {signature.subgraphIndex: signature.signatureKey for signature in signatures}
    for index, subgraph in enumerate(model.subgraphs):
        inside, outside = _plan(_operators(model, subgraph))
        name = names.get(index, b"").decode() if len(model.subgraphs) > 1 else ""
        graphs.append(Graph(inside, _int8_products(schema, model, subgraph), outside, name))
    return Contents(blobs, tuple(graphs), _packed_bytes(artifact))


def _operators(model: Any, subgraph: Any) -> list[dict[str, Any]]:
    """The operators of `subgraph` as LiteRT's interpreter plans them.

    It lists those of a file's first subgraph only, so it is given a file that has no other.
    """
    import flatbuffers

    alone = copy(model)
    alone.subgraphs, alone.signatureDefs = [subgraph], None
    builder = flatbuffers.Builder(0)
    builder.Finish(alone.Pack(builder), b"TFL3")
    interpreter = import_interpreter()(model_content=bytes(builder.Output()), num_threads=1)
    with without_lines(DELEGATE_NOTICE):
        interpreter.allocate_tensors()
    operators: list[dict[str, Any]] = interpreter._get_ops_details()
    return operators


def _int8_products(schema: Any, model: Any, subgraph: Any) -> int:
    """Linears whose int8 weights meet float input: that is quantized, then.

    In a weight-only file the weights are dequantized instead, by an operator of their own.
    """
    linear = schema.BuiltinOperator.FULLY_CONNECTED
    return sum(
        model.operatorCodes[op.opcodeIndex].builtinCode == linear
        and subgraph.tensors[op.inputs[1]].type == schema.TensorType.INT8
        for op in subgraph.operators
    )


def _plan(operators: list[dict[str, Any]]) -> tuple[int, Counter[str]]:
    """How many operators a delegate took over, and the names of the others.

    The interpreter lists both; those are replaced that lie between a delegate's inputs and outputs.
    """
    delegates = [o for o in operators if o["op_name"] == "DELEGATE"]
    others = [o for o in operators if o["op_name"] != "DELEGATE"]
    makers = {int(t): i for i, o in enumerate(others) for t in o["outputs"]}
    inside = set[int]()
    for delegate in delegates:
        given = {int(tensor) for tensor in delegate["inputs"]}
        open_ = [int(tensor) for tensor in delegate["outputs"]]
        while open_:
            tensor = open_.pop()
            maker = makers.get(tensor)
            if tensor in given or maker is None or maker in inside:
                continue
            inside.add(maker)
            open_ += [int(source) for source in others[maker]["inputs"] if source >= 0]
    left = Counter(o["op_name"] for i, o in enumerate(others) if i not in inside)
    return len(inside), left


def _packed_bytes(artifact: Artifact) -> int:
    """Bytes of vocabulary and labels in the archive behind the flatbuffer, if there is one."""
    if not zipfile.is_zipfile(artifact.path):
        return 0
    with zipfile.ZipFile(artifact.path) as archive:
        return sum(entry.file_size for entry in archive.infolist())
