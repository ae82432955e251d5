"""The Xcode projects by their content, and the scripts and the workflow around them."""

import json
import os
import plistlib
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import phone_fixture
import pytest
import yaml
from pbxproj import XcodeProject

from pocketbert.bundle.layout import APPS
from pocketbert.measure import ios

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "ios_demo"
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
    assert {product.productName for product in products} == {"ChatCore", "ChatCoreML"}


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
    sources = (DEMO / "ChatDemo").glob("*Runtime.swift")
    shown = "\n".join(file.read_text(encoding="utf-8") for file in sources)
    # We know of no Swift package of 1.5.1; one of the same minor version reads the same files.
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
    place = APPS["ios"]
    assert (DEMO / place.mark).is_file()
    for name in PROJECTS:
        (script,) = of(load(name), "PBXShellScriptBuildPhase")
        lines = script.shellScript
        assert lines.index(f"$SRCROOT/{place.folder}") < lines.index("$SRCROOT/Sample/bundle")
    assert phone_fixture.SAMPLE == DEMO / "Sample/bundle"


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


def choose_simulator(folder, devices):
    """What scripts/ios_simulator prints, and what it had booted, where Xcode lists `devices`."""
    xcrun = folder / "xcrun"
    answer = json.dumps({"devices": devices})
    xcrun.write_text(
        f"#!/bin/sh\ncase $* in *list*) echo '{answer}' ;; *) echo $* >>{folder}/log ;; esac\n",
        encoding="utf-8",
    )
    xcrun.chmod(0o755)
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/ios_simulator"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
    )
    log = folder / "log"
    return done.stdout.strip() or done.stderr.strip(), log.read_text() if log.exists() else ""


def test_simulator_is_chosen_from_the_list(tmp_path):
    def phone(identifier, state="Shutdown", name="iPhone 17"):
        return {"udid": identifier, "name": name, "state": state}

    kind = "com.apple.CoreSimulator.SimRuntime"
    old, new = f"{kind}.iOS-9-3", f"{kind}.iOS-26-1"
    watch, pad = phone("W", name="Apple Watch"), phone("P", name="iPad Air")
    devices = {old: [phone("A")], new: [pad, phone("B")], f"{kind}.watchOS-26-0": [watch]}
    assert choose_simulator(tmp_path, devices) == ("B", "simctl boot B\n")
    (tmp_path / "log").unlink()
    devices[old] = [phone("A", "Booted")]
    assert choose_simulator(tmp_path, devices) == ("A", "")
    assert "Xcode has no iPhone simulator" in choose_simulator(tmp_path, {new: [pad]})[0]


def test_workflow_runs_what_is_there_and_core_ml_must_pass():
    workflow = yaml.safe_load((ROOT / ".github/workflows/ios.yml").read_text(encoding="utf-8"))
    jobs = workflow["jobs"]
    assert [name for name, job in jobs.items() if job.get("continue-on-error")] == ["all-runtimes"]
    assert jobs["all-runtimes"]["env"]["GIT_LFS_SKIP_SMUDGE"]
    commands = "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"])
    called = set(re.findall(r"\./(scripts/\w+)", commands))
    assert {"scripts/test_ios", "scripts/bench_ios"} <= called
    for script in called:
        assert os.access(ROOT / script, os.X_OK), script
