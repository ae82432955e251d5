"""The iOS app without a Mac: syntax of every Swift file, the fixture that its tests read."""

import json
import re
from pathlib import Path

import phone_fixture
import pytest
import tree_sitter_swift
from tree_sitter import Language, Node, Parser

from pipeline.bundle import MANIFEST
from pipeline.files import sha256
from pipeline.vocabulary import read_vocabulary

DEMO = Path(__file__).parent.parent / "ios_demo"
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
