"""The iOS app without a Mac: syntax of every Swift file, the fixture that its tests read."""

import json
import plistlib
import re
from importlib.metadata import version
from pathlib import Path

import phone_fixture
import pytest
import tree_sitter_swift
import xcode_project
import yaml
from tree_sitter import Language, Node, Parser

from pocketbert.base.files import sha256
from pocketbert.bundle.layout import APPS as PLACES
from pocketbert.bundle.layout import MANIFEST
from pocketbert.measure import ios
from pocketbert.models.vocabulary import read_vocabulary

DEMO = Path(__file__).parents[2] / "ios_demo"
SWIFT = sorted(DEMO.rglob("*.swift"))
FIXTURE = phone_fixture.FIXTURE


def mistakes(node: Node):
    """Where the parser gave up or missed something."""
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point.row + 1}: {node.type}"
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from mistakes(child)


def parse(source: bytes) -> list[str]:
    return list(mistakes(Parser(Language(tree_sitter_swift.language())).parse(source).root_node))


@pytest.mark.parametrize("file", SWIFT, ids=lambda file: file.name)
def test_swift_file_parses(file):
    assert parse(file.read_bytes()) == []


def test_planted_mistakes_are_caught():
    source = (DEMO / "ChatCore/Sources/ChatCore/WordPiece.swift").read_text(encoding="utf-8")
    for right, wrong in ((") -> [Int32] {", ") -> [Int32 {"), ("guard ", "guard let ")):
        assert right in source and parse(source.replace(right, wrong, 1).encode())


