import json
import re
import shutil
from dataclasses import replace
from importlib.resources import files

import pytest
import toy

from pocketbert.base.errors import BundleError
from pocketbert.bundle.golden import TORTURE
from pocketbert.bundle.manifest import Manifest
from pocketbert.bundle.open import open_bundle
from pocketbert.bundle.plain import MANIFEST_BYTES


@pytest.fixture
def copy(toy_run, tmp_path):
    """A bundle to spoil."""
    return shutil.copytree(toy_run / "bundle", tmp_path / "bundle")


def reseal(bundle, name, change):
    """Change a file and give the manifest its new digest."""
    file = bundle / name
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    toy.reseal(bundle, name)


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
    sealed = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(copy, files=sealed | {name: {"sha256": "0" * 64, "bytes": 1}})
    why = "is a link, and may lead out" if name == "vocab.txt" else f"files.{name}"
    with pytest.raises(BundleError, match=why):
        open_bundle(copy)


def test_folder_that_is_a_link_is_refused(copy):
    inside = copy / "coreml.mlpackage" / "Data"
    inside.rename(copy.parent / "Data")
    inside.symlink_to(copy.parent / "Data")
    with pytest.raises(BundleError, match=r"Data: is a link, and may lead out .*cp -rL"):
        open_bundle(copy)


def test_bundle_of_links_is_refused_with_what_helps(copy, tmp_path):
    # As the Hugging Face cache keeps a download: making the bundle again would give the same.
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    for number, file in enumerate(sorted(p for p in copy.rglob("*") if p.is_file())):
        file.rename(blobs / str(number))
        file.symlink_to(blobs / str(number))
    with pytest.raises(BundleError, match=r"manifest.json: is a link.*local_dir") as refused:
        open_bundle(copy)
    assert "again" not in str(refused.value)


@pytest.mark.parametrize("name", [".DS_Store", "coreml.mlpackage/._x", "Thumbs.db"])
def test_what_a_file_manager_left_is_refused_and_named(copy, name):
    (copy / name).write_text("x")
    with pytest.raises(BundleError, match=f"{re.escape(name)}: was left here by a file manager"):
        open_bundle(copy)
    (copy / name).unlink()
    open_bundle(copy)


def test_others_may_read_all_of_a_run(toy_run):
    # Planted by safetensors, which writes files for their owner alone.
    modes = {p.stat().st_mode & 0o444 for p in toy_run.rglob("*") if p.is_file()}
    assert modes == {0o444}


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("labels", ["a", "a"]),
        ("labels", ["a\nb"]),
        ("name", ""),
        ("tokenizer.type", "sentencepiece"),
        ("tokenizer.max_length", 0),
        ("tokenizer.max_length", "32"),
        ("tokenizer.pieces", 7),
        ("artifacts.tflite.path", "../tflite.tflite"),
        ("artifacts.tflite.path", "vocab.txt"),
        ("artifacts.tflite.target", "coreml"),
        ("artifacts.tflite.dtype", "float32"),
        ("artifacts.tflite.lengths", [16, 8, 32]),
        ("artifacts.tflite.lengths", [8, 16]),
        ("artifacts.tflite.dynamic", True),
        ("artifacts.tflite.vocabulary", 10**6),
        ("artifacts.tflite.temperature", 0),
        ("artifacts.tflite.tolerance", -1),
        ("artifacts.tflite.tolerance", float("inf")),
        ("artifacts.tflite.recipe", None),
        ("files.replies.json", {"sha256": "0", "bytes": 1}),
    ],
)
def test_value_that_none_has_is_refused_by_name(copy, where, value):
    file = copy / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    first, *rest = where.split(".", 2 if where.startswith("artifacts") else 1)
    inner = manifest
    for key in (first, *rest)[:-1]:
        inner = inner[key]
    inner[(first, *rest)[-1]] = value
    file.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(BundleError, match="ake the bundle again"):
        open_bundle(copy)


@pytest.mark.parametrize("name", ["extra", "coreml.mlpackage/extra", "manifest.sig"])
def test_added_link_is_refused(copy, name):
    (copy / name).symlink_to(copy.parent)
    with pytest.raises(BundleError):
        open_bundle(copy)


