"""Every gate must catch the fault that it is there for."""

import copy
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from pocketbert.base.config import Gates
from pocketbert.base.files import tree_bytes
from pocketbert.base.recipes import RECIPES
from pocketbert.bundle.open import open_bundle
from pocketbert.measure.gates import (
    LARGEST_TOLERANCE,
    SMALLEST_TOLERANCE,
    JudgedLogits,
    _decision_failures,
    _same_decisions,
    judge,
    over_parts,
    probe_failures,
    probe_texts,
    run_texts,
)
from pocketbert.measure.noise import make_noisy
from pocketbert.models.calibration import find_threshold
from pocketbert.models.lean import LeanBert
from pocketbert.models.student import load_student
from pocketbert.targets import get_target
from pocketbert.targets.base import RowRunner
from pocketbert.targets.inspect import Stored, examine

NOTHING = Stored(0, {}, 0, {}, ())


@pytest.fixture(scope="module")
def student(toy_run):
    return load_student(toy_run / "student")


@pytest.fixture(scope="module")
def probes(student, toy_corpus):
    return probe_texts(toy_corpus, student.vocabulary)


@pytest.fixture(scope="module")
def reference(student, toy_corpus, probes):
    return over_parts(toy_corpus, probes, student.logits)


@pytest.fixture(scope="module")
def artifact(toy_run):
    """The student as the run lowered it."""
    return open_bundle(toy_run / "bundle").artifacts["tflite"].artifact


@pytest.fixture(scope="module")
def judged(artifact, student, toy_corpus, probes, reference):
    """Judge an artefact, run and read from its file; for a fault, against another student."""

    def run(made=artifact, *, against=None, spoil=None, vocabulary=student.vocabulary):
        target = get_target("tflite")
        runner = target.load(made)
        read = partial(run_texts, spoil(runner) if spoil else runner, vocabulary)
        measured = over_parts(toy_corpus, probes, read)
        expected = over_parts(toy_corpus, probes, against.logits) if against else reference
        graph = LeanBert((against or student).model, 32)
        contents, size = target.read(made), tree_bytes(made.path)
        stored = examine("tflite", contents, size, graph, RECIPES["int8"], Gates())
        return judge("tflite", runner.engine, stored, measured, expected, toy_corpus, Gates())

    return run


def changed(student, change):
    """A copy of `student` after `change(model)`, which an artefact does not share."""
    model = copy.deepcopy(student.model)
    with torch.no_grad():
        change(model)
    return replace(student, model=model)


def test_faithful_artefact_passes(judged):
    verdict = judged()
    assert verdict.failures == ()
    assert verdict.agreement >= 0.99
    assert verdict.max_difference <= verdict.tolerance


def test_scrambled_weights_fail(judged, student):
    def scramble(model):
        table = model.bert.embeddings.word_embeddings.weight
        table.copy_(table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))])

    failures = judged(against=changed(student, scramble)).failures
    assert any("agreement with the float model is" in f and "required 99.0%" in f for f in failures)


class Swapped:
    """A runner whose labels are in another order than the student's."""

    def __init__(self, runner):
        self.runner = runner

    def logits(self, input_ids, attention_mask):
        return self.runner.logits(input_ids, attention_mask)[:, [1, 2, 0]]


def test_swapped_labels_fail(judged):
    failures = judged(spoil=Swapped).failures
    assert any("agreement" in failure for failure in failures)
    assert any("drop above the allowed" in failure for failure in failures)


def test_wrong_vocabulary_fails(judged, student):
    other = student.vocabulary
    reversed_words = (*other.pieces[:60], *reversed(other.pieces[60:]))
    failures = judged(vocabulary=replace(other, pieces=reversed_words)).failures
    assert any("agreement" in failure for failure in failures)


def test_float_embedding_that_was_to_be_int8_fails(judged, student, tmp_path):
    recipe = replace(RECIPES["int8"], keep_float=("embedding",))
    (failure,) = judged(get_target("tflite").lower(student, tmp_path, recipe)).failures
    assert "embedding.weight is stored as float32, and the recipe int8 asks for one int8" in failure


