"""What a `.pte` file holds, read without running it."""

import struct
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Program:
    """What a `.pte` holds."""

    constants: tuple[bytes, ...]
    delegates: tuple[bytes, ...]  # each in its backend's own format
    kernels: Counter[str]  # operators outside the delegates, by name


def read(path: Path) -> Program:
    """Read the program's plan and data."""
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


def count_nodes(delegate: bytes) -> int:
    """Operators in one graph of XNNPACK, in the layout of backends/xnnpack/serialization."""
    from flatbuffers.table import Table

    (start,) = struct.unpack_from("<I", delegate, 10)  # behind zeros, magic and header length
    (root,) = struct.unpack_from("<I", delegate, start)
    table: Any = Table(delegate, start + root)
    count: int = table.VectorLen(table.Offset(6))  # field 1, xnodes
    return count
