"""ExecuTorch: int8 linears, int8 or int4 embedding, XNNPACK delegate, any length, one `.pte`.

Calls after the ExecuTorch and torchao documentation (XNNPACK backend, `quantize_`).
"""

import ctypes
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.contents import Contents
from pipeline.errors import BundleError, TargetUnavailable
from pipeline.graph import LeanBert, with_matrix_norms
from pipeline.inference import Logits
from pipeline.recipes import EMBEDDING, Recipe
from pipeline.student import Student
from pipeline.targets.base import Artifact, RowRunner, check_recipe
from pipeline.vocabulary import Ids

DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 dynamic activations, int8 embedding",
    "int4-embedding": "int8 weights per channel, int8 dynamic activations, int4 embedding",
    "float": "float32 weights and activations",
}
GROUP = 32  # weights of a row that share a scale in int4
INT4: torch.dtype = vars(torch)["int4"]  # which torch's types leave out
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
            quantization=DESCRIPTIONS[recipe.name],
            min_runtime=f"executorch {version('executorch')}",
        )

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into the ExecuTorch runtime of this process."""
        try:
            import executorch.kernels.quantized  # noqa: F401  its kernels are needed at run time too
            from executorch.runtime import Runtime, Verification
        except ImportError as error:
            raise TargetUnavailable(f"executorch: no runtime here ({error}).") from error
        _use_one_thread()
        try:
            # Minimal verification, the C++ default, lets a corrupt header kill the process.
            program = Runtime.get().load_program(
                artifact.path, verification=Verification.InternalConsistency
            )
            method = program.load_method("forward")
        except RuntimeError as error:
            raise BundleError(f"{artifact.path}: ExecuTorch refuses the file ({error}).") from error

        def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
            inputs = [torch.from_numpy(input_ids), torch.from_numpy(attention_mask)]
            logits: Logits = method.execute(inputs)[0].numpy()
            return logits

        return RowRunner(artifact, f"ExecuTorch {version('executorch')}", execute)

    def read(self, artifact: Artifact) -> Contents:
        """Constants of program and delegates; operators of the plan, and of XNNPACK's graphs."""
        from executorch.exir._serialize._program import deserialize_pte_binary
        from executorch.exir.schema import KernelCall

        file = deserialize_pte_binary(artifact.path.read_bytes())
        (plan,) = file.program.execution_plan
        calls = [i.instr_args for chain in plan.chains for i in chain.instructions]
        kernels = [plan.operators[c.op_index].name for c in calls if isinstance(c, KernelCall)]
        named = file.named_data.buffers if file.named_data else ()
        return Contents(
            blobs=(*(bytes(b.storage) for b in file.program.constant_buffer), *map(bytes, named)),
            delegated=sum(_nodes(bytes(d.data)) for d in file.program.backend_delegate_data),
            outside=Counter(kernels),
        )


class _PlatformTable(ctypes.Structure):
    """ExecuTorch's `PalImpl`: the functions through which the runtime reaches its platform."""

    _fields_ = [
        (name, ctypes.c_void_p)
        for name in ("init", "abort", "ticks", "ratio", "log", "allocate", "free", "source")
    ]


@cache
def _use_one_thread() -> None:
    """Give the runtime one thread: fastest for a small student, and only so are times comparable.

    Must happen before any method is loaded; later it kills the process.
    """
    from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool

    with _silent_log():
        _unsafe_reset_threadpool(1)


@contextmanager
def _silent_log() -> Iterator[None]:
    """Keep the runtime from logging, in the block, the CPU files it reads to size its threads.

    Those lines come from C++ and have no switch. The log function in the platform's table,
    ExecuTorch's own means to redirect them, does nothing meanwhile; errors are exceptions anyway.
    """
    spec = find_spec("executorch")
    assert spec is not None and spec.submodule_search_locations, "imported by the caller"
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    try:
        runtime = ctypes.CDLL(str(next(folder.glob("libexecutorch.*"))))
        table = runtime._ZN10executorch7runtime12get_pal_implEv
    except (StopIteration, OSError, AttributeError):
        yield  # another build of the runtime: its lines are printed
        return
    table.restype = ctypes.POINTER(_PlatformTable)
    platform = table().contents
    loud = platform.log
    # Any C function that takes nothing and does nothing; register_pal would log a line of its own.
    platform.log = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    try:
        yield
    finally:
        platform.log = loud


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
        "int4": IntxWeightOnlyConfig(weight_dtype=INT4, granularity=PerGroup(GROUP)),
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