def test_weight_that_is_not_the_students_fails(judged, student):
    def spoil(model):
        model.classifier.weight.neg_()

    failures = judged(against=changed(student, spoil)).failures
    assert any("classifier.weight is stored as nothing known" in f for f in failures)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logit_that_is_not_finite_fails(value, student, toy_corpus, reference):
    spoiled = replace(reference, test=reference.test.copy())
    spoiled.test[3, 1] = value
    verdict = judge("coreml", "x", NOTHING, spoiled, reference, toy_corpus, Gates())
    assert "coreml: 1 logits are not finite" in verdict.failures[0]


def on(corpus, logits, reference):
    """`reference` with `logits` on the test part of another corpus, and on its noisy texts."""
    noisy = logits[[one.row for one in make_noisy(corpus.test)]]
    return replace(reference, test=logits, noisy=noisy)


def verdict_of(measured, reference, corpus, gates=None):
    return judge("tflite", "x", NOTHING, measured, reference, corpus, gates or Gates())


def test_artefact_that_answers_as_the_student_passes(reference, toy_corpus):
    verdict = verdict_of(reference, reference, toy_corpus)
    assert verdict.failures == ()
    assert (verdict.same_decisions, verdict.tolerance) == (1.0, SMALLEST_TOLERANCE)


def test_scrambled_highest_logits_fail_though_every_label_agrees(reference, toy_corpus):
    def scramble(logits):
        shifts = np.random.default_rng(0).normal(scale=8, size=(len(logits), 1))
        return (logits + shifts).astype(np.float32)

    parts = {name: scramble(logits) for name, logits in vars(reference).items()}
    verdict = verdict_of(replace(reference, **parts), reference, toy_corpus)
    assert verdict.agreement == 1.0
    assert any("answers, or does not answer, as the float model on" in f for f in verdict.failures)


def saturated(scale, seed):
    """Logits of a model that is sure of every text: the highest is 5, give or take `scale`."""
    noise = np.random.default_rng(seed).normal(scale=scale, size=400)
    highest = (5 + noise).astype(np.float32)
    rows = np.stack([highest, -highest, np.zeros_like(highest)], axis=1)
    return JudgedLogits(rows[:200], rows[200:], rows[:0], rows[:0], rows[:0])


@pytest.mark.parametrize(("scale", "same"), [(0.01, True), (1.0, False)])
def test_what_rounding_decides_is_no_other_decision(scale, same):
    """Both models differ as far as their own spread: by less than processors do, or by far more."""
    ours, theirs = saturated(scale, 0), saturated(scale, 1)
    found = _same_decisions(ours, find_threshold(ours.validation, 0.9), theirs, 0.9)
    assert (found == 1.0) == same
    assert (found >= 0.97) == same


def test_positions_that_are_shifted_in_the_longest_signature_fail(judged, student, toy_corpus):
    """No text of the data is that long, so that no other gate sees it."""
    longest = max(len(row) for row in student.vocabulary.tokenize(toy_corpus.test.texts))
    assert longest < 16

    def shift(model):
        table = model.bert.embeddings.position_embeddings.weight
        table[16:] = 3 * table[16:].flip(0)

    failures = judged(against=changed(student, shift)).failures
    assert any("odd or long texts get other logits" in failure for failure in failures)


def test_probes_have_every_length_and_what_breaks_tokenizers(student, probes):
    lengths = {len(tokens) for tokens in student.vocabulary.tokenize(probes)}
    assert lengths >= {*range(3, student.vocabulary.max_length + 1)}
    assert "" in probes


def test_probes_of_a_single_short_text_have_every_length(student, toy_corpus):
    one = replace(toy_corpus, test=replace(toy_corpus.test, texts=("dim",), labels=(0,)))
    lengths = {
        len(row) for row in student.vocabulary.tokenize(probe_texts(one, student.vocabulary))
    }
    assert lengths >= {*range(3, student.vocabulary.max_length + 1)}


def test_tolerance_of_a_poor_artefact_is_bounded(reference, toy_corpus):
    poor = replace(reference, test=reference.test + np.float32(1.5))
    assert verdict_of(poor, reference, toy_corpus).tolerance == LARGEST_TOLERANCE


