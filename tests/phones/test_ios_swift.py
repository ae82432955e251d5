"""The iOS app without a Mac: syntax of every Swift file, its texts, the sample bundle."""

import json
import re
from pathlib import Path

import phone_fixture
import pytest
import tree_sitter_swift
from tree_sitter import Language, Node, Parser

from pocketbert.base.files import sha256
from pocketbert.bundle.layout import MANIFEST
from pocketbert.measure import ios
from pocketbert.models.vocabulary import read_vocabulary

DEMO = Path(__file__).parents[2] / "ios_demo"
SWIFT = sorted(file for file in DEMO.rglob("*.swift") if not file.is_symlink())
SAMPLE = phone_fixture.SAMPLE


def mistakes(node: Node):
    """Where the parser gave up or missed something."""
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point.row + 1}: {node.type}"
    for child in node.children:
        if child.has_error or child.is_missing:
            yield from mistakes(child)


def tree(source: bytes) -> Node:
    return Parser(Language(tree_sitter_swift.language())).parse(source).root_node


def parse(source: bytes) -> list[str]:
    return list(mistakes(tree(source)))


@pytest.mark.parametrize("file", SWIFT, ids=lambda file: file.name)
def test_swift_file_parses(file):
    assert parse(file.read_bytes()) == []


def test_planted_mistakes_are_caught():
    source = (DEMO / "ChatCore/Sources/ChatCore/WordPiece.swift").read_text(encoding="utf-8")
    for right, wrong in ((") -> [Int32] {", ") -> [Int32 {"), ("guard ", "guard let ")):
        assert right in source and parse(source.replace(right, wrong, 1).encode())


def test_core_has_no_dependency():
    apple = {"Digest": {"CryptoKit"}, "Signposts": {"os"}}  # where there is one
    for file in (DEMO / "ChatCore/Sources/ChatCore").rglob("*.swift"):
        imported = re.findall(r"^\s*import (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(imported) <= {"Foundation", "Dispatch"} | apple.get(file.stem, set()), file


def test_sample_is_the_core_ml_part_of_a_bundle():
    manifest = json.loads((SAMPLE / MANIFEST).read_text(encoding="utf-8"))
    there = {file.relative_to(SAMPLE).as_posix() for file in SAMPLE.rglob("*") if file.is_file()}
    assert there == {*manifest["files"], MANIFEST}
    assert list(manifest["artifacts"]) == [phone_fixture.TARGET]
    for name, seal in manifest["files"].items():
        assert sha256(SAMPLE / name) == seal["sha256"]


def test_digests_of_generated_texts_are_those_of_the_tokenizer():
    manifest = json.loads((SAMPLE / MANIFEST).read_text(encoding="utf-8"))
    tokenizer = manifest["tokenizer"]
    vocabulary = read_vocabulary(
        SAMPLE / "vocab.txt",
        lowercase=tokenizer["lowercase"],
        max_length=tokenizer["max_length"],
    )
    golden = json.loads((SAMPLE / "golden.json").read_text(encoding="utf-8"))["cases"]
    written = json.loads(phone_fixture.STRINGS_FILE.read_text(encoding="utf-8"))
    made = phone_fixture.digests(vocabulary, [case["text"] for case in golden])
    assert written == {"block": phone_fixture.BLOCK, "sha256": made}
    encodings = vocabulary.tokenizer.encode_batch([case["text"] for case in golden])
    assert [encoding.ids for encoding in encodings] == [case["input_ids"] for case in golden]


# Calls that take a `LocalizedStringKey`, and the label of the argument that is one.
LOCALIZED = dict.fromkeys(
    (
        *("Text", "Label", "Button", "Section", "Menu", "Picker", "TextField", "ProgressView"),
        *("DisclosureGroup", "NavigationLink", "ContentUnavailableView"),
        *(".navigationTitle", ".value", "IntentDescription"),
    ),
    "",
) | {"NamedStep": "name"}


def localized(node: Node):
    """Keys of texts below `node`, `%` for what is put in."""
    if node.type == "call_expression":
        _, dot, name = node.children[0].text.decode().rpartition(".")
        for argument in (one for one in node.children[-1].children[0].children if one.is_named):
            label = argument.child_by_field_name("name")
            literal = argument.children[-1] if argument.children else argument
            found = label.text.decode() if label else ""
            if literal.type == "line_string_literal" and LOCALIZED.get(dot + name) == found:
                parts = (one for one in literal.children if one.type != '"')
                yield "".join(
                    "%" if one.type == "interpolated_expression" else one.text.decode()
                    for one in parts
                    if one.type in ("line_str_text", "interpolated_expression")
                )
    for child in node.children:
        yield from localized(child)


RESOURCE = r'(?:LocalizedStringResource = |\b(?:title|shortTitle): )"([^"]+)"'


def keys():
    """Every text of the screens and of the intent."""
    sources = [file.read_bytes() for file in (DEMO / "ChatDemo").glob("*.swift")]
    screens = {key for source in sources for key in localized(tree(source)) if key}
    return screens | set(re.findall(RESOURCE, "\n".join(source.decode() for source in sources)))


def test_every_text_of_the_screens_is_translated():
    catalogue = json.loads((DEMO / "ChatDemo/Localizable.xcstrings").read_text(encoding="utf-8"))
    written = {re.sub(r"%(?:@|lld)", "%", key): key for key in catalogue["strings"]}
    assert keys() == set(written)
    assert len(written) > 30
    for key, entry in catalogue["strings"].items():
        german = json.dumps(entry["localizations"]["de"], ensure_ascii=False)
        placeholders = re.findall(r"%(?:\d\$)?(@|lld)", german)
        assert set(placeholders) == set(re.findall("%(@|lld)", key)), key
        if "lld" in key:  # one answer, two answers
            for language in ("en", "de"):
                forms = entry["localizations"][language]["variations"]["plural"]
                assert forms.keys() == {"one", "other"}


def test_app_understands_the_flags_of_the_driver():
    source = (DEMO / "ChatDemo" / "LaunchedBenchmark.swift").read_text(encoding="utf-8")
    driver = Path(ios.__file__).read_text(encoding="utf-8")
    flags = set(re.findall(r'"(--(?:benchmark|record|warm-up|queries|seconds|cool-down))"', driver))
    assert len(flags) == 6 and flags == set(re.findall(r'value\("(--[a-z-]+)"\)', source))