def test_path_of_the_bundle_itself_is_refused(copy):
    sealed = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(copy, files=sealed | {".": {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(BundleError, match="leaves the bundle"):
        open_bundle(copy)


def test_file_sealed_as_larger_than_may_be_read_is_refused(copy):
    sealed = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["files"]
    edit_manifest(copy, files=sealed | {"vocab.txt": {"sha256": "0" * 64, "bytes": 1 << 30}})
    with pytest.raises(BundleError, match=r"files.vocab.txt is larger than 268,435,456 bytes"):
        open_bundle(copy)


@pytest.mark.parametrize(
    "entry",
    [{"dtype": "int64"}, {"dynamic": True, "lengths": [1, 4096]}, {"inputs": ["ids", "mask"]}],
)
def test_artefact_that_is_not_as_described_is_refused_when_loaded(copy, entry):
    artifacts = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    edit_manifest(copy, artifacts=artifacts | {"tflite": artifacts["tflite"] | entry})
    with pytest.raises(BundleError, match="tflite"):
        open_bundle(copy).load("tflite")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("golden.json", '{"torture": 0, "cases": []}', "holds no case"),
        ("golden.json", "[" * 10_000, "ake the bundle again"),
        ("replies.json", "{}", "has none for"),
        ("vocab.txt", "a\nb\n", "is no vocabulary of a BERT"),
    ],
)
def test_content_sealed_anew_is_refused(copy, name, content, why):
    reseal(copy, name, lambda _: content)
    with pytest.raises(BundleError, match=why):
        open_bundle(copy)


def test_earlier_minor_schema_is_refused_by_number(copy):
    edit_manifest(copy, schema="1.0")
    with pytest.raises(BundleError, match=r"has schema 1.0, and this pocketbert reads 1.1 and la"):
        open_bundle(copy)


def test_file_larger_than_allowed_is_not_read(copy):
    with (copy / "manifest.json").open("ab") as file:
        file.truncate(MANIFEST_BYTES + 1)  # takes no room on the disk
    with pytest.raises(BundleError, match=r"has 16,777,217 bytes, and 16,777,216 are allowed"):
        open_bundle(copy)


def test_deep_nesting_ends_in_an_error(copy):
    (copy / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match="not JSON"):
        open_bundle(copy)


def test_golden_case_that_no_runtime_may_see_is_refused(copy):
    reseal(
        copy, "golden.json", lambda text: text.replace('"input_ids":[', '"input_ids":[99999,', 1)
    )
    with pytest.raises(BundleError, match=r"golden.json: case 0 has other ids"):
        open_bundle(copy)


@pytest.mark.parametrize("logit", ["1e300", "NaN"])
def test_golden_logit_that_is_none_is_refused(copy, logit):
    first = re.compile(r'"tflite":\[[^,]+')
    reseal(copy, "golden.json", lambda text: first.sub(f'"tflite":[{logit}', text, count=1))
    with pytest.raises(BundleError, match=r"golden.json"):
        open_bundle(copy)


def test_artefact_replaced_after_opening_is_not_loaded(copy):
    opened = open_bundle(copy)
    with (copy / "tflite.tflite").open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")
    with pytest.raises(BundleError, match=r"tflite.tflite: has sha256 .* the file was changed"):
        opened.load("tflite")


def test_bundle_of_schema_1_1_still_opens(copy):
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8"))
    told = manifest["provenance"]
    del told["score"], told["test_sha256"]
    edit_manifest(copy, schema="1.1", provenance=told)
    provenance = open_bundle(copy).manifest.provenance
    assert (provenance.score, provenance.test_sha256) == ("highest", None)


def test_later_minor_schema_may_say_more(copy):
    edit_manifest(copy, schema="1.9", licence="Apache-2.0")
    assert open_bundle(copy).name


def test_published_schema_is_the_one_that_is_read():
    published = (
        files("pocketbert.bundle").joinpath("manifest.schema.json").read_text(encoding="utf-8")
    )
    assert json.loads(published) == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
    }


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