def test_one_intent_lost_fails_though_the_texts_are_few_of_all(reference, toy_corpus):
    """Planted: 400 texts, of which four belong to an intent that the artefact no longer gives."""
    labels = (0,) * 200 + (1,) * 196 + (2,) * 4
    texts = tuple(map(str, range(400)))
    corpus = replace(toy_corpus, test=replace(toy_corpus.test, texts=texts, labels=labels))
    right = 5 * np.eye(3, dtype=np.float32)[list(labels)]
    lost = right.copy()
    lost[396:] = [5, 0, 0]
    student = on(corpus, right, reference)
    verdict = verdict_of(on(corpus, lost, reference), student, corpus)
    assert verdict.agreement == 0.99
    assert any("has 4 of 4 test texts of 'weather' wrong" in f for f in verdict.failures)
    lost[398:] = right[398:]  # two may be chance
    failures = verdict_of(on(corpus, lost, reference), student, corpus).failures
    assert not any("test texts of" in failure for failure in failures)


def test_rare_intents_half_lost_fail_by_macro_f1_alone(reference, toy_corpus):
    """Planted: of 1,008 texts four are wrong, two each of two rare intents: 99.6 % agree."""
    labels = (0,) * 1000 + (1,) * 4 + (2,) * 4
    texts = tuple(map(str, range(len(labels))))
    corpus = replace(toy_corpus, test=replace(toy_corpus.test, texts=texts, labels=labels))
    right = 5 * np.eye(3, dtype=np.float32)[list(labels)]
    lost = right.copy()
    lost[[1000, 1001, 1004, 1005]] = [5, 0, 0]
    student = on(corpus, right, reference)
    (failure,) = verdict_of(on(corpus, lost, reference), student, corpus).failures
    assert failure.startswith("tflite: macro F1 is 77.7% and the float model's 100.0%, a drop")
    lost[[1001, 1004, 1005]] = right[[1001, 1004, 1005]]  # one may be chance
    assert verdict_of(on(corpus, lost, reference), student, corpus).failures == ()


@pytest.mark.parametrize(("wrong", "passes"), [(1, True), (2, False)])
def test_one_text_of_forty_is_no_evidence(reference, toy_corpus, wrong, passes):
    labels = (0, 1) * 20
    corpus = replace(toy_corpus, test=replace(toy_corpus.test, texts=("a",) * 40, labels=labels))
    right = 5 * np.eye(3, dtype=np.float32)[list(labels)]
    other = right.copy()
    other[:wrong] = [0, 0, 5]
    student = on(corpus, right, reference)
    verdict = verdict_of(on(corpus, other, reference), student, corpus)
    assert (verdict.failures == ()) is passes


def test_runner_gets_the_shortest_length_that_fits(artifact):
    seen = []

    def execute(ids, mask):
        seen.append(ids.shape[1])
        return np.zeros((1, 3), np.float32)

    runner = RowRunner(artifact, "probe", execute)
    ids = np.ones((3, 30), np.int64)
    mask = (np.arange(30) < np.array([[4], [12], [30]])).astype(np.int64)
    runner.logits(ids, mask)
    assert seen == [8, 16, 32]


def test_a_text_between_two_labels_is_not_held_to_its_own_small_spread():
    student = np.array([[4.0, -4.0], [-5.0, 5.0], [0.05, -0.05]], np.float32)
    near = student + np.float32([0.05, -0.05])  # half of the last one's spread
    assert probe_failures("x", near, student, 0.25) == []
    wrong = student.copy()
    wrong[2] = (3.0, -3.0)  # planted
    assert "1 of 3 odd or long texts" in probe_failures("x", wrong, student, 0.25)[0]


@pytest.mark.parametrize(("other", "failures"), [(1, 0), (2, 1)])
@pytest.mark.parametrize("texts", range(8, 34))
def test_one_other_decision_of_few_texts_is_no_evidence(texts, other, failures):
    same = float(np.mean([*[True] * (texts - other), *[False] * other]))
    assert len(_decision_failures("tflite", same, texts, limit=0.97)) == failures
