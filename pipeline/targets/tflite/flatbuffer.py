"""Surgery on `.tflite` files: buffers inside, honest operator versions, nothing said twice.

It converts and runs nothing. Schema: tensorflow/compiler/mlir/lite/schema/schema.fbs.
"""

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
# The 2023 Task Library accepts FULLY_CONNECTED up to 10 and EMBEDDING_LOOKUP up to 3, and computes
# garbage for per-channel dynamic int8. These versions make it refuse the file; LiteRT, MediaPipe
# and LiteRT.js accept them.
DYNAMIC_INT8_VERSIONS = {
    schema.BuiltinOperator.FULLY_CONNECTED: 12,
    schema.BuiltinOperator.EMBEDDING_LOOKUP: 4,
}


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes equal vectors once, however many tables refer to them.

    Weights excepted: where the quantizer stored one twice, reading the file back must show it.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802  the builder's own name
        key = x.dtype.str, x.tobytes()
        if x.dtype == np.uint8 or key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


def tidy(model: bytes, *, refuse_old_runtimes: bool) -> bytes:
    """Rewrite a quantized model so that every runtime reads what the quantizer meant.

    - Buffers that the quantizer put behind the flatbuffer move inside: tflite-support drops the
      former without an error, and TensorFlowLiteC 2.17 on iOS fails on them.
    - Equal shapes and quantization parameters are written once, the scales of an int8 table
      become a table, and inner tensors lose their names: together a third of a small file.
    - With `refuse_old_runtimes`, operators carry the version that makes the 2023 runtime refuse.
    """
    root = schema.ModelT.InitFromPackedBuf(model, 0)
    for buffer in root.buffers:
        if buffer.offset > 1:  # 0 and 1 mean: no external data
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    _look_up_scales(root)
    _drop_inner_names(root)
    if refuse_old_runtimes:
        for code in root.operatorCodes:
            code.version = DYNAMIC_INT8_VERSIONS.get(code.builtinCode, code.version)
    builder = _Builder(len(model))
    builder.Finish(root.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _look_up_scales(root: Any) -> None:
    """Give int8 tables one scale, 1, and multiply what is looked up by the scale of its row.

    A scale among the quantization parameters takes 12 bytes, since it must have a zero point, and
    LiteRT copies both for every signature. In a table of their own the scales take 4, and the
    products are the same floats to the last bit.
    """
    kinds = [code.builtinCode for code in root.operatorCodes]
    buffers: dict[int, int] = {}  # that of the scales, by that of the table
    for graph in root.subgraphs:
        makers = {operator.outputs[0]: operator for operator in graph.operators}
        operators = []
        for operator in graph.operators:
            operators.append(operator)
            if kinds[operator.opcodeIndex] != schema.BuiltinOperator.EMBEDDING_LOOKUP:
                continue
            # Where activations stay in float, a DEQUANTIZE stands between table and lookup.
            maker = makers.get(operator.inputs[1])
            table = graph.tensors[maker.inputs[0] if maker else operator.inputs[1]]
            if not _has_scales_by_row(table):
                continue
            if table.buffer not in buffers:
                buffers[table.buffer] = len(root.buffers)
                root.buffers.append(schema.BufferT(data=table.quantization.scale.view(np.uint8)))
            table.quantization.scale = np.ones(1, np.float32)
            table.quantization.zeroPoint = np.zeros(1, np.int64)
            scales = _add_floats(graph, table.shape[0], 1, buffers[table.buffer])
            product = kinds.index(schema.BuiltinOperator.MUL)  # every graph has one, of its mask
            operators += _scale_rows(graph, operator, scales, product)
        graph.operators = operators


def _has_scales_by_row(table: Any) -> bool:
    parameters = table.quantization
    return bool(
        table.type == schema.TensorType.INT8
        and parameters.quantizedDimension == 0
        and len(parameters.scale) > 1
        and not parameters.zeroPoint.any()
    )


def _scale_rows(graph: Any, lookup: Any, scales: int, product: int) -> tuple[Any, Any]:
    """The operators that multiply the rows `lookup` finds by theirs of the tensor `scales`."""
    ids, scaled = lookup.inputs[0], lookup.outputs
    count, width = graph.tensors[scaled[0]].shape
    rows, factors = _add_floats(graph, count, width), _add_floats(graph, count, 1)
    lookup.outputs = _int32(rows)
    return (
        schema.OperatorT(
            opcodeIndex=lookup.opcodeIndex, inputs=_int32(ids, scales), outputs=_int32(factors)
        ),
        schema.OperatorT(
            opcodeIndex=product,
            inputs=_int32(rows, factors),
            outputs=scaled,
            builtinOptionsType=schema.BuiltinOptions.MulOptions,
            builtinOptions=schema.MulOptionsT(),
        ),
    )


def _add_floats(graph: Any, rows: int, columns: int, buffer: int = 0) -> int:
    """Add a float tensor to `graph`, constant where it has a buffer; its index."""
    graph.tensors.append(
        schema.TensorT(
            shape=_int32(rows, columns),
            type=schema.TensorType.FLOAT32,
            buffer=buffer,
            hasRank=True,
        )
    )
    return len(graph.tensors) - 1


def _int32(*values: int) -> Any:
    return np.array(values, np.int32)


def _drop_inner_names(root: Any) -> None:
    for graph in root.subgraphs:
        visible = {*graph.inputs, *graph.outputs}
        for index, tensor in enumerate(graph.tensors):
            if index not in visible:
                tensor.name = None
