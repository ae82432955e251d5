import numpy as np
import pytest
from scipy.special import softmax
from toy import overconfident

from pocketbert.models.calibration import calibrate
from pocketbert.models.metrics import calibration_error

RNG = np.random.default_rng(0)


def test_temperature_recovers_a_planted_overconfidence():
    logits, labels = overconfident(factor=3.0)
    assert calibrate(logits, labels).temperature == pytest.approx(3.0, rel=0.1)


def test_temperature_lowers_the_calibration_error():
    logits, labels = overconfident()
    temperature = calibrate(logits, labels).temperature
    raw = calibration_error(softmax(logits, axis=1), labels)
    assert calibration_error(softmax(logits / temperature, axis=1), labels) < raw / 2


def test_threshold_keeps_95_percent_of_in_scope():
    logits, labels = overconfident()
    threshold = calibrate(logits, labels).threshold
    assert (logits.max(1) >= threshold).mean() == pytest.approx(0.95, abs=0.002)