def test_core_has_no_dependency():
    for file in (DEMO / "ChatCore/Sources").rglob("*.swift"):
        imported = re.findall(r"^\s*import (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        allowed = {"Foundation", "Dispatch"} | ({"CryptoKit"} if file.stem == "Digest" else set())
        assert set(imported) <= allowed, file


# --- The fixture ---------------------------------------------------------------------------------


def test_fixture_is_a_part_of_a_bundle():
    manifest = json.loads((FIXTURE / "bundle" / MANIFEST).read_text(encoding="utf-8"))
    there = {file.name for file in (FIXTURE / "bundle").iterdir()}
    sealed = {name for name in manifest["files"] if "/" not in name}
    assert there == sealed | {MANIFEST}
    for name in sealed:
        assert sha256(FIXTURE / "bundle" / name) == manifest["files"][name]["sha256"]


def test_digests_of_the_fixture_are_those_of_the_tokenizer():
    manifest = json.loads((FIXTURE / "bundle" / MANIFEST).read_text(encoding="utf-8"))
    tokenizer = manifest["tokenizer"]
    vocabulary = read_vocabulary(
        FIXTURE / "bundle" / "vocab.txt",
        lowercase=tokenizer["lowercase"],
        max_length=tokenizer["max_length"],
    )
    golden = json.loads((FIXTURE / "bundle" / "golden.json").read_text(encoding="utf-8"))["cases"]
    written = json.loads((FIXTURE / "strings.json").read_text(encoding="utf-8"))
    made = phone_fixture.digests(vocabulary, [case["text"] for case in golden])
    assert written == {"block": phone_fixture.BLOCK, "sha256": made}
    encodings = vocabulary.tokenizer.encode_batch([case["text"] for case in golden])
    assert [encoding.ids for encoding in encodings] == [case["input_ids"] for case in golden]


# --- The project ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def project():
    return yaml.safe_load((DEMO / "project.yml").read_text(encoding="utf-8"))


def test_project_names_what_is_there(project):
    for target in project["targets"].values():
        for source in target["sources"]:
            if isinstance(source, str) or not source.get("optional"):
                path = source if isinstance(source, str) else source["path"]
                assert (DEMO / path).is_dir(), path
        for dependency in target["dependencies"]:
            assert dependency.get("package", "ChatCore") in project["packages"]
            assert dependency.get("target", "ChatDemo") in project["targets"]
    app = project["targets"]["ChatDemo"]["settings"]["base"]
    assert app["PRODUCT_BUNDLE_IDENTIFIER"] == ios.APP
    assert "-all_load" in app["OTHER_LDFLAGS"]


def test_runtimes_are_those_that_exported(project):
    branches = {name: package.get("branch") for name, package in project["packages"].items()}
    assert branches["ExecuTorch"] == f"swiftpm-{version('executorch')}"
    assert branches["LiteRT"] == f"release/{version('ai-edge-litert')}"
    shown = "\n".join(file.read_text(encoding="utf-8") for file in SWIFT)
    assert f'"ExecuTorch {version("executorch")}"' in shown
    assert f'"LiteRT {version("ai-edge-litert")}"' in shown


def test_build_names_what_to_run_without_a_bundle(project):
    (script,) = project["targets"]["ChatDemo"]["preBuildScripts"]
    assert "pocketbert install build/bundle ios_demo" in script["script"]
    (place,) = (place for place in PLACES if place.mark == "project.yml")
    assert place.folder in script["script"]


def test_asset_catalogue_is_whole():
    catalogue = DEMO / "ChatDemo" / "Assets.xcassets"
    for folder in (catalogue, *(path for path in catalogue.rglob("*") if path.is_dir())):
        content = json.loads((folder / "Contents.json").read_text(encoding="utf-8"))
        assert content["info"]["version"] == 1


def test_app_understands_the_flags_of_the_driver():
    source = (DEMO / "ChatDemo" / "Benchmark.swift").read_text(encoding="utf-8")
    driver = Path(ios.__file__).read_text(encoding="utf-8")
    flags = set(re.findall(r'"(--(?:benchmark|record|warm-up|queries|seconds|cool-down))"', driver))
    assert len(flags) == 6 and flags == set(re.findall(r'value\("(--[a-z-]+)"\)', source))


def dangling(project):
    """What an object of the project file refers to by an id that none has."""
    objects = project["objects"]

    def ids(value):
        if isinstance(value, str) and re.fullmatch("[0-9A-F]{24}", value):
            yield value
        elif isinstance(value, list | dict):
            for one in value.values() if isinstance(value, dict) else value:
                yield from ids(one)

    return {one for one in ids([project["rootObject"], *objects.values()]) if one not in objects}


def test_xcode_project_is_that_of_project_yml(project):
    for path, content in xcode_project.files(project).items():
        assert (DEMO / path).read_text(encoding="utf-8") == content, "scripts/xcode_project.py"


def test_xcode_project_is_whole(project):
    made = plistlib.loads((DEMO / "ChatDemo.xcodeproj/project.pbxproj").read_bytes())
    assert dangling(made) == set()
    objects = made["objects"].values()
    names = {one["productName"] for one in objects if "ProductDependency" in one["isa"]}
    assert {"ChatCore", "LiteRT", "executorch", "backend_xnnpack"} <= names
    for one in objects:
        if one["isa"] == "PBXFileSystemSynchronizedRootGroup":
            assert (DEMO / one["path"]).is_dir()
    del made["objects"][made["objects"][made["rootObject"]]["mainGroup"]]  # planted
    assert len(dangling(made)) == 1


def test_unknown_of_project_yml_is_an_error(project):
    with pytest.raises(SystemExit, match="aggregateTargets, not known"):
        xcode_project.files({**project, "aggregateTargets": {}})


# --- What the app calls on ChatCore -----------------------------------------------------------


def declared(folder: Path) -> set[str]:
    """Types, functions, properties and cases that ChatCore makes public."""
    source = "\n".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.swift"))
    kinds = "struct|enum|class|actor|func|var|let|typealias"
    public = re.findall(rf"public (?:static |mutating )*(?:{kinds}) (\w+)", source)
    cases = re.findall(r"^\s*case (\w+)\(", source, re.MULTILINE)
    extended = re.findall(r"extension (\w+) \{\n(?:.*\n)*?\}", source)
    return {*public, *cases, *extended}


# Of ChatCore's values that the app holds: the name in the app, and the type it has there.
HELD = {
    "answer": "Answer",
    "artifact": "Artifact",
    "bundle": "ChatBundle",
    "engine": "ChatEngine",
    "latency": "Latency",
    "recorder": "LatencyRecorder",
    "rules": "Rules",
    "runner": "BenchmarkRunner",
    "steps": "Steps",
}


def test_app_calls_only_what_core_has():
    core = declared(DEMO / "ChatCore" / "Sources" / "ChatCore")
    assert {*HELD.values(), "ChatError", "Classifier", "ClassifierLoader", "Machine"} <= core
    app = "\n".join(
        file.read_text(encoding="utf-8")
        for folder in ("ChatDemo", "ChatDemoTests")
        for file in (DEMO / folder).rglob("*.swift")
    )
    used = set(re.findall(rf"\b(?:{'|'.join(HELD)})\.(\w+)", app))
    used |= set(re.findall(r"\b(?:ChatBundle|ChatError|Classifier|Machine)\.(\w+)", app))
    theirs = {"map", "flatMap", "self"}  # Swift's own, on optionals
    ours = {"runtimes", "name", "bundle", "documentsDirectory", "main", "this", "bundleURL"}
    assert used - theirs - ours <= core, used - core


def test_planted_call_of_nothing_is_caught():
    core = declared(DEMO / "ChatCore" / "Sources" / "ChatCore")
    assert "realTexts" in core and "unrealTexts" not in core
