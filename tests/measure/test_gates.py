"""Every gate must catch the fault that it is there for."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from pocketbert.base.config import Gates
from pocketbert.base.errors import NotRun
from pocketbert.base.files import tree_bytes
from pocketbert.base.recipes import RECIPES
from pocketbert.measure.gates import judge, judge_student, over_parts, run_texts
from pocketbert.models.lean import LeanBert
from pocketbert.models.metrics import Evaluation
from pocketbert.models.student import Student, load_student
from pocketbert.targets import get_target
from pocketbert.targets.base import RowRunner
from pocketbert.targets.inspect import Stored, examine

NOTHING = Stored(0, {}, 0, {}, ())


@pytest.fixture(scope="module")
def student(toy_run):
    return load_student(toy_run / "student")


@pytest.fixture(scope="module")
def reference(student, toy_corpus):
    return over_parts(toy_corpus, student.logits)


@pytest.fixture(scope="module")
def judged(student, toy_corpus, reference, tmp_path_factory):
    """Lower a student for real, run the file, and judge it against the true student."""

    def run(made: Student, vocabulary=student.vocabulary, recipe=RECIPES["int8"]):
        out = tmp_path_factory.mktemp("lowered")
        target = get_target("tflite")
        artifact = target.lower(made, out, recipe)
        runner = target.load(artifact)
        measured = over_parts(toy_corpus, lambda texts: run_texts(runner, vocabulary, texts))
        stored = examine(
            "tflite",
            target.read(artifact),
            tree_bytes(artifact.path),
            LeanBert(student.model, 32),
            RECIPES["int8"],
            Gates(),
        )
        return judge("tflite", runner.engine, stored, measured, reference, toy_corpus, Gates())

    return run


def changed(student, change):
    """A copy of `student` after `change(model)`."""
    model = copy.deepcopy(student.model)
    with torch.no_grad():
        change(model)
    return replace(student, model=model)


def test_faithful_artefact_passes(judged, student):
    verdict = judged(student)
    assert verdict.failures == ()
    assert verdict.agreement >= 0.99
    assert verdict.max_difference <= verdict.tolerance


def test_scrambled_weights_fail(judged, student):
    def scramble(model):
        table = model.bert.embeddings.word_embeddings.weight
        table.copy_(table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))])

    failures = judged(changed(student, scramble)).failures
    assert any("agreement with the student is" in f and "required 99.0%" in f for f in failures)


def test_swapped_labels_fail(judged, student):
    def swap(model):
        for tensor in (model.classifier.weight, model.classifier.bias):
            tensor.copy_(tensor[[1, 2, 0]])

    failures = judged(changed(student, swap)).failures
    assert any("agreement" in failure for failure in failures)
    assert any("drop above the allowed" in failure for failure in failures)


def test_wrong_vocabulary_fails(judged, student):
    other = student.vocabulary
    reversed_words = (*other.pieces[:60], *reversed(other.pieces[60:]))
    failures = judged(student, replace(other, pieces=reversed_words)).failures
    assert any("agreement" in failure for failure in failures)


def test_float_embedding_that_was_to_be_int8_fails(judged, student):
    recipe = replace(RECIPES["int8"], keep_float=("embedding",))
    (failure,) = judged(student, recipe=recipe).failures
    assert "embedding.weight is stored as float32, and the recipe int8 asks for one int8" in failure


def test_weight_that_is_not_the_students_fails(judged, student):
    def spoil(model):
        model.classifier.weight.neg_()

    failures = judged(changed(student, spoil)).failures
    assert any("classifier.weight is stored as nothing known" in f for f in failures)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logit_that_is_not_finite_fails(value, student, toy_corpus, reference):
    spoiled = replace(reference, test=reference.test.copy())
    spoiled.test[3, 1] = value
    verdict = judge("coreml", "x", NOTHING, spoiled, reference, toy_corpus, Gates())
    assert "coreml: 1 logits are not finite" in verdict.failures[0]


def test_student_far_below_the_teacher_fails():
    evaluation = Evaluation(100, 0.9, 0.9, 0.0, 0.0, NotRun("-"))
    worse = replace(evaluation, accuracy=0.8)
    assert judge_student(evaluation, evaluation, Gates()) == ()
    (failure,) = judge_student(worse, evaluation, Gates())
    assert "keeps 88.9% of the teacher's accuracy" in failure and "required 98.0%" in failure


def test_runner_gets_the_shortest_length_that_fits(toy_run):
    from pocketbert.bundle.open import open_bundle

    artifact = open_bundle(toy_run / "bundle").artifacts["tflite"].artifact
    seen = []

    def execute(ids, mask):
        seen.append(ids.shape[1])
        return np.zeros((1, 3), np.float32)

    runner = RowRunner(artifact, "probe", execute)
    ids = np.ones((3, 30), np.int64)
    mask = (np.arange(30) < np.array([[4], [12], [30]])).astype(np.int64)
    runner.logits(ids, mask)
    assert seen == [8, 16, 32]
