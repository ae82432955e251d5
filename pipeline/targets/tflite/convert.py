"""What both TFLite targets share to lower a student: litert-torch and the quantizer."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...base.errors import TargetUnavailable
from ...base.quiet import hushed
from ...base.recipes import EMBEDDING, Recipe
from ...models.lean import LeanBert
from ...models.student import Student
from ..inspect import match


@hushed()
def convert(modules: Mapping[str, tuple[nn.Module, dict[str, Tensor]]]) -> bytes:
    """Convert one module a signature, its sample inputs by name, to a float TFLite flatbuffer."""
    try:
        with hushed():
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
            if any(data is not None and match([bytes(data)], wanted) for data in buffers):
                yield from (part.tensors[i].name.decode() for i in operator.outputs)


def _no_bar(bar: type) -> Callable[..., Any]:
    return lambda total_steps=0, *_, **__: bar(total_steps, enable=False)


def sample_inputs(names: tuple[str, ...], length: int) -> dict[str, Tensor]:
    """An example of every input, (1, length) int32."""
    return {name: torch.ones(1, length, dtype=torch.int32) for name in names}


def lean(student: Student) -> LeanBert:
    """The lean graph of `student`, at its full length."""
    return LeanBert(student.model, student.vocabulary.max_length)


class Signature(nn.Module):
    """One signature; a module of its own, since litert-torch keys signatures by module.

    The key of what it returns becomes the name of the output, by which apps ask for it.
    """

    def __init__(self, graph: LeanBert) -> None:
        super().__init__()
        self.lean = graph

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """Logits by name, for ids and mask, both (1, length)."""
        return {"logits": self.lean(input_ids, attention_mask)}


class WithSegments(nn.Module):
    """Takes segment ids, which the consumers feed as zeros, and ignores them."""

    def __init__(self, graph: LeanBert) -> None:
        super().__init__()
        self.lean = graph

    def forward(self, ids: Tensor, mask: Tensor, segment_ids: Tensor) -> Tensor:
        """Logits (1, labels) for three inputs, all (1, length)."""
        logits: Tensor = self.lean(ids, mask)
        # An input without a use is dropped from the file, and the consumers insist on three.
        return logits + 0.0 * segment_ids[:, :1].float()
