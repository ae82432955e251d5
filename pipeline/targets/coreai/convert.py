"""A student quantized by coreai-opt and converted by coreai-torch, after Apple's documentation."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from ...base.errors import TargetUnavailable
from ...base.extras import remedy
from ...base.quiet import hushed
from ...base.recipes import INT4_GROUP, Recipe
from ...models.lean import LeanBert
from .run import FUNCTION

SHORTEST = 2  # [CLS] and [SEP]; torch.export specialises a dimension of 1


@hushed()
def import_toolchain() -> None:
    """Import what quantizes and what converts.

    Raises:
        TargetUnavailable: one of them is not installed.
    """
    try:
        import coreai_opt.quantization  # noqa: F401
        import coreai_torch  # noqa: F401
    except ImportError as error:
        raise TargetUnavailable(
            f"coreai: the toolchain cannot be imported here ({error}). Run "
            f"{remedy('coreai_torch')}, or choose other --targets."
        ) from error


def quantize(graph: LeanBert, recipe: Recipe) -> nn.Module:
    """Store the weights of `graph` as `recipe` asks, in place."""
    from coreai_opt.quantization import ModuleQuantizerConfig, Quantizer, QuantizerConfig
    from coreai_opt.quantization.config import ExecutionMode

    presets = ModuleQuantizerConfig.presets
    configs = {"int8": presets.w8(), "int4": presets.w4_per_block(block_size=INT4_GROUP)}
    plan = graph.storage_plan(recipe)
    by_name = {path: configs[stored] for path, stored in plan.items() if stored != "float"}
    if not by_name:
        return graph
    # Eager, as Apple advises for weights alone: graph mode takes 13 s for the same numbers.
    config = QuantizerConfig(
        global_config=None, module_name_configs=by_name, execution_mode=ExecutionMode.EAGER
    )
    quantizer = Quantizer(graph, config)
    quantizer.prepare(_sample(graph.positions.shape[0]))
    quantized: nn.Module = quantizer.finalize()
    return quantized


@hushed()
def convert(graph: nn.Module, inputs: Sequence[str], lengths: tuple[int, ...]) -> Any:
    """One program with a function for each of `lengths`, all over the same weights."""
    from coreai_torch import TorchConverter, get_decomp_table

    tokens = torch.export.Dim("tokens", min=SHORTEST, max=lengths[-1])
    exported = torch.export.export(
        graph, _sample(lengths[-1]), dynamic_shapes=({1: tokens}, {1: tokens})
    ).run_decompositions(get_decomp_table())
    converter = TorchConverter().add_exported_program(
        exported, input_names=inputs, output_names=["logits"], entrypoint_name=FUNCTION
    )
    with redirect_stdout(io.StringIO()):  # it says what it does, and has no switch
        program = converter.to_coreai()
    # Quoted, since a bare number is no name: the functions are called length_8 and so on.
    shapes = {f'"{length}"': dict.fromkeys(inputs, (1, length)) for length in lengths}
    program.set_static_shape_config(FUNCTION, shapes)
    return program


def _sample(length: int) -> tuple[Tensor, Tensor]:
    ids = torch.ones(1, length, dtype=torch.int32)
    return ids, ids.clone()
