"""The Android app's core and adapters on the JVM, by JUnit, over the wheels' real runtimes."""

import json
import re
import struct
import subprocess
from importlib.util import find_spec
from pathlib import Path

import extras
import phone_cases
import phone_languages
import pytest

from pocketbert.base.files import digest
from pocketbert.bundle.open import open_bundle
from pocketbert.measure.record import read_record
from pocketbert.targets.executorch.program import read

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(main_run, tmp_path_factory):
    if not (ROOT / ".android" / "stamp").exists():
        extras.not_run("no Kotlin, JDK or JUnit; scripts/android sets them up", extra="android")
    made = tmp_path_factory.mktemp("android")
    phone_cases.main(main_run[0] / "bundle", made, phone_cases.STRINGS)
    phone_languages.main(made / "languages", 900)  # test_languages.py has more
    return made


@pytest.fixture(scope="module")
def said(main_run, folder):
    command = [ROOT / "scripts" / "android_junit", main_run[0] / "bundle", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def test_junit_passes(said):
    passed = re.search(r"^(\d+) passed, 0 failed, 0 not run$", said.stdout, re.MULTILINE)
    assert said.returncode == 0 and passed and int(passed[1]) >= 460, said.stdout[-3000:]


def test_every_id_and_every_logit_was_compared(said):
    assert "100000 strings, every id equal to Hugging Face's" in said.stdout
    for name in ("executorch", "tflite"):
        assert f"{name}: 200 golden cases, no logit further than" in said.stdout


@pytest.mark.parametrize("name", ["executorch", "tflite"])
def test_record_of_the_app_is_one_of_ours(main_run, folder, said, name):
    record = read_record(folder / f"{name}.json")
    sealed = open_bundle(main_run[0] / "bundle").artifacts[name].artifact
    assert (record.kind, record.sha256) == ("host", digest(sealed.path))
    assert record.wall.answer.n >= 1024 and record.load_ms > 0
    assert record.wall.tokenize.p50 < record.wall.inference.p50
    assert [cost.tokens for cost in record.by_length] == [8, 16, 32, 64]


def test_planted_fault_in_an_id_is_caught(main_run, folder, said, tmp_path):
    lines = (folder / "strings.jsonl").read_text(encoding="utf-8").splitlines()
    lines[70_000] = lines[70_000].replace(", [2", ", [1", 1)  # planted
    (tmp_path / "strings.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "logits.json").write_bytes((folder / "logits.json").read_bytes())
    (tmp_path / "languages").symlink_to(folder / "languages")
    command = [ROOT / "scripts" / "android_junit", main_run[0] / "bundle", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and re.search(
        r"^\d+ passed, 1 failed, 0 not run$", done.stdout, re.MULTILINE
    )


def graph_of(delegate, folder):
    """A graph of XNNPACK as JSON, by the schema and the compiler that come with ExecuTorch."""
    root = Path(find_spec("executorch").submodule_search_locations[0])
    begin, size = struct.unpack_from("<II", delegate, 10)  # behind zeros, magic and header length
    (folder / "graph.bin").write_bytes(delegate[begin : begin + size])
    schema = root / "backends/xnnpack/serialization/schema.fbs"
    flags = ("--json", "--raw-binary", "--strict-json", "--defaults-json", "-o", folder)
    command = [root / "data/bin/flatc", *flags, schema, "--", folder / "graph.bin"]
    subprocess.run(command, capture_output=True, check=True)
    return json.loads((folder / "graph.json").read_text(encoding="utf-8"))


def unpacked(graph):
    """Nodes that read a constant which is not packed when the model is loaded, by their type."""
    tensors = []
    for value in graph["xvalues"]:
        union = value["xvalue_union"]
        tensors.append(union.get("tensor_value", union))
    constants = {tensor["id_out"] for tensor in tensors if tensor["constant_buffer_idx"]}
    return {
        node["xnode_union_type"]
        for node in graph["xnodes"]
        for name, value in node["xnode_union"].items()
        if name.endswith("_id")
        and value in constants
        and node["xnode_union_type"] != "XNNFullyConnected"
    }


def test_constants_stand_only_where_xnnpack_packs_them(main_run, tmp_path):
    """With the weights cache of Android, others were freed while in use (executorch#22779)."""
    delegates = read(main_run[0] / "bundle" / "executorch.pte").delegates
    graphs = [graph_of(delegate, tmp_path) for delegate in delegates]
    assert graphs and any(
        node["xnode_union_type"] == "XNNFullyConnected" for node in graphs[0]["xnodes"]
    )
    assert [unpacked(graph) for graph in graphs] == [set()] * len(graphs)


def test_planted_constant_of_an_addition_is_caught():
    value = {"xvalue_union": {"id_out": 3, "constant_buffer_idx": 1}}
    node = {"xnode_union_type": "XNNAdd", "xnode_union": {"input1_id": 1, "input2_id": 3}}
    assert unpacked({"xvalues": [value], "xnodes": [node]}) == {"XNNAdd"}
