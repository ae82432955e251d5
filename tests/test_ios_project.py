"""The iOS app without a Mac: syntax of every Swift file, the fixture that its tests read."""

import json
import plistlib
import re
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import phone_fixture
import pytest
import tree_sitter_swift
from pbxproj import XcodeProject
from tree_sitter import Language, Node, Parser

from pipeline.bench import ios
from pipeline.files import sha256
from pipeline.install import PLACES
from pipeline.signing import MANIFEST
from pipeline.vocabulary import read_vocabulary

DEMO = Path(__file__).parent.parent / "ios_demo"
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
    for file in (DEMO / "ChatCore/Sources").rglob("*.swift"):
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


PROJECTS = ("ChatDemo", "AllRuntimes")
PINS = DEMO / "AllRuntimes.xcodeproj/project.xcworkspace/xcshareddata/swiftpm/Package.resolved"


def load(name):
    """The objects of a project file by their ids."""
    project = XcodeProject.load(str(DEMO / f"{name}.xcodeproj/project.pbxproj"))
    return {
        one.get_id(): one
        for one in project.objects.get_objects_in_section(*project.objects.get_sections())
    }


def of(objects, isa):
    return [one for one in objects.values() if one.isa == isa]


def text(value):
    """What an object says, as plain values."""
    if isinstance(value, list):
        return [text(one) for one in value]
    if hasattr(value, "get_keys"):
        return {key: text(value[key]) for key in value.get_keys()}
    return str(value)


def settings(file):
    """The settings of an xcconfig, those that it includes among them."""
    found = {}
    for line in (DEMO / "Config" / file).read_text(encoding="utf-8").splitlines():
        if included := re.fullmatch(r'#include "(.+)"', line):
            found |= settings(included[1])
        elif not line.startswith(("//", "#include?")) and line.strip():
            key, _, value = line.partition(" = ")
            found[key.strip()] = value
    return found


def dangling(objects):
    """Ids that an object refers to and none has."""
    ids = re.findall(r"\b[0-9A-F]{24}\b", json.dumps([text(one) for one in objects.values()]))
    return set(ids) - set(objects)


@pytest.mark.parametrize("name", PROJECTS)
def test_project_refers_to_what_is_there(name):
    objects = load(name)
    assert dangling(objects) == set()
    for group in of(objects, "PBXFileSystemSynchronizedRootGroup"):
        assert (DEMO / group.path).is_dir()
    configurations = [one for one in of(objects, "PBXFileReference") if "xcconfig" in one.path]
    for file in configurations:
        assert (DEMO / "Config" / file.path).is_file()
    for one in of(objects, "XCBuildConfiguration"):
        assert text(one.buildSettings) == {}, "settings belong into Config"
    (package,) = of(objects, "XCLocalSwiftPackageReference")
    assert (DEMO / package.relativePath / "Package.swift").is_file()
    for product in of(objects, "XCSwiftPackageProductDependency"):
        assert product.package in objects, product.productName
    planted = {key: one for key, one in objects.items() if one.isa != "PBXTargetDependency"}
    assert len(dangling(planted)) == 1


def test_core_ml_needs_no_package_but_ours():
    objects = load("ChatDemo")
    assert not of(objects, "XCRemoteSwiftPackageReference")
    products = of(objects, "XCSwiftPackageProductDependency")
    assert [product.productName for product in products] == ["ChatCore"]


def test_second_project_adds_the_runtimes_and_nothing_else():
    kinds = {"XCRemoteSwiftPackageReference", "XCSwiftPackageProductDependency", "PBXBuildFile"}
    plain, all_ = (
        [text(one) for one in load(name).values() if one.isa not in kinds] for name in PROJECTS
    )
    other = "PBXFileReference", "PBXGroup", "PBXProject", "XCBuildConfiguration"

    def rest(objects):
        objects = [one for one in objects if one["isa"] not in other]
        for one in objects:  # the link to packages, of the target and its phase, and to the project
            for key in ("files", "packageProductDependencies", "containerPortal"):
                one.pop(key, None)
        return sorted(map(str, objects))

    assert rest(plain) == rest(all_)
    assert settings("AllRuntimes.xcconfig").keys() - settings("App.xcconfig").keys() == {
        "OTHER_LDFLAGS",
        "EXCLUDED_ARCHS[sdk=iphonesimulator*]",
    }


