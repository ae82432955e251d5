"""Measurements: records that cannot mislead, and what is timed."""

import json
from collections import Counter
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from command import pocketbert
from rich.console import Console

from pocketbert.app.cli import benches
from pocketbert.base.errors import (
    BundleError,
    GateFailed,
    InputError,
    PipelineError,
    TargetUnavailable,
)
from pocketbert.bundle.golden import TORTURE
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import host
from pocketbert.measure.record import (
    Instructions,
    LatencyRecord,
    LengthCost,
    Steps,
    json_schema,
    read_record,
    summarize,
    write_record,
)
from pocketbert.measure.regress import compare_instructions, not_compared, slower, write_baseline

LATENCY = summarize([1.0, 2.0, 3.0])
STEPS = Steps(tokenize=LATENCY, inference=LATENCY, answer=LATENCY)
COUNTS = Instructions(total=1000, simd=500, sdot=100, floor=90)


def record(**changes):
    values = {
        "kind": "host",
        "device": "A processor (R) 1.0",
        "system": "Linux",
        "artifact": "tflite",
        "sha256": "0" * 64,
        "runtime": "LiteRT 1",
        "threads": 1,
        "by_length": (LengthCost(tokens=8, inference=LATENCY),),
        "wall": STEPS,
    }
    return LatencyRecord(**{**values, **changes})


def counted(total=1000, **changes):
    cost = LengthCost(tokens=8, instructions=replace(COUNTS, total=total))
    return record(**{"kind": "arm64-emulated", "wall": None, "by_length": (cost,), **changes})


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


def test_percentiles_are_of_the_durations():
    latency = summarize(np.arange(1, 101))
    assert (latency.p50, latency.min, latency.n) == (50.5, 1.0, 100)
    assert latency.p90 == pytest.approx(90.1) and latency.p99 == pytest.approx(99.01)


def test_record_survives_disk(tmp_path):
    for one in (record(busy=True, remarks=("warm",)), counted()):
        assert read_record(write_record(one, tmp_path)) == one
    assert (tmp_path / "host-a-processor--r--1-0-tflite.json").exists()


def test_the_kind_of_machine_cannot_be_dropped(tmp_path):
    file = write_record(record(), tmp_path)
    content = json.loads(file.read_text(encoding="utf-8"))
    for kind in (None, "phone"):
        file.write_text(json.dumps({**content, "kind": kind}), encoding="utf-8")
        with pytest.raises(InputError, match="not a latency record, kind"):
            read_record(file)
    del content["kind"]
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="kind: Field required"):
        read_record(file)


def test_time_under_emulation_is_refused():
    with pytest.raises(ValueError, match="time under emulation says nothing"):
        counted(wall=STEPS)
    with pytest.raises(ValueError, match="time under emulation says nothing"):
        counted(by_length=(LengthCost(tokens=8, inference=LATENCY),))


def test_record_without_a_time_is_refused():
    with pytest.raises(ValueError, match="wall is missing"):
        record(wall=None)


@pytest.mark.parametrize("costs", [(), (LengthCost(tokens=8),)])
def test_emulated_record_without_instructions_is_refused(costs):
    with pytest.raises(ValueError, match="instructions are missing"):
        counted(by_length=costs)


def test_two_devices_of_one_name_are_kept_apart(tmp_path):
    files = {write_record(record(serial=serial), tmp_path) for serial in ("A1", "B2")}
    assert len(files) == 2


def test_record_of_a_later_schema_is_refused():
    with pytest.raises(ValueError, match=r"schema is 2\.0; this version reads 1\.0"):
        record(schema="2.0")


def test_published_schema_is_the_one_in_use():
    from importlib.resources import files

    published = (
        files("pocketbert.measure").joinpath("record.schema.json").read_text(encoding="utf-8")
    )
    assert json.loads(published) == json_schema()


def test_texts_are_real_and_of_the_length_asked_for(bundle):
    texts = host.sample_texts(bundle)
    assert texts and not set(texts) & set(TORTURE)
    for tokens in (8, 16, 32):
        ids, mask = host.text_of(bundle, tokens, texts)
        assert ids.shape == mask.shape == (1, tokens) and mask.all()
        first, last = bundle.vocabulary.encode([texts[0]]).input_ids[0][[0, -1]]
        assert ids[0, 0] == first and ids[0, -1] == last
        assert not np.isin(ids[0, 1:-1], [0, first, last]).any()


def test_host_measures_by_both_clocks_and_in_a_fresh_process(bundle):
    measured = host.time_artifact(bundle, "tflite", host.Rules(queries=30, seconds=0.2, loads=1))
    assert measured.kind == "host" and measured.wall and measured.cpu
    for steps in (measured.wall, measured.cpu):
        assert steps.answer.n >= 30
        assert steps.tokenize.p50 + steps.inference.p50 <= 1.5 * steps.answer.p50
    assert measured.load_ms > 0 and measured.memory_loaded_bytes > measured.memory_before_bytes
    assert measured.memory_peak_bytes >= measured.memory_loaded_bytes
    assert [cost.tokens for cost in measured.by_length] == [8, 16, 32]


