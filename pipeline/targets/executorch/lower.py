"""A student quantized by torchao and lowered to a `.pte` for XNNPACK.

Calls after the ExecuTorch and torchao documentation (XNNPACK backend, `quantize_`).
"""

import torch
from torch import nn

from ...base.quiet import hushed
from ...base.recipes import EMBEDDING, INT4_GROUP, Recipe
from ...models.lean import LeanBert, with_matrix_norms

INT4: torch.dtype = vars(torch)["int4"]  # which torch's types leave out
SHORTEST = 2  # [CLS] and [SEP]; torch.export specialises a dimension of 1


def quantize(graph: LeanBert, recipe: Recipe) -> LeanBert:
    """Store the weights of `graph` as `recipe` asks, in place."""
    from torchao.quantization import (
        Int8DynamicActivationIntxWeightConfig,
        IntxWeightOnlyConfig,
        quantize_,
    )
    from torchao.quantization.granularity import PerAxis, PerGroup
    from torchao.utils import unwrap_tensor_subclass

    plan = graph.storage_plan(recipe)
    # The default recipes skip the embedding, which is most of a small student.
    tables = {
        "int8": IntxWeightOnlyConfig(weight_dtype=torch.int8, granularity=PerAxis(0)),
        "int4": IntxWeightOnlyConfig(weight_dtype=INT4, granularity=PerGroup(INT4_GROUP)),
    }
    if plan[EMBEDDING] != "float":
        quantize_(
            graph, tables[plan[EMBEDDING]], lambda module, _: isinstance(module, nn.Embedding)
        )
    linear = Int8DynamicActivationIntxWeightConfig(
        weight_dtype=torch.int8, weight_granularity=PerAxis(0)
    )
    quantize_(
        graph,
        linear,
        lambda module, path: isinstance(module, nn.Linear) and plan.get(path) == "int8",
    )
    with_matrix_norms(graph)  # of the plain LayerNorm, XNNPACK takes nothing
    unwrap_tensor_subclass(graph)
    return graph


@hushed()
def lower(graph: LeanBert, longest: int) -> bytes:
    """The `.pte` of `graph`, for 2 to `longest` tokens."""
    import executorch.kernels.quantized  # noqa: F401  registers the out-variants of int8 ops
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import (
        EdgeCompileConfig,
        ExecutorchBackendConfig,
        to_edge_transform_and_lower,
    )

    ids = torch.ones(1, longest // 2, dtype=torch.int64)
    sequence = torch.export.Dim("sequence", min=SHORTEST, max=longest)
    shapes = ({1: sequence}, {1: sequence})
    exported = torch.export.export(graph, (ids, ids.clone()), dynamic_shapes=shapes, strict=True)
    edge = to_edge_transform_and_lower(
        exported,
        partitioner=[XnnpackPartitioner()],
        compile_config=EdgeCompileConfig(_check_ir_validity=False),
    )
    # Fuses the int8 embedding: without it the float table would be stored.
    config = ExecutorchBackendConfig(do_quant_fusion_and_const_prop=True)
    buffer: bytes = edge.to_executorch(config).buffer
    return buffer
