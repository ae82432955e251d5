"""What the float models must reach: no floor may move with the teacher."""

from dataclasses import replace

import numpy as np
import pytest

from pocketbert.base.config import Gates
from pocketbert.measure.baseline import guess_by_letters
from pocketbert.measure.floors import check_floors

NAMES = tuple("abcdefghij")


def answers(labels, right, seed=0):
    """Logits that choose the label of a share `right` of the texts, and another of the rest."""
    generator = np.random.default_rng(seed)
    wrong = generator.permutation(len(labels))[: round(len(labels) * (1 - right))]
    chosen = np.array(labels)
    chosen[wrong] = (chosen[wrong] + 1) % len(NAMES)
    return np.eye(len(NAMES), dtype=np.float32)[chosen]


def constant(label, texts):
    return np.eye(len(NAMES), dtype=np.float32)[np.full(texts, label)]


LABELS = [row % len(NAMES) for row in range(500)]
SKEWED = [0] * 990 + [1] * 10


def check(teacher, student, letters=None, labels=LABELS, **gates):
    guessed = np.full(len(labels), -1) if letters is None else letters.argmax(1)
    return check_floors(teacher, student, guessed, labels, NAMES, Gates(**gates))


def test_good_teacher_and_student_pass():
    assert check(answers(LABELS, 0.95), answers(LABELS, 0.93, 1), answers(LABELS, 0.9, 2)) == ()


def test_teacher_that_answers_the_same_to_all_is_refused():
    """Trial 06: a teacher that read only [UNK] was sealed at 50 %, with every gate green."""
    half = [row % 2 for row in range(120)]
    blind = constant(0, 120)
    failures = check(blind, blind, labels=half)
    assert failures[0].startswith("teacher: is right on 50.0% of the test texts, and 'a' as the")
    assert "data's language" in failures[0] and "at least 60.0%" in failures[0]


def test_constant_student_of_99_to_1_data_is_refused():
    """Retention is .990, and macro F1 a tenth."""
    letters = answers(SKEWED, 1.0)
    failures = check(letters, constant(0, 1000), letters, labels=SKEWED)
    assert any("student: is right on 99.0%" in failure for failure in failures)
    assert any("has lost the intent 'b', 10 of the 10" in failure for failure in failures)


def test_good_student_of_99_to_1_data_passes():
    student = answers(SKEWED, 1.0)
    student[[3, 990]] = 0  # one text of each intent is wrong
    student[3, 1] = student[990, 0] = 1
    assert check(answers(SKEWED, 1.0), student, answers(SKEWED, 1.0), labels=SKEWED) == ()


def test_student_that_has_lost_one_intent_is_refused():
    lost = answers(LABELS, 1.0)
    lost[np.array(LABELS) == 4] = constant(3, 50)
    failures = check(answers(LABELS, 0.95), lost, answers(LABELS, 0.85))
    (failure,) = (found for found in failures if "lost" in found)
    assert "has lost the intent 'e'" in failure and "at most half is allowed" in failure


@pytest.mark.parametrize("texts", [1, 4])
def test_intent_of_few_texts_is_not_judged_by_chance(texts):
    labels = [0] * 100 + [1] * 100 + [2] * texts
    student = answers(labels, 1.0)
    student[200:] = constant(0, texts)
    assert check(answers(labels, 1.0), student, student, labels=labels) == ()
    letters = answers(labels, 1.0)
    assert not any("lost" in one for one in check(letters, student, letters, labels=labels))


def test_student_below_a_classifier_without_a_bert_is_refused():
    (failure,) = check(answers(LABELS, 0.99), answers(LABELS, 0.8, 1), answers(LABELS, 0.9, 2))
    assert "student: is right on 80.0%" in failure and "on 90.0%, which is clearly more" in failure


def test_student_that_is_worse_on_every_rare_intent_is_refused():
    """Planted: three of four texts of nine intents are lost, and ten common ones are won."""
    labels = [0] * 1000 + [row % 9 + 1 for row in range(36)]
    letters = answers(labels, 1.0)
    letters[:40] = constant(1, 40)
    student = answers(labels, 1.0)
    student[1009:] = constant(0, 27)
    (failure,) = check(answers(labels, 1.0), student, letters, labels=labels)
    assert "is right on 32.5% of an intent's test texts, in the mean of all intents, and" in failure
    assert "on 99.6%, which is clearly more" in failure


def test_two_texts_of_many_or_of_few_are_not_clearly_more():
    letters, student = answers(LABELS, 1.0), answers(LABELS, 1.0)
    student[:2] = constant(9, 2)
    assert check(letters, student, letters) == ()
    few = LABELS[:20]
    assert check(letters[:20], student[:20], letters[:20], labels=few) == ()


@pytest.mark.parametrize("right", [0.93, 0.8, 0.3])
def test_better_teacher_never_turns_a_pass_into_a_refusal(right):
    student, letters = answers(LABELS, right, 1), answers(LABELS, 0.85, 2)
    verdicts = [
        check(answers(LABELS, teacher, 3), student, letters) == ()
        for teacher in (0.4, 0.6, 0.9, 0.96, 1.0)
    ]
    assert verdicts == sorted(verdicts)


def test_retention_is_asked_for_by_name_only():
    teacher, student = answers(LABELS, 1.0), answers(LABELS, 0.9, 1)
    assert check(teacher, student) == ()
    (failure,) = check(teacher, student, min_retention=0.98)
    assert "keeps 90.0% of the teacher's accuracy" in failure and "required 98.0%" in failure
    assert check(teacher, teacher, min_retention=1.0) == ()


def test_test_part_of_one_intent_judges_nothing():
    ones = [0] * 30
    (failure,) = check(constant(0, 30), constant(0, 30), labels=ones)
    assert "every test text is of the intent 'a'" in failure


def test_letters_tell_the_toy_intents_apart_and_do_not_change(toy_corpus):
    guessed = guess_by_letters(toy_corpus)
    assert (guessed == np.array(toy_corpus.test.labels)).mean() > 0.9
    assert np.array_equal(guessed, guess_by_letters(toy_corpus))


def test_letters_learn_from_training_alone(toy_corpus):
    """Planted: labels of the test part that training contradicts."""
    turned = [(label + 1) % 3 for label in toy_corpus.train.labels]
    corpus = replace(toy_corpus, train=replace(toy_corpus.train, labels=tuple(turned)))
    assert (guess_by_letters(corpus) == np.array(toy_corpus.test.labels)).mean() < 0.1
