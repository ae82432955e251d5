import json
import shutil
from dataclasses import replace

import pytest

from pipeline.bundle import TORTURE, open_bundle
from pipeline.errors import BundleError
from pipeline.files import sha256


@pytest.fixture
def copy(toy_run, tmp_path):
    """A bundle to spoil."""
    return shutil.copytree(toy_run / "bundle", tmp_path / "bundle")


def reseal(bundle, name, change):
    """Change a file and give the manifest its new digest, as a careless tool would."""
    file = bundle / name
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": sha256(file), "bytes": file.stat().st_size}
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def edit_manifest(bundle, **changes):
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    (bundle / "manifest.json").write_text(json.dumps(manifest | changes), encoding="utf-8")


def test_sealed_bundle_opens_and_reproduces_its_golden_cases(toy_run):
    bundle = open_bundle(toy_run / "bundle")
    for target in bundle.artifacts:
        bundle.load(target)
    assert {case.text for case in bundle.golden} >= set(TORTURE)


def test_manifest_says_what_a_phone_needs(toy_run):
    manifest = json.loads((toy_run / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    entry = manifest["artifacts"]["tflite"]
    assert entry["path"] == "tflite.tflite"
    assert entry["inputs"] == ["input_ids", "attention_mask"]
    assert (entry["dtype"], entry["lengths"]) == ("int32", [8, 16, 32])
    assert entry["temperature"] > 0 and isinstance(entry["threshold"], float)
    assert manifest["files"]["tflite.tflite"]["bytes"] > 0
    assert manifest["artifacts"]["coreml"]["verified_by"] == "MIL evaluator, not Apple's runtime"
    assert str(toy_run) not in json.dumps(manifest)


def test_corrupted_weights_are_refused_before_loading(copy):
    file = copy / "tflite.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(BundleError, match=r"tflite.tflite: has sha256 .* the file was changed"):
        open_bundle(copy)


@pytest.mark.parametrize("name", ["vocab.txt", "golden.json", "replies.json", "tflite.tflite"])
def test_truncated_file_is_refused(copy, name):
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1])
    with pytest.raises(BundleError, match=f"{name}: has {len(content) - 1} bytes"):
        open_bundle(copy)


def test_missing_and_added_files_are_refused(copy):
    (copy / "extra.bin").write_text("x")
    with pytest.raises(BundleError, match=r"extra.bin: is not in the manifest"):
        open_bundle(copy)
    (copy / "extra.bin").unlink()
    (copy / "vocab.txt").unlink()
    with pytest.raises(BundleError, match=r"vocab.txt: is missing"):
        open_bundle(copy)


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/hostname", "vocab.txt"])
def test_file_outside_the_bundle_and_links_are_refused(copy, name):
    (copy.parent / "outside.txt").write_text("x")
    if name == "vocab.txt":
        (copy / name).unlink()
        (copy / name).symlink_to(copy.parent / "outside.txt")
    files = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(copy, files=files | {name: {"sha256": "0", "bytes": 1}})
    with pytest.raises(BundleError, match="is missing or no plain file"):
        open_bundle(copy)


def test_unknown_major_schema_is_refused_by_number(copy):
    edit_manifest(copy, schema="2.0")
    with pytest.raises(BundleError, match=r"has schema 2.0, and this pocketbert reads 1.x"):
        open_bundle(copy)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": "1.0", "files": 3}', "null"])
def test_manifest_of_any_other_content_is_refused(copy, content):
    (copy / "manifest.json").write_text(content)
    with pytest.raises(BundleError):
        open_bundle(copy)


def test_other_vocabulary_does_not_reproduce_the_golden_ids(copy):
    def swap(text):
        lines = text.split("\n")
        lines[60], lines[70] = lines[70], lines[60]
        return "\n".join(lines)

    reseal(copy, "vocab.txt", swap)
    with pytest.raises(BundleError, match="tokenised otherwise than sealed"):
        open_bundle(copy).load("tflite")


def test_other_logits_than_sealed_are_refused(toy_run):
    bundle = open_bundle(toy_run / "bundle")
    case = bundle.golden[50]
    logits = {**case.logits, "tflite": tuple(value + 1 for value in case.logits["tflite"])}
    golden = (*bundle.golden[:50], replace(case, logits=logits), *bundle.golden[51:])
    with pytest.raises(BundleError, match="golden text 50 logits that differ by 1"):
        replace(bundle, golden=golden).load("tflite")


def test_absent_artefact_is_named_with_those_there_are(toy_run):
    with pytest.raises(BundleError, match="holds no 'onnx' artefact, but tflite, coreml"):
        open_bundle(toy_run / "bundle").load("onnx")
