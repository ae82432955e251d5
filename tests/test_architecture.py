"""The order of the rooms, and what none of them may do."""

import ast
import re
from pathlib import Path

import pocketbert
from pocketbert.targets import TARGETS

ROOT = Path(pocketbert.__file__).parent
# A module imports only from those above it; docs/architecture.md says what lives in each.
ORDER = [
    "errors",
    "progress",
    "quiet",
    "files",
    "text",
    "versions",
    "recipes",
    "config",
    "rows",
    "data",
    "characters",
    "vocabulary",
    "inference",
    "evaluate",
    "losses",
    "team",
    "checkpoint",
    "training",
    "encoders",
    "teacher",
    "augment",
    "transfer",
    "student",
    "distill",
    "cost",
    "graph",
    "contents",
    "targets.base",
    "targets.litert",
    "targets.flatbuffer",
    "targets.mil",
    "targets.mlpackage",
    "targets.pte",
    "targets.etdump",
    "targets.executorch",
    "targets.executorch_coreml",
    "targets.tflite",
    "targets.tflite_task",
    "targets.coreml",
    "targets",
    "verify",
    "choose",
    "signing",
    "manifest",
    "golden",
    "bundle",
    "install",
    "audit",
    "chat",
    "bench",
    "bench.record",
    "bench.host",
    "bench.cold",
    "bench.arm64",
    "bench.gate",
    "bench.devices",
    "bench.android",
    "bench.ios",
    "bench.drivers",
    "cache",
    "plots",
    "difference",
    "result",
    "charts",
    "report",
    "learning",
    "stages",
    "run",
    "search",
    "doctor",
    "console",
    "show",
    "options",
    "measuring",
    "bundling",
    "cli",
    "__main__",
]
HEAVY = {"executorch", "litert_torch", "coremltools", "tflite_support", "torchao", "ai_edge_litert"}
HEAVY |= {"ai_edge_quantizer"}


def rooms():
    for file in sorted(ROOT.rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name != "__init__":
            yield name, ast.parse(file.read_text(encoding="utf-8"))


def imported(tree):
    """Every imported module, `pipeline.` taken off the project's own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.col_offset) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            own = node.module in ("pipeline", "pipeline.targets")
            names = [f"{node.module}.{alias.name}" for alias in node.names] if own else []
            known = [n for n in names if n.removeprefix("pipeline.") in ORDER]
            yield from ((name, node.col_offset) for name in known or [node.module])


def test_every_room_is_in_the_order():
    assert {name for name, _ in rooms()} == set(ORDER)


def test_rooms_import_only_from_above():
    for name, tree in rooms():
        for module, _ in imported(tree):
            room = module.removeprefix("pipeline.")
            if module.startswith("pipeline.") and room in ORDER:
                assert ORDER.index(room) < ORDER.index(name), f"{name} imports {room}"


def test_targets_do_not_import_each_other():
    targets = {module.removeprefix("pipeline.") for module, _ in TARGETS.values()}
    for name, tree in rooms():
        if name in targets:
            others = {module.removeprefix("pipeline.") for module, _ in imported(tree)}
            assert not others & (targets - {name}), name


def test_heavy_toolchains_are_imported_lazily_and_only_in_their_targets():
    allowed_at_the_top = {"targets.flatbuffer"}  # itself imported lazily, by its targets
    for name, tree in rooms():
        for module, column in imported(tree):
            if module.split(".")[0] in HEAVY:
                assert name.startswith("targets."), f"{name} imports {module}"
                assert column > 0 or name in allowed_at_the_top, f"{name} imports {module} early"


def test_nothing_is_pickled():
    for name, tree in rooms():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, (
                    name
                )
        assert not any(module.split(".")[0] == "pickle" for module, _ in imported(tree)), name


def test_every_relative_link_of_the_documents_leads_somewhere():
    top = ROOT.parent
    for page in (*top.glob("*.md"), *top.glob("docs/*.md"), *top.glob("*_demo/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
