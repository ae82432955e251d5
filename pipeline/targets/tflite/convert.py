"""What both TFLite targets share: litert-torch, the quantizer, LiteRT's interpreter."""

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..inspect import Contents, identify
from ...base.errors import BundleError, TargetUnavailable
from ...models.lean import LeanBert
from ...models.batches import Logits
from ...base.quiet import without_line
from ...base.recipes import EMBEDDING, Recipe
from ...models.student import Student
from ..base import Artifact, RowRunner
from ...models.vocabulary import Ids

DELEGATE_NOTICE = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU."


def convert(modules: Mapping[str, tuple[nn.Module, dict[str, Tensor]]]) -> bytes:
    """Convert one module a signature, its sample inputs by name, to a float TFLite flatbuffer."""
    try:
        import ai_edge_quantizer  # noqa: F401  used once the model is converted
        import litert_torch
    except ImportError as error:
        raise TargetUnavailable(
            f"tflite: litert-torch cannot be imported here ({error}). It has wheels for Linux "
            "x86-64 and macOS on Apple silicon; elsewhere choose other --targets."
        ) from error
    litert_torch.config.show_progress = False
    converter: Any = litert_torch
    for name, (module, sample) in modules.items():
        converter = converter.signature(name, module.eval(), sample_kwargs=sample)
    model: bytes = converter.convert().model_content()
    return model


def quantize(model: bytes, graph: LeanBert, recipe: Recipe, *, dynamic: bool) -> bytes:
    """Quantize the float flatbuffer that `graph` was converted to.

    Args:
        model: the flatbuffer.
        graph: names the weights, which the flatbuffer does not.
        recipe: what is stored how.
        dynamic: whether activations may be int8, too.
    """
    plan = graph.storage_plan(recipe)
    if set(plan.values()) == {"float"}:
        return model
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer
    from ai_edge_quantizer.utils import progress_utils

    # One of the quantizer's two bars ignores enable_progress_bar (0.10.0).
    progress_utils.ProgressBar = _no_bar(progress_utils.ProgressBar)
    work = quantizer.Quantizer(bytearray(model))
    operations = qtyping.TFLOperationName
    add = work.add_dynamic_config if dynamic else work.add_weight_only_config
    add(".*", operations.FULLY_CONNECTED, num_bits=8)
    if plan[EMBEDDING] == "int4":
        block = qtyping.QuantGranularity.BLOCKWISE_32
        add(".*", operations.EMBEDDING_LOOKUP, num_bits=4, granularity=block)
    else:
        add(".*", operations.EMBEDDING_LOOKUP, num_bits=8)
    for output in _outputs_of(model, graph, {p for p, stored in plan.items() if stored == "float"}):
        work.update_quantization_recipe(
            re.escape(output),
            operations.ALL_SUPPORTED,
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    result = work.quantize(enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _outputs_of(model: bytes, graph: LeanBert, paths: set[str]) -> Iterator[str]:
    """Names of what the operators compute that use the weights of the modules at `paths`."""
    from ai_edge_litert import schema_py_generated as schema

    modules = dict(graph.named_modules())
    # By their direction, not their bytes: the converter multiplies a norm's gain into what follows.
    wanted = {path: modules[path].weight.numpy() for path in paths}
    root = schema.ModelT.InitFromPackedBuf(model, 0)
    for part in root.subgraphs:
        for operator in part.operators:
            buffers = [root.buffers[part.tensors[i].buffer].data for i in operator.inputs if i >= 0]
            if any(data is not None and identify(bytes(data), wanted) for data in buffers):
                yield from (part.tensors[i].name.decode() for i in operator.outputs)


def _no_bar(bar: type) -> Callable[..., Any]:
    return lambda total_steps=0, *_, **__: bar(total_steps, enable=False)


def import_interpreter() -> Any:
    """LiteRT's `Interpreter` class.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise TargetUnavailable(f"tflite: no LiteRT here ({error}).") from error
    return Interpreter


def load(artifact: Artifact) -> RowRunner:
    """Load into LiteRT's `Interpreter`; `CompiledModel` crashes the process on a damaged file.

    Every length runs on one thread: XNNPACK's pool spins, and stalls on a busy machine.
    """
    try:
        interpreter = import_interpreter()(model_path=str(artifact.path), num_threads=1)
        with without_line(DELEGATE_NOTICE):
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
    """Buffers of the flatbuffer, and the plan of LiteRT's interpreter for the first signature."""
    from ai_edge_litert import schema_py_generated as schema

    model = artifact.path.read_bytes()
    parsed = schema.ModelT.InitFromPackedBuf(model, 0)
    interpreter = import_interpreter()(model_path=str(artifact.path), num_threads=1)
    with without_line(DELEGATE_NOTICE):
        interpreter.allocate_tensors()
    inside, outside = _plan(interpreter._get_ops_details())
    return Contents(
        blobs=tuple(bytes(np.asarray(b.data)) for b in parsed.buffers if b.data is not None),
        delegated=inside,
        int8_products=_int8_products(schema, parsed),
        outside=outside,
        vocabulary_bytes=_packed_bytes(artifact),
    )


def _int8_products(schema: Any, model: Any) -> int:
    """Linears of the first signature whose int8 weights meet float input: that is quantized, then.

    In a weight-only file the weights are dequantized instead, by an operator of their own.
    """
    graph = model.subgraphs[0]
    linear = schema.BuiltinOperator.FULLY_CONNECTED
    return sum(
        model.operatorCodes[op.opcodeIndex].builtinCode == linear
        and graph.tensors[op.inputs[1]].type == schema.TensorType.INT8
        for op in graph.operators
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


def lengths_up_to(longest: int) -> tuple[int, ...]:
    """Signature lengths: an eighth, a quarter, a half and all of the longest; most are short."""
    return tuple(sorted({max(8, longest // part) for part in (8, 4, 2)} | {longest}))


def sample_inputs(names: tuple[str, ...], length: int) -> dict[str, Tensor]:
    """An example of every input, (1, length) int32."""
    return {name: torch.ones(1, length, dtype=torch.int32) for name in names}


def lean(student: Student) -> LeanBert:
    """The lean graph of `student`, at its full length."""
    return LeanBert(student.model, student.vocabulary.max_length)
