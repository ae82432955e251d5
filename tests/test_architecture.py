"""The order of the rooms, what an import may cost, and what no room may do."""

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from rooms import BEGIN, END, PAGE, ROOMS, list_rooms

import pocketbert

ROOT = Path(pocketbert.__file__).parent
TOOLCHAINS = {"executorch", "litert_torch", "coremltools", "tflite_support", "torchao"}
TOOLCHAINS |= {"ai_edge_litert", "ai_edge_quantizer", "coreai", "coreai_opt", "coreai_torch"}
FRAMEWORKS = {"torch", "transformers", "sklearn", "scipy", "accelerate", *TOOLCHAINS}


def sources():
    """Every module's path below the package, as parts, and its syntax tree."""
    for file in sorted(ROOT.rglob("*.py")):
        yield file.relative_to(ROOT).parts, ast.parse(file.read_text(encoding="utf-8"))


def imports(parts, tree):
    """What a module imports: parts of a path below the package, or another package's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split("."), node.col_offset) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            here = parts[: len(parts) - node.level] if node.level else ()
            yield (*here, *(node.module or "").split(".")), node.col_offset


def test_rooms_import_only_from_rooms_above_them():
    for parts, tree in sources():
        if parts[0] not in ROOMS:  # the public API and `run` put rooms together
            continue
        own = ROOMS.index(parts[0])
        for target, _ in imports(parts, tree):
            assert target[0] not in ROOMS[own + 1 :], f"{'/'.join(parts)} imports {target}"


def test_every_room_is_in_the_order_and_says_what_it_is():
    assert sorted(ROOMS) == sorted(p.name for p in ROOT.iterdir() if (p / "__init__.py").exists())
    for room in ROOMS:
        assert ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text("utf-8")))


def test_a_class_has_a_name_of_its_own():
    names = [node.name for _, tree in sources() for node in tree.body if type(node) is ast.ClassDef]
    assert len(names) > 100 and not {name for name, count in Counter(names).items() if count > 1}


def test_toolchains_are_imported_lazily_and_only_in_targets():
    allowed_at_the_top = ("targets", "tflite", "flatbuffer.py")  # itself imported lazily
    for parts, tree in sources():
        for target, column in imports(parts, tree):
            if target[0] in TOOLCHAINS and parts[0] != target[0]:
                assert parts[0] == "targets", f"{'/'.join(parts)} imports {target}"
                assert column > 0 or parts == allowed_at_the_top, f"{parts} imports it early"


def test_running_a_format_never_imports_its_toolchain():
    lowering = {"torchao", "litert_torch", "ai_edge_quantizer", "coreai_opt", "coreai_torch"}
    for parts, tree in sources():
        if parts[0] == "targets" and parts[-1] == "run.py":
            found = {target[0] for target, _ in imports(parts, tree)}
            assert not found & lowering, parts


@pytest.mark.parametrize(
    "module",
    [
        *("base.config", "bundle.open", "bundle.classify", "bundle.install", "bundle.signing"),
        "measure.cold",  # the memory that it reports would hold what it imports
    ],
)
def test_what_an_app_or_a_server_needs_imports_no_framework(module):
    script = f"import sys, pocketbert.{module}; print(*({FRAMEWORKS!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_the_page_on_architecture_lists_the_rooms_as_they_are():
    listed = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert listed == list_rooms(), "run scripts/rooms.py"


def test_every_relative_link_of_the_documents_leads_somewhere():
    top = ROOT.parent
    for page in (*top.glob("*.md"), *top.glob("docs/*.md"), *top.glob("*_demo/*.md")):
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
