from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from pocketbert.app.cache import Cache
from pocketbert.app.result import read_result
from pocketbert.app.stages import learn as learning
from pocketbert.app.stages import one_target
from pocketbert.app.stages import ship as shipping
from pocketbert.app.stages.learn import Job, Learned, distill_student, fit_teacher, label_texts
from pocketbert.app.stages.ship import Verified, list_failures
from pocketbert.base.config_file import load_config
from pocketbert.base.errors import NotRun
from pocketbert.data.corpus import load_corpus
from pocketbert.learn.augment import LEAST, MOST
from pocketbert.measure.gates import Verdict
from pocketbert.measure.record import LatencyRecord, LengthCost, Steps, summarize
from pocketbert.models.calibration import Calibration
from pocketbert.models.metrics import evaluate
from pocketbert.targets.base import Artifact
from pocketbert.targets.inspect import Stored


@pytest.fixture
def job(toy_config, tmp_path):
    config = load_config(toy_config, {"distill": {"epochs": 1, "hidden_weight": 0.1}})
    return Job(config, load_corpus(config.data), Cache(tmp_path / "out"))


def record(**changes):
    """A record of one millisecond throughout."""
    one = summarize([1.0])
    steps = Steps(tokenize=one, inference=one, answer=one)
    settled = {"kind": "host", "device": "d", "system": "s", "sha256": "0" * 64, "runtime": "r"}
    costs = (LengthCost(tokens=8, inference=one),)
    return LatencyRecord(**settled, threads=1, by_length=costs, wall=steps, cpu=steps, **changes)


def counted(monkeypatch, name):
    """How often `learning` calls `name` from now on."""
    calls, original = [], getattr(learning, name)

    def noted(*arguments, **options):
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(learning, name, noted)
    return calls


@pytest.mark.parametrize(("fine_tune", "copies"), [(False, LEAST), (True, MOST)])
def test_how_many_rewordings_depends_on_the_teacher(job, fine_tune, copies, monkeypatch):
    asked = counted(monkeypatch, "make_transfer_set")
    teacher = fit_teacher(job)
    config = replace(
        job.config,
        teacher=replace(job.config.teacher, fine_tune=fine_tune),
        distill=replace(job.config.distill, augment=None),
    )
    label_texts(replace(job, config=config), teacher)
    assert [arguments[2] for arguments in asked] == [copies]


def test_hidden_states_are_made_once_for_all_students(job, tmp_path, monkeypatch):
    calls = counted(monkeypatch, "save_hidden")
    teacher = fit_teacher(job)
    transfer_set = label_texts(job, teacher)
    for name, hidden in (("one", 32), ("two", 64)):
        spec = replace(job.config.student, hidden=hidden)
        config = replace(job.config, student=spec)
        distill_student(
            replace(job, config=config, cache=Cache(tmp_path / name)), teacher, transfer_set
        )
    assert len(calls) == 1


def test_unlabelled_text_is_asked_about_without_fitting_the_teacher_again(job, monkeypatch):
    label_texts(job, fit_teacher(job))
    fits, asked = counted(monkeypatch, "fit_head"), counted(monkeypatch, "make_transfer_set")
    more = replace(job, corpus=replace(job.corpus, unlabeled=("dim the jazz",)))
    label_texts(more, fit_teacher(more))
    assert (len(fits), len(asked)) == (0, 1)


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"student": {"max_length": 16}}, {"distill": {"augment": 1}}]
)
def test_what_decides_the_transfer_set_makes_it_anew(job, toy_config, monkeypatch, changes):
    label_texts(job, fit_teacher(job))
    asked = counted(monkeypatch, "make_transfer_set")
    other = replace(job, config=load_config(toy_config, changes))
    label_texts(other, fit_teacher(other))
    assert len(asked) == 1


def test_unchanged_inputs_train_nothing(job, monkeypatch):
    teacher = fit_teacher(job)
    transfer_set = label_texts(job, teacher)
    distill_student(job, teacher, transfer_set)
    trained = counted(monkeypatch, "train_student")
    distill_student(job, teacher, transfer_set)
    assert trained == []
    assert not (job.cache.out / "checkpoints" / "student").exists()


def test_verdict_with_failures_is_asked_for_again(job, tmp_path, monkeypatch):
    # Planted: a gate that was wrong, and is put right; the file is the same.
    verdicts = [("a gate failed",), ("a gate failed",), (), ()]
    nothing = Calibration(1.0, 0.0)
    logits, stored = np.zeros((4, 2), np.float32), Stored(0, {}, 0, {}, ())
    figures = evaluate(logits, (0, 1, 0, 1), np.empty((0, 2), np.float32), nothing)

    def judged(*_):
        failures = verdicts.pop(0)
        return Verdict(
            target="x",
            engine="a runtime",
            stored=stored,
            calibration=nothing,
            evaluation=figures,
            agreement=1.0,
            same_decisions=1.0,
            max_difference=0.0,
            tolerance=0.05,
            robustness={},
            failures=failures,
        )

    def measured(folder, **_):
        save_file({"logits": logits}, Path(folder) / one_target.MEASURED)
        return {"engine": "a runtime", "stored": asdict(stored)}

    parts = SimpleNamespace(texts=(), divide=lambda _: SimpleNamespace(probes=logits))
    for module, name, value in (
        (shipping, "load_student", lambda _: SimpleNamespace(vocabulary=None)),
        (shipping, "probe_texts", lambda *_: ()),
        (shipping, "judged_texts", lambda *_: parts),
        (shipping, "judge", judged),
        (one_target, "measure", measured),
    ):
        monkeypatch.setattr(module, name, value)
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "x.bin").write_text("x")
    artifact = Artifact("x", tmp_path / "made" / "x.bin", (), "", (), True, 0, None, "", "")
    learned = Learned(tmp_path / "made", tmp_path / "made", tmp_path / "made")
    models = SimpleNamespace(student=SimpleNamespace(logits=None))
    found = [shipping.verify(job, learned, models, {"x": artifact})["x"] for _ in range(4)]
    assert [len(one.verdict.failures) for one in found] == [1, 1, 0, 0]
    assert len(verdicts) == 1  # the last was read from the cache


def test_what_a_busy_machine_measured_is_measured_again(job, tmp_path, monkeypatch):
    quiet, moved = [False, True, True], []
    monkeypatch.setattr(shipping, "open_bundle", lambda _: None)
    monkeypatch.setattr(
        shipping, "time_artifact", lambda *_: record(busy=not quiet.pop(0), artifact="x")
    )
    (tmp_path / "bundle").mkdir()
    for processor in ("one", "one", "one", "another"):
        monkeypatch.setattr(shipping, "processor", lambda name=processor: name)
        moved.append(shipping._bench(job, "x", tmp_path / "bundle").busy)
    assert moved == [True, False, False, False]
    assert quiet == []  # of the third, the second was taken; the other processor was measured


@pytest.mark.parametrize(("required", "failures"), [((), 0), (("tflite",), 0), (("coreml",), 1)])
def test_target_that_was_named_and_not_made_fails_though_another_was_made(
    toy_run, required, failures
):
    made = read_result(toy_run).verdicts["tflite"]
    verified = {
        "tflite": Verified(artifact=None, verdict=made, golden=None),
        "coreml": NotRun("coremltools is not installed."),
    }
    found = list_failures(SimpleNamespace(failures=()), verified, required)
    assert len(found) == failures
    for failure in found:
        assert failure.startswith("coreml: was asked for by name and not made: coremltools is not")
        assert "--allow-missing" in failure