def test_time_of_an_evaluator_is_not_measured(bundle):
    with pytest.raises(TargetUnavailable, match="an evaluator's time says nothing"):
        host.time_artifact(bundle, "coreml")


def test_waiting_for_the_processor_is_seen():
    import time

    waited = host.Waiting()
    time.sleep(0.05)  # as if a neighbour had the processor
    assert waited.share() > 0.5


def test_gate_lets_the_same_pass_and_catches_three_percent(tmp_path):
    baseline = tmp_path / "baseline.json"
    write_baseline([counted(), record()], baseline)
    assert slower(compare_instructions([counted()], baseline), 0.01) == ()
    assert slower(compare_instructions([counted(990)], baseline), 0.01) == ()
    (failure,) = slower(compare_instructions([counted(1030)], baseline), 0.01)
    assert "1,030 instructions, +3.0% on the baseline's 1,000 and 1.0% is allowed" in failure


def test_gate_names_what_it_did_not_compare(tmp_path):
    write_baseline([counted(), counted(device="cortex-a53")], tmp_path / "baseline.json")
    assert not_compared([counted()], tmp_path / "baseline.json") == ("tflite on cortex-a53",)


def test_gate_fails_for_what_only_the_baseline_has_unless_that_is_allowed(tmp_path):
    write_baseline([counted(), counted(device="cortex-a53")], tmp_path / "baseline.json")
    held = ([counted()], tmp_path / "baseline.json", 0.01, Console())
    with pytest.raises(GateFailed, match="not measured, and in the baseline: tflite on cortex-a53"):
        benches._compare(*held, allow_missing=False)
    benches._compare(*held, allow_missing=True)


def test_gate_without_a_counterpart_is_an_error(tmp_path):
    baseline = tmp_path / "baseline.json"
    write_baseline([counted()], baseline)
    with pytest.raises(InputError, match="has no executorch on"):
        compare_instructions([counted(artifact="executorch")], baseline)
    with pytest.raises(InputError, match="Write a baseline first"):
        compare_instructions([counted()], tmp_path / "absent.json")
    with pytest.raises(InputError, match="Nothing counted instructions, which the gate compares"):
        compare_instructions([record()], baseline)
    with pytest.raises(InputError, match="Nothing counted instructions, which a baseline keeps"):
        write_baseline([record()], baseline)
    baseline.write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no list of records"):
        compare_instructions([counted()], baseline)
    with pytest.raises(PipelineError, match="pocketbert did not make this"):
        write_baseline([counted()], baseline)
    assert baseline.read_text(encoding="utf-8") == "{}"


def test_bench_on_the_command_line_prints_and_keeps_a_record(toy_run, tmp_path):
    flags = ("--runtime", "tflite", "--queries", "20", "--seconds", "0.1", "--out")
    done = pocketbert("bench", str(toy_run / "bundle"), *flags, str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "this host, not a phone" in done.stdout
    (file,) = tmp_path.glob("host-*-tflite.json")
    assert asdict(read_record(file))["kind"] == "host"


def test_busy_machine_is_said(bundle, monkeypatch):
    monkeypatch.setattr(host.Waiting, "share", lambda self: 0.5)
    measured = host.time_artifact(bundle, "tflite", host.Rules(queries=5, seconds=0.0, loads=1))
    assert measured.busy and measured.remarks == ("waited for the processor 50% of the time",)


def test_time_outside_xnnpack_is_a_remark_and_no_gate(monkeypatch):
    from pocketbert.targets.executorch import profile

    pte = SimpleNamespace(target="executorch", path="x.pte", lengths=(2, 64))
    times = profile.OperatorTimes(100.0, 97.0, {}, {}, Counter())  # planted: nearly all of it
    monkeypatch.setattr(profile, "time_operators", lambda *_: times)
    assert host._time_outside(pte) == ("97% of its time passes outside XNNPACK",)
    assert host._time_outside(SimpleNamespace(target="tflite")) == ()

    def lacking(*_):
        raise ImportError("No module named 'pandas'")

    monkeypatch.setattr(profile, "time_operators", lacking)
    (remark,) = host._time_outside(pte)
    assert remark == "time outside XNNPACK not measured (No module named 'pandas')"


def test_process_that_hangs_is_given_up(bundle, monkeypatch):
    monkeypatch.setattr(host, "HANGS", 0.01)
    why = r"tflite, loaded by a fresh process: no answer within 0.01 s\. Try again when"
    with pytest.raises(BundleError, match=why):
        host._cold(bundle.path, "tflite")


def test_gate_on_times_is_refused_on_the_command_line(toy_run, tmp_path):
    flags = ("--runtime", "coreml", "--gate", str(tmp_path / "b.json"), "--tolerance", "1")
    done = pocketbert("bench", str(toy_run / "bundle"), *flags)
    assert done.returncode == 2 and "lets everything pass" in done.stderr


def test_artefact_that_is_not_there_is_named(toy_run):
    done = pocketbert("bench", str(toy_run / "bundle"), "--runtime", "executorch")
    assert done.returncode == 2
    assert "holds no 'executorch' artefact, but tflite, coreml" in done.stderr
