"""What a `.pte` file holds, read without running it; so it is the same on every computer.

The name of a kernel is not: XNNPACK chooses kernels by the processor it runs on.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ...base.quiet import hushed

# The data types of an int8 product, in XNNPACK's schema: activations quantized for each inference,
# weights with a scale for each channel.
INT8_INPUT, INT8_WEIGHTS = "xnn_datatype_qdint8", "xnn_datatype_qcint8"


@dataclass(frozen=True)
class Program:
    """What a `.pte` holds."""

    constants: tuple[bytes, ...]
    delegates: tuple[bytes, ...]  # each in its backend's own format
    kernels: Counter[str]  # operators outside the delegates, by name


def read(path: Path) -> Program:
    """Read the program's plan and data."""
    with hushed():
        from executorch.exir._serialize._program import deserialize_pte_binary
        from executorch.exir.schema import KernelCall

    file = deserialize_pte_binary(path.read_bytes())
    (plan,) = file.program.execution_plan
    calls = [i.instr_args for chain in plan.chains for i in chain.instructions]
    named = file.named_data.buffers if file.named_data else ()
    return Program(
        (*(bytes(b.storage) for b in file.program.constant_buffer), *map(bytes, named)),
        tuple(bytes(delegate.data) for delegate in file.program.backend_delegate_data),
        Counter(plan.operators[c.op_index].name for c in calls if isinstance(c, KernelCall)),
    )


# Numbers that JSON does not have, as flatc writes them and as Python reads them; or a string.
BARE_WORDS = {"inf": "Infinity", "nan": "NaN"}
BARE = re.compile(r'"(?:[^"\\]|\\.)*"|\b(?:inf|nan)\b')


@dataclass(frozen=True)
class Delegated:
    """Operators of one graph that XNNPACK runs."""

    count: int
    int8_products: int  # linears over int8 activations and int8 weights per channel


def read_delegate(delegate: bytes) -> Delegated:
    """What one delegate of XNNPACK holds, by ExecuTorch's own schema and reader."""
    graph = _to_json(delegate)
    types = dict(map(_type_of, graph["xvalues"]))
    nodes = [node["xnode_union"] for node in graph["xnodes"]]
    linears = [n for n in graph["xnodes"] if n["xnode_union_type"] == "XNNFullyConnected"]
    pairs = [
        (types[n["xnode_union"]["input1_id"]], types[n["xnode_union"]["filter_id"]])
        for n in linears
    ]
    return Delegated(len(nodes), pairs.count((INT8_INPUT, INT8_WEIGHTS)))


def _type_of(value: Mapping[str, Any]) -> tuple[int, str]:
    """Id and data type of one value of the graph."""
    tensor = value["xvalue_union"]
    tensor = tensor.get("tensor_value", tensor)  # that of a quantized one
    return tensor["id_out"], tensor["datatype"]


def _to_json(delegate: bytes) -> dict[str, Any]:
    with hushed():
        from executorch.backends.xnnpack import serialization
        from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader
        from executorch.exir._serialize._flatbuffer import _flatc_decompile

    header = XNNHeader.from_bytes(delegate[: XNNHeader.EXPECTED_LENGTH])
    end = header.flatbuffer_offset + header.flatbuffer_size
    with TemporaryDirectory() as folder:
        schema, graph = Path(folder) / "schema.fbs", Path(folder) / "graph.bin"
        schema.write_bytes((files(serialization) / "schema.fbs").read_bytes())
        graph.write_bytes(delegate[header.flatbuffer_offset : end])
        _flatc_decompile(folder, str(schema), str(graph))
        return parse_graph(graph.with_suffix(".json").read_text(encoding="utf-8"))


def parse_graph(text: str) -> dict[str, Any]:
    """JSON as flatc writes it, in which a ReLU ends at a bare `inf`."""
    read: dict[str, Any] = json.loads(
        BARE.sub(lambda found: BARE_WORDS.get(found[0], found[0]), text)
    )
    return read
