"""docs/performance.md, its picture, and performance.json, which holds what was measured where.

Each processor has a table for each build: a run replaces those that it measured.
"""

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pocketbert.app.report.charts import BLUE, GREY, new_figure

LENGTHS = (8, 16, 32)
EAGER, ORT_INT8, BERT = "PyTorch eager", "ONNX Runtime int8", "BERT-base, eager"
# What XNNPACK and its like choose int8 kernels by, as Linux calls it: the best first.
INSTRUCTIONS = {
    "avx512_vnni": "AVX-512 with VNNI",
    "avx_vnni": "AVX2 with VNNI",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
    "i8mm": "NEON with I8MM",
    "asimddp": "NEON with dot products",
}


@dataclass(frozen=True)
class Row:
    """What was measured of one peer; CPU time in microseconds by length in tokens."""

    name: str
    size_bytes: int
    cpu_us: dict[int, float]
    accuracy: float | None
    agreement: float | None


@dataclass(frozen=True)
class Contents:
    """What a `.pte` holds."""

    name: str
    size_bytes: int
    graphs: int  # that XNNPACK runs
    delegated: int  # operators in these
    int8_products: int
    outside: int  # operators that XNNPACK does not run
    table: str  # how the embedding is stored
    mask: bool  # whether it takes one


@dataclass(frozen=True)
class Build:
    """All that was measured of one build."""

    command: str  # that made it
    day: str
    texts: str
    rounds: str  # how many calls, and in which turns
    rows: list[Row]
    shares: dict[str, float]  # of the time of the `.pte`, at the longest of LENGTHS
    contents: list[Contents]


@dataclass(frozen=True)
class Machine:
    """All that was measured on one processor."""

    processor: str
    builds: dict[str, Build]


MACHINES = TypeAdapter(list[Machine])


def this_processor(name: str, info: Path = Path("/proc/cpuinfo")) -> str:
    """`name`, and the instructions that int8 kernels are chosen by."""
    flags = set(info.read_text(encoding="utf-8").split()) if info.exists() else set()
    found = [said for flag, said in INSTRUCTIONS.items() if flag in flags]
    return f"{name}, {found[0] if found else platform.machine()}"


def keep(docs: Path, machine: Machine) -> list[Machine]:
    """Put `machine` first among those of `docs`; it keeps what it had of other builds."""
    file = docs / "performance.json"
    known = MACHINES.validate_json(file.read_bytes()) if file.exists() else []
    same = [one.builds for one in known if one.processor == machine.processor]
    builds = {name: build for earlier in same for name, build in earlier.items()} | machine.builds
    others = [one for one in known if one.processor != machine.processor]
    machines = [Machine(machine.processor, dict(sorted(builds.items()))), *others]
    file.write_bytes(MACHINES.dump_json(machines, indent=1) + b"\n")
    return machines


def render(machines: Sequence[Machine]) -> str:
    """The page."""
    lines = [
        "# Against what one would use instead",
        "",
        "Written by `scripts/compare_peers`; do not edit. The same student, the same texts, one "
        "thread, all in one process on one machine, taking turns: CPU time of a call. Read the "
        "ratios: the microseconds belong to a busy host and say nothing of a phone. Which int8 "
        "kernels run depends on the processor, so every processor has its tables. BERT-base and "
        "DistilBERT have random weights: size and speed only.",
        "",
        f"![CPU time and size on {machines[0].processor}](performance.svg)",
    ]
    for machine in machines:
        lines += ["", f"## {machine.processor}"]
        for name, build in machine.builds.items():
            lines += ["", f"### {name}", *_build(build)]
    return "\n".join(lines) + "\n"


def _build(build: Build) -> list[str]:
    by_name = {row.name: row for row in build.rows}
    eager, ort = by_name[EAGER].cpu_us[32], by_name[ORT_INT8].cpu_us[32]
    return [
        f"Made by `{build.command}`. Measured on {build.day}, {build.rounds}. Accuracy and "
        f"agreement with PyTorch eager: {build.texts}.",
        "",
        "| | MB | 8 tokens, µs | 16 | 32 | of eager, at 32 | of ORT int8, at 32 | 8 to 32 tokens "
        "| agrees | accuracy |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(_line(row, eager, ort) for row in build.rows),
        "",
        *_against_bert(build.rows, by_name[BERT]),
        *_contents(build.contents),
        "",
        f"Where the time of the `.pte` goes at {LENGTHS[-1]} tokens, by ETDump (wall time of the "
        "profiled runtime, in which XNNPACK counts whole microseconds):",
        "",
        "| | share |",
        "|---|---|",
        *(f"| {what} | {share:.1%} |" for what, share in build.shares.items()),
    ]


def _line(row: Row, eager: float, ort: float) -> str:
    cpu = row.cpu_us
    cells = [
        row.name,
        f"{row.size_bytes / 1e6:.2f}",
        *(f"{cpu[length]:.0f}" for length in LENGTHS),
        f"{cpu[32] / eager:.3f}",
        f"{cpu[32] / ort:.2f}",
        f"{cpu[8] / cpu[32]:.2f}",
        "" if row.agreement is None else f"{row.agreement:.2%}",
        "" if row.accuracy is None else f"{row.accuracy:.2%}",
    ]
    return f"| {' | '.join(cells)} |"


def _against_bert(rows: Sequence[Row], bert: Row) -> list[str]:
    return [
        f"- Against BERT-base in eager PyTorch, `{row.name}` takes "
        f"{bert.cpu_us[32] / row.cpu_us[32]:.0f} times less CPU time at 32 tokens "
        f"({bert.cpu_us[8] / row.cpu_us[8]:.0f} times at 8) and "
        f"{bert.size_bytes / row.size_bytes:.0f} times fewer bytes."
        for row in rows
        if row.name.startswith(".")
    ]


def _contents(files: Sequence[Contents]) -> list[str]:
    """The same student in two `.pte`: what the exporter of transformers leaves undone."""
    if not files:
        return []
    return [
        "",
        "What lies in the `.pte`, ours and that of transformers:",
        "",
        "| | MB | embedding | graphs in XNNPACK | operators in these | int8 products | operators "
        "outside | takes a mask |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {file.name} | {file.size_bytes / 1e6:.2f} | {file.table} | {file.graphs} | "
            f"{file.delegated} | {file.int8_products} | {file.outside} | "
            f"{'yes' if file.mask else 'no'} |"
            for file in files
        ),
    ]


def draw(docs: Path, machine: Machine) -> None:
    """Write performance.svg, of one processor."""
    rows = [
        (f"{name}: {row.name}", row)
        for name, build in reversed(machine.builds.items())
        for row in reversed(build.rows)
        if row.accuracy is not None  # BERT-base would leave nothing of the others to see
    ]
    figure, axes = new_figure(0.34 * len(rows) + 0.8)
    colours = [BLUE if row.name.startswith(".") else GREY for _, row in rows]
    drawn = axes.barh([name for name, _ in rows], [r.cpu_us[32] for _, r in rows], color=colours)
    axes.bar_label(drawn, [f"{row.size_bytes / 1e6:.2f} MB" for _, row in rows], padding=4)
    axes.margins(x=0.12)
    axes.set_xlabel(f"CPU µs of 32 tokens; sizes at the bars\n{machine.processor}")
    figure.savefig(docs / "performance.svg", metadata={"Date": None})
