"""Surgery on `.tflite` files: buffers inside, honest operator versions, no copies.

It converts and runs nothing. Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
# The 2023 Task Library accepts FULLY_CONNECTED up to 10 and EMBEDDING_LOOKUP up to 3, and computes
# garbage for per-channel dynamic int8. These versions make it refuse the file; LiteRT, MediaPipe
# and LiteRT.js accept them.
DYNAMIC_INT8_VERSIONS = {
    schema.BuiltinOperator.FULLY_CONNECTED: 12,
    schema.BuiltinOperator.EMBEDDING_LOOKUP: 4,
}


class _Shared:
    """A table that packs itself once, however many parents it has."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._offset: int | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802  the generated code's name
        if self._offset is None:
            self._offset = self._table.Pack(builder)
        return self._offset


def tidy(model: bytes, *, refuse_old_runtimes: bool) -> bytes:
    """Rewrite a quantized model so that every runtime reads what the quantizer meant.

    - Buffers that the quantizer put behind the flatbuffer move inside: tflite-support drops the
      former without an error, and TensorFlowLiteC 2.17 on iOS fails on them.
    - Signatures share their tensors' quantization parameters, which are repeated otherwise, and
      inner tensors lose their names: together a seventh of a small file.
    - With `refuse_old_runtimes`, operators carry the version that makes the 2023 runtime refuse.
    """
    root = schema.ModelT.InitFromPackedBuf(model, 0)
    for buffer in root.buffers:
        if buffer.offset > 1:  # 0 and 1 mean: no external data
            buffer.data = memoryview(model)[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    _share_quantization(root)
    _drop_inner_names(root)
    if refuse_old_runtimes:
        for code in root.operatorCodes:
            code.version = DYNAMIC_INT8_VERSIONS.get(code.builtinCode, code.version)
    builder = flatbuffers.Builder(len(model))
    builder.Finish(root.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _share_quantization(root: Any) -> None:
    known: dict[bytes, _Shared] = {}
    for graph in root.subgraphs:
        for tensor in graph.tensors:
            if tensor.quantization is not None and tensor.quantization.scale is not None:
                alone = flatbuffers.Builder()
                alone.Finish(tensor.quantization.Pack(alone))
                tensor.quantization = known.setdefault(
                    bytes(alone.Output()), _Shared(tensor.quantization)
                )


def _drop_inner_names(root: Any) -> None:
    for graph in root.subgraphs:
        visible = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in visible:
                tensor.name = None
