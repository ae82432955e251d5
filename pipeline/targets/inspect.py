"""What an artefact holds, read back from disk: which weight is stored how, and what runs where.

A stored blob is known by its values, not by a name that a toolchain gave it: int8 rows point where
the float rows point. So this also finds weights that are missing or stored twice; that each is used
in its place, only the agreement of the answers tells. It knows no format; each target extracts its
own blobs and operators.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..base.config import Gates
from ..base.recipes import EMBEDDING, Recipe, Storage

if TYPE_CHECKING:
    from ..models.lean import LeanBert

SAMPLED_ROWS = 64
# 1 - cosine of rows: int8 rows have .001, int4 rows .03, rows of another matrix more than .7.
LARGEST_ERROR = 0.1
TINY = 1e-6  # rounding of a cosine
OTHER = "scales and small constants"
# A matrix product, by the names that ExecuTorch and LiteRT give one.
PRODUCT = re.compile(
    r"(^|[:_])(linear|(add|b|badd)?mm|matmul|fully_connected|conv(olution|_?\dd))(_|\.|$)",
    re.IGNORECASE,
)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Graph:
    """The operators of one entry point of an artefact."""

    delegated: int | None  # operators that the fast kernels run; None where the device decides
    int8_products: int | None  # matrix products over int8 activations; None where there are none
    outside: Mapping[str, int] = field(default_factory=dict)  # the others, by name
    name: str = ""  # where an artefact has several: that of the signature


@dataclass(frozen=True)
class Contents:
    """Constants and operators of one artefact."""

    blobs: tuple[bytes, ...]
    graphs: tuple[Graph, ...]
    vocabulary_bytes: int = 0


@dataclass(frozen=True)
class Stored:
    """The contents of an artefact, held against the student and its recipe."""

    size_bytes: int
    bytes_by_part: dict[str, int]
    delegated: int | None  # operators of all graphs together, likewise below
    outside: dict[str, int]
    failures: tuple[str, ...]


def examine(
    target: str,
    contents: Contents,
    size_bytes: int,
    graph: "LeanBert",
    recipe: Recipe,
    gates: Gates,
) -> Stored:
    """Find every weight of `graph` among the blobs, and check how it is stored.

    Args:
        target: for messages.
        size_bytes: of the artefact, metadata included.
        gates: how many of the operators may run outside the fast kernels.
    """
    modules = dict(graph.named_modules())
    plan = graph.storage_plan(recipe)
    weights = {path: modules[path].weight.numpy() for path in plan}
    found: dict[str, list[str]] = {path: [] for path in weights}
    parts = dict.fromkeys(("embedding", "attention", "feed-forward", "head", OTHER), 0)
    matched = match(contents.blobs, weights)
    for number, blob in enumerate(contents.blobs):
        path, storage = matched.get(number, (None, ""))
        parts[_part(path) if path else OTHER] += len(blob)
        if path:
            found[path].append(storage)
    parts["vocabulary"] = contents.vocabulary_bytes
    parts["graph and padding"] = size_bytes - sum(parts.values())
    failures = [
        f"{target}: {path}.weight is stored as {' and '.join(found[path]) or 'nothing known'}, "
        f"and the recipe {recipe.name} asks for one {wanted}. Lower it again with the pinned "
        "versions (pocketbert doctor lists them)."
        for path, wanted in plan.items()
        if [kind.rstrip("1236") if "float" in kind else kind for kind in found[path]] != [wanted]
    ]
    for inner in contents.graphs:
        where = f"{target}, {inner.name}" if inner.name else target
        failures += _activation_failures(where, inner, recipe, plan)
        failures += _delegation_failures(where, inner, gates)
    return Stored(
        size_bytes,
        parts,
        _total(inner.delegated for inner in contents.graphs),
        dict(sum((Counter(inner.outside) for inner in contents.graphs), Counter[str]())),
        tuple(failures),
    )


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def match(blobs: Sequence[bytes], weights: Mapping[str, Floats]) -> dict[int, tuple[str, str]]:
    """Which of `weights` (rows, columns) a blob stores, and as what, by the blob's number.

    It is the one that fits best, and each is stored once if there are blobs for all of them: layers
    that were cut from the same one of the teacher may be alike to more than their last bit.
    """
    fits = [
        (error, number, path, storage)
        for number, blob in enumerate(blobs)
        for error, path, storage in _fits(blob, weights)
    ]
    fits.sort(key=lambda fit: fit[0])
    found, stored = dict[int, tuple[str, str]](), set[str]()
    for may_repeat in (False, True):
        for _, number, path, storage in fits:
            if number not in found and (may_repeat or path not in stored):
                found[number] = path, storage
                stored.add(path)
    return found


def _fits(blob: bytes, weights: Mapping[str, Floats]) -> list[tuple[float, str, str]]:
    """The weights that `blob` may store, with its error and its storage."""
    fits = []
    for path, weight in weights.items():
        step = max(1, len(weight) // SAMPLED_ROWS)
        for storage, rows in _readings(blob, weight.shape):
            error = 1 - _cosine(rows[::step], weight[::step])
            if error <= LARGEST_ERROR:
                fits.append((error, path, storage))
    least = min((error for error, *_ in fits), default=0.0)
    # A weight that fits clearly worse than another one is another one.
    return [fit for fit in fits if fit[0] <= 2 * least + TINY]


def _readings(blob: bytes, shape: Sequence[int]) -> Iterable[tuple[str, Floats]]:
    """The ways to read `blob` as a matrix of `shape`."""
    count = shape[0] * shape[1]
    for name, dtype in (("float32", "<f4"), ("float16", "<f2"), ("int8", "i1")):
        if len(blob) == count * np.dtype(dtype).itemsize:
            yield name, np.frombuffer(blob, dtype).astype(np.float32).reshape(shape)
    if len(blob) * 2 == count:
        packed = np.frombuffer(blob, np.uint8)
        low, high = packed & 15, packed >> 4
        for first, second in ((low, high), (high, low)):
            pairs = np.stack([first, second], 1).reshape(shape).astype(np.float32)
            yield "int4", pairs - 8  # offset binary
            yield "int4", (pairs + 8) % 16 - 8  # two's complement


def _cosine(stored: Floats, weight: Floats) -> float:
    """Mean cosine of corresponding rows; a row of zeros counts as right where both are."""
    with np.errstate(over="ignore", invalid="ignore"):  # bytes read as what they are not
        product = (stored * weight).sum(1)
        lengths = np.linalg.norm(stored, axis=1), np.linalg.norm(weight, axis=1)
        cosines = product / np.maximum(lengths[0] * lengths[1], 1e-12)
        both_zero = (lengths[0] == 0) & (lengths[1] == 0)
        return float(np.mean(np.where(both_zero, 1.0, cosines)))


def _part(path: str) -> str:
    if path.startswith("layers."):
        return "attention" if ".attention." in path else "feed-forward"
    return "embedding" if path in ("embedding", "widen", "project") else "head"


def _activation_failures(
    where: str, graph: Graph, recipe: Recipe, plan: Mapping[str, Storage]
) -> list[str]:
    """Weights alone do not tell int8 from int8-compat: activations must be what the recipe says."""
    found = graph.int8_products
    linears = sum(stored == "int8" for path, stored in plan.items() if path != EMBEDDING)
    wanted = linears if recipe.dynamic else 0
    if found is None or found == wanted:
        return []
    return [
        f"{where}: {found} matrix products take int8 activations, and the recipe {recipe.name} "
        f"asks for {wanted}. Lower it again with the pinned versions (pocketbert doctor lists "
        "them)."
    ]


def _delegation_failures(where: str, graph: Graph, gates: Gates) -> list[str]:
    if graph.delegated is None:
        return []
    failures = []
    count = sum(graph.outside.values())
    share = count / max(1, count + graph.delegated)
    remedy = (
        "such a file may be many times slower. Lower it again with the pinned versions "
        "(pocketbert doctor lists them)."
    )
    if share > gates.max_outside:
        failures.append(
            f"{where}: {share:.0%} of the operators run outside the fast kernels "
            f"({_list(graph.outside)}), above the allowed {gates.max_outside:.0%}; {remedy}"
        )
    # They are few among the operators, and take nearly all of the time.
    products = {name: times for name, times in graph.outside.items() if PRODUCT.search(name)}
    if products:
        failures.append(
            f"{where}: {sum(products.values())} matrix products run outside the fast kernels "
            f"({_list(products)}), and none may; {remedy}"
        )
    return failures


def _list(operators: Mapping[str, int]) -> str:
    return ", ".join(f"{name} x{times}" for name, times in sorted(operators.items()))
