"""An evaluator of saved Core ML programs in numpy: what the package on disk computes, off a Mac.

It reads manifest, specification and weight file itself, and computes each MIL operation in the
precision that the specification states, rounding to fp16 after every fp16 operation. It knows
nothing of Core ML's compiler, of placement, or of the Neural Engine's numerics, and proves nothing
about them. Operations after the MIL reference (coremltools documentation, `iOS15` to `iOS17` ops).
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...base.errors import BundleError

Array = NDArray[Any]
BLOB_SENTINEL = 0xDEADBEEF  # opens every blob's metadata in weight.bin
# MIL data types (MIL.proto) and blob data types, as numpy's.
TYPES = {1: "bool", 10: "float16", 11: "float32", 12: "float64", 21: "int8", 22: "int16"}
TYPES |= {23: "int32", 24: "int64", 31: "uint8", 32: "uint16"}
NAMED = {"fp16": "float16", "fp32": "float32", "int32": "int32", "int8": "int8", "bool": "bool"}
NAMED |= {"int16": "int16", "uint16": "uint16", "uint8": "uint8"}


@dataclass(frozen=True)
class _Step:
    """One operation, ready to run: its constant arguments, and where the others come from."""

    compute: Callable[[Mapping[str, Any]], Array]
    constants: Mapping[str, Array]
    names: Mapping[str, str]
    output: str
    dtype: str


class Package:
    """A saved `.mlpackage` with one `main` function, ready to be evaluated."""

    def __init__(self, path: Path) -> None:
        """Read and parse the package; constants are decoded once.

        Raises:
            BundleError: a part is missing, damaged, or uses an operation not known here.
        """
        from coremltools.proto import Model_pb2
        from google.protobuf.message import Error as ProtobufError

        try:
            manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
            entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
            file = path / "Data" / entry["path"]
            spec = Model_pb2.Model.FromString(file.read_bytes())
            self._weights = (file.parent / "weights" / "weight.bin").read_bytes()
            function = spec.mlProgram.functions["main"]
            block = function.block_specializations[function.opset]
            self.outputs = tuple(block.outputs)
            self._constants: dict[str, Array] = {}
            left = [op for op in block.operations if not self._fold(op)]
            unknown = sorted({op.type for op in left} - OPERATIONS.keys())
            self._steps = [] if unknown else [self._bind(op) for op in left]
        except (OSError, KeyError, ValueError, TypeError, struct.error, ProtobufError) as error:
            raise BundleError(
                f"{path}: not a readable Core ML package ({error}). Lower it again."
            ) from error
        if unknown:
            raise BundleError(
                f"{path}: uses {', '.join(unknown)}, which the evaluator does not know. "
                "Check this package on macOS."
            )

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, for `inputs` by name."""
        values = dict(self._constants)
        values.update(inputs)
        with np.errstate(over="ignore", invalid="ignore"):  # fp16 overflows as on the device
            for step in self._steps:
                named = {name: values[source] for name, source in step.names.items()}
                result = step.compute({**step.constants, **named})
                values[step.output] = result.astype(step.dtype, copy=False)
        return {name: values[name] for name in self.outputs}

    @property
    def operations(self) -> int:
        """How many operations are computed; constants do not count."""
        return len(self._steps)

    def blobs(self) -> tuple[bytes, ...]:
        """Content of every blob in weight.bin, in its order."""
        # Each begins at a multiple of 64 with its metadata; the file's header is of that size, too.
        marks = range(64, len(self._weights) - 24, 64)
        sentinel = struct.pack("<I", BLOB_SENTINEL)
        starts = [at for at in marks if self._weights[at : at + 4] == sentinel]
        return tuple(self._blob(at).tobytes() for at in starts)

    def _fold(self, op: Any) -> bool:
        """Keep the value of an operation that has no inputs but constants; False for others."""
        if op.type == "const":
            self._constants[op.outputs[0].name] = self._decode(op.attributes["val"])
        elif op.type == "constexpr_affine_dequantize":
            attributes = {name: self._decode(value) for name, value in op.attributes.items()}
            self._constants[op.outputs[0].name] = _dequantize(attributes)
        else:
            return False
        return True

    def _bind(self, op: Any) -> "_Step":
        """Tell constant arguments from computed ones once; protobuf is slow to ask each time."""
        constants, names = dict[str, Array](), dict[str, str]()
        for name, argument in op.inputs.items():
            (bound,) = argument.arguments  # no operation here takes a list of tensors
            if bound.WhichOneof("binding") == "value":
                constants[name] = self._decode(bound.value)
            elif bound.name in self._constants:
                constants[name] = self._constants[bound.name]
            else:
                names[name] = bound.name
        if op.type in ("linear", "layer_norm"):  # these widen what they sum: once is enough
            constants = {name: _wide(value) for name, value in constants.items()}
        output = op.outputs[0]
        dtype = TYPES[output.type.tensorType.dataType]
        return _Step(OPERATIONS[op.type], constants, names, output.name, dtype)

    def _decode(self, value: Any) -> Array:
        kind = value.type.tensorType
        dtype = np.dtype(TYPES.get(kind.dataType, "object"))
        shape = [dimension.constant.size for dimension in kind.dimensions]
        if value.WhichOneof("value") == "blobFileValue":
            return self._blob(value.blobFileValue.offset).reshape(shape)
        tensor = value.immediateValue.tensor
        field = tensor.WhichOneof("value")
        content = getattr(tensor, field).values
        if field == "bytes":  # fp16 and small integers are stored raw
            return np.frombuffer(content, dtype).reshape(shape)
        return np.array(list(content), dtype).reshape(shape)

    def _blob(self, offset: int) -> Array:
        """A blob of weight.bin: sentinel, data type, size in bytes, offset of the content."""
        sentinel, kind, size, start = struct.unpack_from("<IIQQ", self._weights, offset)
        if sentinel != BLOB_SENTINEL or start + size > len(self._weights):
            raise ValueError(f"weight.bin holds no whole blob at byte {offset}")
        dtype = {1: "float16", 2: "float32", 3: "uint8", 4: "int8"}[kind]
        return np.frombuffer(self._weights, dtype, size // np.dtype(dtype).itemsize, start)


def _dequantize(a: Mapping[str, Array]) -> Array:
    data, scale, zero = a["quantized_data"], a["scale"], a["zero_point"]
    if scale.ndim:  # one a channel along `axis`
        shape = [1] * data.ndim
        shape[int(a["axis"])] = -1
        scale, zero = scale.reshape(shape), zero.reshape(shape)
    dequantized: Array = (data.astype(np.float32) - zero) * scale.astype(np.float32)
    return dequantized.astype(a["scale"].dtype)


def _wide(array: Array) -> Array:
    """fp16 as fp32: sums are accumulated wide, and rounded once where the result is stored."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _linear(a: Mapping[str, Any]) -> Array:
    product: Array = _wide(a["x"]) @ _wide(a["weight"]).T
    return product + _wide(a["bias"]) if "bias" in a else product


def _matmul(a: Mapping[str, Any]) -> Array:
    x, y = _wide(a["x"]), _wide(a["y"])
    x = x.swapaxes(-1, -2) if a.get("transpose_x", False) else x
    y = y.swapaxes(-1, -2) if a.get("transpose_y", False) else y
    product: Array = x @ y
    return product


def _softmax(a: Mapping[str, Any]) -> Array:
    x, axis = _wide(a["x"]), int(a["axis"])
    powers = np.exp(x - x.max(axis, keepdims=True))
    share: Array = powers / powers.sum(axis, keepdims=True)
    return share


def _layer_norm(a: Mapping[str, Any]) -> Array:
    x, axes = _wide(a["x"]), tuple(np.atleast_1d(a["axes"]))
    centred = x - x.mean(axes, keepdims=True)
    norm = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + float(a["epsilon"]))
    scaled: Array = norm * _wide(a["gamma"])
    return scaled + _wide(a["beta"]) if "beta" in a else scaled


def _gelu(a: Mapping[str, Any]) -> Array:
    mode = str(a["mode"])
    if mode not in ("EXACT", "TANH_APPROXIMATION"):
        raise BundleError(f"gelu mode {mode} is not known here. Check this package on macOS.")
    approximate = "none" if mode == "EXACT" else "tanh"
    import torch

    x = torch.from_numpy(np.ascontiguousarray(_wide(a["x"])))
    return torch.nn.functional.gelu(x, approximate=approximate).numpy()


def _slice_by_index(a: Mapping[str, Any]) -> Array:
    x: Array = a["x"]
    masks = {
        name: np.broadcast_to(a.get(name, False), x.ndim)
        for name in ("begin_mask", "end_mask", "squeeze_mask")
    }
    stride = np.broadcast_to(a.get("stride", 1), x.ndim)
    index: list[int | slice] = []
    for axis in range(x.ndim):
        begin, end = int(a["begin"][axis]), int(a["end"][axis])
        if masks["squeeze_mask"][axis]:
            index.append(begin)
        else:
            index.append(
                slice(
                    None if masks["begin_mask"][axis] else begin,
                    None if masks["end_mask"][axis] else end,
                    int(stride[axis]),
                )
            )
    return x[tuple(index)]


def _gather(a: Mapping[str, Any]) -> Array:
    indices, axis, size = a["indices"], int(a["axis"]), a["x"].shape[int(a["axis"])]
    if indices.size and not (-size <= indices.min() and indices.max() < size):
        raise BundleError(f"gather index {indices.max()} is outside a table of {size} rows.")
    rows: Array = np.take(a["x"], indices, axis)
    return rows


OPERATIONS: dict[str, Callable[[Mapping[str, Any]], Array]] = {
    "add": lambda a: a["x"] + a["y"],
    "sub": lambda a: a["x"] - a["y"],
    "mul": lambda a: a["x"] * a["y"],
    "relu": lambda a: np.maximum(_wide(a["x"]), 0),
    "tanh": lambda a: np.tanh(_wide(a["x"])),
    "cast": lambda a: a["x"].astype(NAMED[str(a["dtype"])]),
    "identity": lambda a: a["x"],
    "reshape": lambda a: a["x"].reshape(a["shape"]),
    "transpose": lambda a: a["x"].transpose(a["perm"]),
    "expand_dims": lambda a: np.expand_dims(a["x"], tuple(np.atleast_1d(a["axes"]))),
    "greater_equal": lambda a: a["x"] >= a["y"],
    "select": lambda a: np.where(a["cond"], a["a"], a["b"]),
    "gather": _gather,
    "gelu": _gelu,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "matmul": _matmul,
    "slice_by_index": _slice_by_index,
    "softmax": _softmax,
}
