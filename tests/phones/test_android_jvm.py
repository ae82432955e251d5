"""The Android app's core and adapters on the JVM, by JUnit, over the wheels' real runtimes."""

import re
import subprocess
from pathlib import Path

import extras
import phone_cases
import pytest

from pocketbert.base.files import digest
from pocketbert.bundle.open import open_bundle
from pocketbert.measure.record import read_record

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(main_run, tmp_path_factory):
    if not (ROOT / ".android" / "stamp").exists():
        extras.not_run("no Kotlin, JDK or JUnit; scripts/android sets them up", extra="android")
    made = tmp_path_factory.mktemp("android")
    phone_cases.main(main_run[0] / "bundle", made, phone_cases.STRINGS)
    return made


@pytest.fixture(scope="module")
def said(main_run, folder):
    command = [ROOT / "scripts" / "android_junit", main_run[0] / "bundle", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr)
    return done


def test_junit_passes(said):
    passed = re.search(r"^(\d+) passed, 0 failed, 0 not run$", said.stdout, re.MULTILINE)
    assert said.returncode == 0 and passed and int(passed[1]) >= 50, said.stdout[-3000:]


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
    command = [ROOT / "scripts" / "android_junit", main_run[0] / "bundle", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and re.search(
        r"^\d+ passed, 1 failed, 0 not run$", done.stdout, re.MULTILINE
    )
