"""A bundle goes to an app as a part, to any other folder as a whole, or not at all."""

import json
import shutil
from dataclasses import replace

import pytest
from command import pocketbert

from pocketbert.base.errors import BundleError, InputError, PipelineError
from pocketbert.base.files import tree_digest
from pocketbert.bundle.install import install
from pocketbert.bundle.layout import APPS as PLACES
from pocketbert.bundle.open import open_bundle


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


@pytest.fixture
def android(tmp_path):
    mark = tmp_path / "app" / PLACES["android"].mark
    mark.parent.mkdir(parents=True)
    mark.write_text("<manifest/>", encoding="utf-8")
    return tmp_path / "app"


def names(folder):
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_android_app_gets_what_it_runs(bundle, android):
    placed = install(bundle, android)
    assert placed == android / "app/src/main/assets/bundle"
    shared = {"manifest.json", "vocab.txt", "characters.json", "golden.json", "replies.json"}
    assert names(placed) == shared | {"tflite.tflite"}
    for name in names(placed):
        assert (placed / name).read_bytes() == (bundle.path / name).read_bytes()


def test_ios_app_gets_what_it_runs(bundle, ios):
    placed = install(bundle, ios)
    assert placed == ios / "Resources" / "bundle"
    assert models(placed) == {"tflite.tflite", "coreml.mlpackage"}


@pytest.fixture
def ios(tmp_path):
    mark = tmp_path / "app" / PLACES["ios"].mark
    mark.parent.mkdir(parents=True)
    mark.write_text("// !$*UTF8*$!", encoding="utf-8")
    return tmp_path / "app"


def models(placed):
    return {name.split("/")[0] for name in names(placed)} & {
        *("tflite.tflite", "coreml.mlpackage", "coreai.aimodel", "tflite-task.tflite")
    }


def test_artefacts_that_are_asked_for_are_taken_alone(bundle, ios):
    assert models(install(bundle, ios, ["coreml"])) == {"coreml.mlpackage"}


def test_part_is_for_apps_alone(bundle, tmp_path):
    with pytest.raises(InputError, match="--targets is for the sample apps"):
        install(bundle, tmp_path / "copy", ["tflite"])
    assert not (tmp_path / "copy").exists()


def test_what_few_phones_run_is_taken_on_request_alone(bundle, ios, monkeypatch):
    monkeypatch.setitem(PLACES, "ios", replace(PLACES["ios"], artifacts=("coreml",)))
    monkeypatch.setitem(PLACES, "ios", replace(PLACES["ios"], on_request=("tflite",)))
    assert models(install(bundle, ios)) == {"coreml.mlpackage"}
    assert models(install(bundle, ios, ["tflite"])) == {"tflite.tflite"}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("tflite-task", "asks for tflite-task, and this app runs tflite of it"),
        ("coreai", "asks for coreai, and this app runs tflite of it"),
    ],
)
def test_artefact_that_cannot_be_taken_is_refused(bundle, android, asked, why):
    with pytest.raises(InputError, match=why):
        install(bundle, android, [asked])
    assert not (android / PLACES["android"].folder).exists()


def test_other_folder_becomes_the_whole_bundle(bundle, tmp_path):
    placed = install(bundle, tmp_path / "copy")
    assert open_bundle(placed).manifest == bundle.manifest


def test_older_bundle_is_replaced_as_a_whole(bundle, tmp_path):
    placed = install(bundle, tmp_path / "copy")
    before = placed.stat().st_ino
    assert names(install(bundle, placed)) == names(bundle.path)
    assert placed.stat().st_ino != before


def test_failure_half_way_leaves_the_old_one(bundle, tmp_path, monkeypatch):
    placed = install(bundle, tmp_path / "copy")
    before = {name: (placed / name).read_bytes() for name in names(placed)}
    copy, copied = shutil.copyfile, []

    def full(source, target):
        copied.append(target)
        if len(copied) > 2:
            raise OSError(28, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr("pocketbert.bundle.install.shutil.copyfile", full)
    with pytest.raises(InputError, match="No space left on device, so what was there stays"):
        install(bundle, tmp_path / "copy")
    assert before == {name: (placed / name).read_bytes() for name in names(placed)}
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_bundle_changed_while_it_is_copied_is_not_installed(toy_run, tmp_path):
    source = shutil.copytree(toy_run / "bundle", tmp_path / "source")
    opened = open_bundle(source)
    placed = install(opened, tmp_path / "copy")
    (source / "replies.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match=r"replies.json: has 2 bytes"):
        install(opened, tmp_path / "copy")
    assert open_bundle(placed).replies


def test_folder_with_other_things_is_not_replaced(bundle, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"thesis.txt: pocketbert did not make this"):
        install(bundle, tmp_path / "work")
    assert names(tmp_path / "work") == {"thesis.txt"}


@pytest.mark.parametrize(
    "manifest",
    [
        {"name": "Shop", "icons": [], "start_url": "/"},  # of a web app
        {"manifest_version": 3, "name": "Tabs", "version": "1"},  # of a browser extension
        {"files": {"index.html": {}, "img/logo.png": {}}},  # planted: names the files
    ],
)
def test_other_folder_with_a_manifest_is_not_replaced(bundle, tmp_path, manifest):
    public = tmp_path / "public"
    (public / "img").mkdir(parents=True)
    (public / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (public / "index.html").write_text("<h1>Shop</h1>", encoding="utf-8")
    (public / "img" / "logo.png").write_bytes(b"png")
    before = tree_digest(public)
    with pytest.raises(PipelineError, match="pocketbert did not make this"):
        install(bundle, public)
    assert tree_digest(public) == before


def test_file_that_was_put_into_a_bundle_is_not_lost(bundle, tmp_path):
    placed = install(bundle, tmp_path / "copy")
    (placed / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"notes.txt: pocketbert did not make this"):
        install(bundle, placed)
    assert (placed / "notes.txt").exists()


@pytest.mark.parametrize("name", ["android_demo", "ios_demo"])
def test_sample_app_that_is_not_there_is_not_made_up(bundle, tmp_path, name):
    with pytest.raises(InputError, match=f"{name}: is not there"):
        install(bundle, tmp_path / name)
    assert not (tmp_path / name).exists()


def test_bundle_without_what_the_app_runs_is_refused(bundle, android, monkeypatch):
    monkeypatch.delitem(bundle.artifacts, "tflite")
    with pytest.raises(InputError, match="has none of executorch, tflite, which this app runs"):
        install(bundle, android)


def test_command_line_says_where_it_lies(bundle, android):
    done = pocketbert("install", str(bundle.path), str(android))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("app/src/main/assets/bundle\n")
    done = pocketbert("install", str(bundle.path), str(android / "app" / "src"))
    assert done.returncode == 2 and "did not make this" in done.stderr