def test_runtimes_are_pinned_as_resolved():
    objects = load("AllRuntimes")
    wanted = {
        one.repositoryURL: text(one.requirement)
        for one in of(objects, "XCRemoteSwiftPackageReference")
    }
    pins = json.loads(PINS.read_text(encoding="utf-8"))["pins"]
    resolved = {
        pin["location"]: {"kind": "revision", "revision": pin["state"]["revision"]} for pin in pins
    }
    assert wanted == resolved and len(wanted) == 2
    assert all(re.fullmatch("[0-9a-f]{40}", pin["state"]["revision"]) for pin in pins)
    shown = "\n".join(file.read_text(encoding="utf-8") for file in SWIFT)
    # ExecuTorch has no Swift package of 1.5.1; of the same minor version, it reads the same files.
    (exported,) = re.findall(r'"ExecuTorch (\d+\.\d+)\.', shown)
    assert version("executorch").startswith(f"{exported}.")
    assert f'"LiteRT {version("ai-edge-litert")}"' in shown


def test_app_is_signed_by_whoever_builds_it():
    app = settings("App.xcconfig")
    assert app["PRODUCT_BUNDLE_IDENTIFIER"] == f"{ios.APP}$(SAMPLE_CODE_DISAMBIGUATOR)"
    assert settings("Project.xcconfig")["SAMPLE_CODE_DISAMBIGUATOR"] == "$(DEVELOPMENT_TEAM)"
    included = (DEMO / "Config/Project.xcconfig").read_text(encoding="utf-8")
    assert '#include? "Local.xcconfig"' in included
    assert "Config/Local.xcconfig" in (DEMO / ".gitignore").read_text(encoding="utf-8").split()


@pytest.mark.parametrize("name", PROJECTS)
@pytest.mark.parametrize(
    ("scheme", "run", "test"),
    [("ChatDemo", "Debug", "Debug"), ("ChatDemo (measure)", "Release", "Measure")],
)
def test_schemes_run_and_test_what_is_there(name, scheme, run, test):
    folder = DEMO / f"{name}.xcodeproj"
    root = ElementTree.parse(folder / f"xcshareddata/xcschemes/{scheme}.xcscheme").getroot()
    found = {
        action: root.find(action).get("buildConfiguration")
        for action in ("LaunchAction", "TestAction", "ArchiveAction")
    }
    assert found == {"LaunchAction": run, "TestAction": test, "ArchiveAction": "Release"}
    targets = {(key, one.name) for key, one in load(name).items() if one.isa == "PBXNativeTarget"}
    for reference in root.iter("BuildableReference"):
        assert (reference.get("BlueprintIdentifier"), reference.get("BlueprintName")) in targets
        assert reference.get("ReferencedContainer") == f"container:{name}.xcodeproj"
    # The shipped build exports nothing for tests; the one that is measured by them does.
    assert "ENABLE_TESTABILITY" not in settings("Release.xcconfig")
    assert settings(f"{test}.xcconfig")["ENABLE_TESTABILITY"] == "YES"


def test_installed_bundle_goes_before_the_sample():
    (place,) = (place for place in PLACES if place.mark.startswith("ChatDemo.xcodeproj"))
    assert (DEMO / place.mark).is_file()
    for name in PROJECTS:
        (script,) = of(load(name), "PBXShellScriptBuildPhase")
        lines = script.shellScript
        assert lines.index(f"$SRCROOT/{place.folder}") < lines.index("$SRCROOT/Sample/bundle")
    assert SAMPLE == DEMO / "Sample/bundle"


def test_asset_catalogue_is_whole():
    catalogue = DEMO / "ChatDemo" / "Assets.xcassets"
    for folder in (catalogue, *(path for path in catalogue.rglob("*") if path.is_dir())):
        content = json.loads((folder / "Contents.json").read_text(encoding="utf-8"))
        assert content["info"]["version"] == 1
        for image in content.get("images", []):
            assert (folder / image["filename"]).is_file()
    for key in ("APPICON_NAME", "GLOBAL_ACCENT_COLOR_NAME"):
        name = settings("App.xcconfig")[f"ASSETCATALOG_COMPILER_{key}"]
        assert list(catalogue.glob(f"{name}.*"))


def test_privacy_manifest_collects_nothing():
    manifest = plistlib.loads((DEMO / "ChatDemo/PrivacyInfo.xcprivacy").read_bytes())
    assert manifest["NSPrivacyTracking"] is False
    assert manifest["NSPrivacyCollectedDataTypes"] == []
    assert all(
        one["NSPrivacyAccessedAPITypeReasons"] for one in manifest["NSPrivacyAccessedAPITypes"]
    )


# Calls that take a `LocalizedStringKey`, and the label of the argument that is one.
LOCALIZED = dict.fromkeys(
    (
        *("Text", "Label", "Button", "Section", "Menu", "Picker", "TextField", "ProgressView"),
        *("DisclosureGroup", "NavigationLink", "ContentUnavailableView"),
        *(".navigationTitle", ".value"),
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


def keys():
    """Every text of the screens."""
    files = (DEMO / "ChatDemo").glob("*.swift")
    return {key for file in files for key in localized(tree(file.read_bytes())) if key}


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
