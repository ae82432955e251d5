"""What both TFLite targets share: litert-torch, the quantizer, LiteRT's interpreter."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import BundleError, TargetUnavailable
from pipeline.graph import LeanBert
from pipeline.inference import Logits
from pipeline.quiet import without_line
from pipeline.student import Student
from pipeline.targets.base import Artifact, RowRunner
from pipeline.vocabulary import Ids

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


def quantize(model: bytes, recipe: str) -> bytes:
    """Quantize a float flatbuffer by the `recipe` of that name in ai-edge-quantizer."""
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as recipes
    from ai_edge_quantizer.utils import progress_utils

    # One of the quantizer's two bars ignores enable_progress_bar (0.10.0).
    progress_utils.ProgressBar = _no_bar(progress_utils.ProgressBar)
    work = quantizer.Quantizer(bytearray(model))
    work.load_quantization_recipe(getattr(recipes, recipe)())
    result = work.quantize(enable_progress_bar=False, enable_progress_report=False)
    return bytes(result.quantized_model)


def _no_bar(bar: type) -> Callable[..., Any]:
    return lambda total_steps=0, *_, **__: bar(total_steps, enable=False)


def load(artifact: Artifact) -> RowRunner:
    """Load into LiteRT's `Interpreter`; `CompiledModel` crashes the process on a damaged file.

    Every length runs on one thread: XNNPACK's pool spins, and stalls on a busy machine.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise TargetUnavailable(f"{artifact.target}: no LiteRT here ({error}).") from error
    try:
        interpreter = Interpreter(model_path=str(artifact.path), num_threads=1)
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


def lengths_up_to(longest: int) -> tuple[int, ...]:
    """Signature lengths: a quarter, a half and all of the longest text, as most are short."""
    return tuple(sorted({max(8, longest // 4), max(8, longest // 2), longest}))


def sample_inputs(names: tuple[str, ...], length: int) -> dict[str, Tensor]:
    """An example of every input, (1, length) int32."""
    return {name: torch.ones(1, length, dtype=torch.int32) for name in names}


def lean(student: Student) -> LeanBert:
    """The lean graph of `student`, at its full length."""
    return LeanBert(student.model, student.vocabulary.max_length)
