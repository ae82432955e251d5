import numpy as np
from scipy.special import softmax
from toy import overconfident

from pocketbert.base.errors import NotRun
from pocketbert.models.calibration import Calibration, calibration_error, fit_temperature
from pocketbert.models.metrics import agreement, detect_out_of_scope, evaluate, interval, recalls

RNG = np.random.default_rng(0)


def test_calibration_error_is_told_before_and_after_temperature():
    logits, labels = overconfident()
    temperature = fit_temperature(logits, labels)
    none = np.empty((0, 0), np.float32)
    found = evaluate(logits, labels, none, Calibration(temperature, 0.0))
    assert found.raw_calibration_error == calibration_error(softmax(logits, axis=1), labels)
    assert found.calibration_error < found.raw_calibration_error / 2


def test_detector_that_knows_everything_and_one_that_knows_nothing():
    inside = np.array([[5.0, 0.0]] * 10, np.float32)
    outside = np.array([[0.5, 0.0]] * 10, np.float32)
    perfect = detect_out_of_scope(inside, [0] * 10, outside, threshold=1.0)
    assert (perfect.auroc, perfect.recall, perfect.kept, perfect.accuracy_kept) == (1, 1, 1, 1)
    blind = detect_out_of_scope(inside, [0] * 10, inside, threshold=1.0)
    assert (blind.auroc, blind.recall) == (0.5, 0.0)


def test_without_out_of_scope_text_the_figures_are_not_run():
    logits, labels = overconfident(50)
    found = evaluate(logits, labels, np.empty((0, 0), np.float32), Calibration(1.0, 0.0))
    assert found.out_of_scope == NotRun("no out-of-scope text was given")


def test_agreement_counts_equal_choices():
    a = np.eye(4, dtype=np.float32)
    b = a[[0, 1, 2, 2]]
    assert agreement(a, b) == 0.75


def test_lowest_recall_is_that_of_an_intent_which_accuracy_hides():
    labels = [0] * 99 + [1]
    constant = np.tile(np.array([[1.0, 0.0]], np.float32), (100, 1))
    found = evaluate(constant, labels, np.empty((0, 0), np.float32), Calibration(1.0, 0.0))
    assert (found.accuracy, found.lowest_recall) == (0.99, 0.0)
    assert recalls(constant, labels) == {0: 1.0, 1: 0.0}


def test_intervals_are_those_of_the_literature_and_stay_shares():
    # Wilson 1927 as in Newcombe 1998, table I: 81 of 263 and 0 of 20.
    assert np.allclose(interval(81 / 263, 263), (0.2553, 0.3662), atol=1e-4)
    assert np.allclose(interval(0.0, 20), (0.0, 0.1611), atol=1e-4)
    assert interval(1.0, 1)[1] == 1.0
