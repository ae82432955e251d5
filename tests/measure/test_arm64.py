"""The artefacts through the real ARM64 kernels, in QEMU; scripts/arm64 sets up what that needs."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import extras
import pytest
from command import pocketbert

from pocketbert.base.errors import BundleError, TargetUnavailable
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import arm64
from pocketbert.measure.record import read_record
from pocketbert.measure.regress import compare_instructions, slower, write_baseline

BASELINE = Path(__file__).parent / "arm64_nano.json"


@pytest.fixture(scope="module")
def bundle(main_run):
    if lacking := arm64.missing():
        extras.not_run(f"{lacking} missing; {arm64.SETUP}", extra="arm64")
    return open_bundle(main_run[0] / "bundle")


@pytest.fixture(scope="module")
def records(bundle):
    return [arm64.count_instructions(bundle, target) for target in arm64.RUNNERS]


def test_nano_is_no_slower_than_the_baseline(records):
    assert slower(compare_instructions(records, BASELINE), 0.01) == ()


def test_instructions_repeat_and_the_command_line_fails_on_more(bundle, records, tmp_path):
    before = next(record for record in records if record.artifact == "tflite")
    baseline = json.loads(json.dumps([asdict(before)]))
    last = baseline[0]["by_length"][-1]["instructions"]
    last["total"] = int(last["total"] / 1.03)  # planted: it was faster then
    (tmp_path / "baseline.json").write_text(json.dumps(baseline), encoding="utf-8")
    flags = ("--on", "arm64", "--core", "cortex-a76", "--runtime", "tflite")
    gate = ("--gate", str(tmp_path / "baseline.json"), "--out", str(tmp_path / "records"))
    done = pocketbert("bench", str(bundle.path), *flags, *gate)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "tflite on cortex-a76 at 64 tokens" in done.stderr
    assert "+3.0% on the baseline's" in done.stderr
    (file,) = (tmp_path / "records").glob("*.json")
    for first, second in zip(before.by_length, read_record(file).by_length, strict=True):
        assert vars(second.instructions) == pytest.approx(vars(first.instructions), rel=1e-4)


def test_dot_products_do_the_linears_where_there_are_any(bundle, records):
    for record in records:
        for cost in record.by_length:
            made = cost.instructions
            assert 0.9 * made.floor <= made.sdot <= made.floor < made.simd < made.total


def test_other_cores_answer_right_by_other_instructions(bundle, monkeypatch):
    monkeypatch.setattr(arm64, "LENGTHS", (32,))
    old, new = (
        arm64.count_instructions(bundle, "tflite", core).by_length[0].instructions
        for core in ("cortex-a53", "i8mm")
    )
    assert old.sdot == 0 and new.sdot < 0.1 * new.floor and new.total < old.total / 2


def test_wheel_of_another_version_is_missing(bundle, monkeypatch):
    monkeypatch.setattr(arm64, "version", lambda package: "9.9")
    assert "the ARM64 wheel of executorch 9.9" in arm64.missing()


def test_planted_slowdown_of_three_percent_is_caught(bundle, records, monkeypatch, tmp_path):
    write_baseline(records, tmp_path / "baseline.json")
    run = arm64._run

    def slow(bundle, target, core, texts, repeats):  # planted: every third call has a token more
        if len(texts) > 1:
            return run(bundle, target, core, texts, repeats)
        (text,) = texts
        longer = [*text[:-1], text[1], text[-1]]
        logits, counts = run(bundle, target, core, [text, text, longer], repeats)
        return logits, tuple(count // 3 for count in counts)

    monkeypatch.setattr(arm64, "_run", slow)
    monkeypatch.setattr(arm64, "LENGTHS", (32,))
    changes = compare_instructions(
        [arm64.count_instructions(bundle, "executorch")], tmp_path / "baseline.json"
    )
    assert 0.02 < changes[0].share < 0.05
    (failure,) = slower(changes, 0.01)
    assert "executorch on cortex-a76 at 32 tokens" in failure


def test_logits_beyond_the_tolerance_are_refused(bundle, monkeypatch):
    run = arm64._run
    monkeypatch.setattr(arm64, "_run", lambda *given: (run(*given)[0] + 1, (0, 0, 0)))
    with pytest.raises(BundleError, match="on an emulated cortex-a76 a logit differs by"):
        arm64.count_instructions(bundle, "tflite")


def test_damaged_artefact_is_an_error(bundle, tmp_path):
    shutil.copytree(bundle.path, tmp_path / "bundle")
    opened = open_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "executorch.pte").write_bytes(b"nothing")
    with pytest.raises(BundleError, match="executorch on an emulated cortex-a76: "):
        arm64.count_instructions(opened, "executorch")


def test_target_without_a_runner_is_named(bundle):
    with pytest.raises(TargetUnavailable, match="no ARM64 runner; there are executorch, tflite"):
        arm64.count_instructions(bundle, "coreml")
