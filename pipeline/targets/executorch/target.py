"""ExecuTorch: int8 linears, int8 or int4 embedding, XNNPACK delegate, any length, one `.pte`.

Calls after the ExecuTorch and torchao documentation (XNNPACK backend, `quantize_`).
"""

import struct
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..inspect import Contents
from ...base.errors import TargetUnavailable
from ...models.lean import LeanBert, with_matrix_norms
from ...base.recipes import EMBEDDING, INT4_GROUP, Recipe
from ...models.student import Student
from . import program as pte
from ..base import Artifact, RowRunner, check_recipe, describe
from .profile import time_operators

DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 dynamic activations, int8 embedding",
    "int4-embedding": "int8 weights per channel, int8 dynamic activations, int4 embedding",
    "float": "float32 weights and activations",
}
INT4: torch.dtype = vars(torch)["int4"]  # which torch's types leave out
INT8_PRODUCT = "Fully Connected (NC, QD8, F32, QC8W) GEMM"  # as XNNPACK calls it
SHORTEST = 2  # [CLS] and [SEP]; torch.export specialises a dimension of 1


class ExecuTorch:
    """8-bit dynamic activations and per-channel 8-bit weights in linears, 8-bit embedding rows."""

    name = "executorch"
    suffix = ".pte"
    recipes = ("int8", "int4-embedding", "float")

    def lower(self, student: Student, out: Path, recipe: Recipe) -> Artifact:
        """Write `executorch.pte`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        try:
            import executorch.exir  # noqa: F401  both are used further down
            import torchao.quantization  # noqa: F401
        except ImportError as error:
            raise TargetUnavailable(
                f"executorch: the toolchain cannot be imported here ({error}). Install "
                "executorch and torchao as pinned, or choose other --targets."
            ) from error
        longest = student.vocabulary.max_length
        graph = LeanBert(student.model, longest)
        path = out / f"{self.name}{self.suffix}"
        path.write_bytes(_lower(_quantize(graph, recipe), longest))
        return Artifact(
            target=self.name,
            path=path,
            inputs=("input_ids", "attention_mask"),
            dtype="int64",
            lengths=(SHORTEST, longest),
            dynamic=True,
            vocabulary=len(student.vocabulary),
            recipe=recipe,
            quantization=describe(DESCRIPTIONS[recipe.name], recipe),
            min_runtime=f"executorch {version('executorch')}",
        )

    def prepare(self) -> None:
        """Load the ExecuTorch runtime."""
        pte.prepare_runtime()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into the ExecuTorch runtime of this process."""
        return pte.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Constants; operators of the plan, and of XNNPACK's graphs; time, for which it is run."""
        program = pte.read(artifact.path)
        pte.prepare_runtime()
        times = time_operators(artifact.path, artifact.lengths[-1])
        return Contents(
            blobs=program.constants,
            delegated=sum(map(_nodes, program.delegates)),
            int8_products=times.calls[INT8_PRODUCT],
            outside=program.kernels,
            outside_time=times.outside_us / times.total_us,
        )


def _nodes(delegate: bytes) -> int:
    """Operators in one graph of XNNPACK, in the layout of backends/xnnpack/serialization."""
    from flatbuffers.table import Table

    (start,) = struct.unpack_from("<I", delegate, 10)  # behind zeros, magic and header length
    (root,) = struct.unpack_from("<I", delegate, start)
    table: Any = Table(delegate, start + root)
    count: int = table.VectorLen(table.Offset(6))  # field 1, xnodes
    return count


def _quantize(graph: LeanBert, recipe: Recipe) -> LeanBert:
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


def _lower(graph: LeanBert, longest: int) -> bytes:
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
