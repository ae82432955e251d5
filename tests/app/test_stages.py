from dataclasses import replace
from types import SimpleNamespace

import pytest

from pocketbert.app.cache import Cache
from pocketbert.app.result import read_result
from pocketbert.app.stages import learn as learning
from pocketbert.app.stages.learn import Job, distill_student, fit_teacher, label_texts
from pocketbert.app.stages.ship import Verified, list_failures
from pocketbert.base.config import load_config
from pocketbert.base.errors import NotRun
from pocketbert.data.corpus import load_corpus


@pytest.fixture
def job(toy_config, tmp_path):
    config = load_config(toy_config, {"distill": {"epochs": 1, "hidden_weight": 0.1}})
    return Job(config, load_corpus(config.data), Cache(tmp_path / "out"))


def counted(monkeypatch, name):
    """How often `learning` calls `name` from now on."""
    calls, original = [], getattr(learning, name)

    def noted(*arguments, **options):
        calls.append(arguments)
        return original(*arguments, **options)

    monkeypatch.setattr(learning, name, noted)
    return calls


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
    trained = counted(monkeypatch, "distill")
    distill_student(job, teacher, transfer_set)
    assert trained == []
    assert not (job.cache.out / "checkpoints" / "student").exists()


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
