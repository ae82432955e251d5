"""Training by two processes: the same weights as by one, bit for bit, and no silent failure."""

import itertools
from dataclasses import asdict

import pairs
import pytest
import torch

from pocketbert.app.stages.train import train_student, train_teacher
from pocketbert.base.config import DistillConfig, StudentSpec, TeacherConfig
from pocketbert.base.errors import PipelineError
from pocketbert.base.events import TrainingEnded, listening
from pocketbert.base.workers import side_by_side
from pocketbert.learn.pair import HALVES, WHOLE, Alone, Pair, beside
from pocketbert.learn.transfer import make_transfer_set


@pytest.fixture(scope="module", autouse=True)
def two():
    with side_by_side(2):
        yield


def by_two(train=pairs.fit, **given):
    with beside(train, given, 8) as trainers:
        assert isinstance(trainers, Pair)
        return train(trainers, **given)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("batch_size", [8, 7, 2])
def test_two_processes_come_to_the_weights_of_one_bit_for_bit(batch_size):
    given = {"batch_size": batch_size, "epochs": 2}
    assert torch.equal(by_two(**given), pairs.fit(Alone(), **given))


def test_halves_hold_every_row_once():
    batch = [*range(7)]
    assert sorted(itertools.chain(*(batch[half] for half in HALVES))) == batch
    assert Alone().halves(1) == WHOLE
    assert Alone().halves(2) == HALVES


def test_a_teacher_is_fine_tuned_alike_by_one_and_by_two(teacher_folder, toy_corpus, tmp_path):
    def given(name):
        return {
            "frozen": str(teacher_folder),
            "corpus": asdict(toy_corpus),
            "config": asdict(TeacherConfig(epochs=2, batch_size=16)),
            "max_length": 32,
            "seed": 0,
            "checkpoints": {"folder": str(tmp_path / name), "every": 5, "settings": {}},
        }

    two, one = by_two(train_teacher, **given("two")), train_teacher(Alone(), **given("one"))
    assert torch.equal(weights(two.encoder), weights(one.encoder))
    assert torch.equal(weights(two.head), weights(one.head))


def test_a_student_is_distilled_alike_by_one_and_by_two(
    teacher_folder, toy_teacher, toy_corpus, tmp_path
):
    make_transfer_set(toy_teacher, toy_corpus, 1).save(tmp_path)
    given = {
        "teacher": str(teacher_folder),
        "transfer_set": str(tmp_path),
        "hidden": {},
        "spec": asdict(StudentSpec(layers=1, hidden=32, max_length=32)),
        "config": asdict(DistillConfig(epochs=1, least_steps=30, batch_size=16)),
        "seed": 0,
        "checkpoints": {"folder": str(tmp_path / "state"), "every": 100, "settings": {}},
    }
    curves = []
    with listening(lambda event: isinstance(event, TrainingEnded) and curves.append(event)):
        students = by_two(train_student, **given), train_student(Alone(), **given)
    assert torch.equal(*(weights(student.model) for student in students))
    assert curves[0] == curves[1]


@pytest.mark.parametrize("fault", ["first fails", "second fails", "second dies"])
def test_training_that_one_or_two_began_is_ended_by_either(tmp_path, fault):
    folder = str(tmp_path / "state")
    with pytest.raises((KeyError, RuntimeError, PipelineError)):
        by_two(folder=folder, fault=fault)
    assert [*(tmp_path / "state").iterdir()]
    assert torch.equal(pairs.fit(Alone(), folder=folder), pairs.fit(Alone()))


def test_training_that_one_began_two_go_on_with(tmp_path):
    folder = str(tmp_path / "state")
    with pytest.raises(KeyError):
        pairs.fit(Alone(), folder=folder, fault="first fails", at=20)
    assert torch.equal(by_two(folder=folder), pairs.fit(Alone()))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("second dies", r"A worker process ended with exit code 7 while it was at work"),
        ("second overflows", r"The loss is nan at step \d+ of 28"),
        ("first overflows", r"The loss is nan at step \d+ of 28"),
        ("second strays", r"came to different weights.*--processes 1"),
    ],
)
def test_what_happens_to_one_of_the_two_ends_the_training_in_words(fault, message):
    with pytest.raises(PipelineError, match=message):
        by_two(fault=fault)
    assert torch.equal(by_two(epochs=1), pairs.fit(Alone(), epochs=1))  # the workers go on


def test_with_one_process_a_launcher_or_one_row_there_is_no_other(monkeypatch):
    with beside(pairs.fit, {}, 1) as trainers:
        assert isinstance(trainers, Alone)
    with side_by_side(1), beside(pairs.fit, {}, 8) as trainers:
        assert isinstance(trainers, Alone)
    monkeypatch.setattr("pocketbert.learn.team.size", lambda: 2)
    with beside(pairs.fit, {}, 8) as trainers:
        assert isinstance(trainers, Alone)
        assert trainers.halves(8) == WHOLE


def test_a_folder_too_long_for_a_socket_leaves_one_process(monkeypatch, tmp_path):
    deep = tmp_path / ("long " * 30)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with beside(pairs.fit, {}, 8) as trainers:
        assert isinstance(trainers, Alone)
