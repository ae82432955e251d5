import numpy as np
import pytest
from scipy.special import softmax
from toy import overconfident

from pocketbert.models.calibration import calibrate, calibration_error, fit_temperature


def perfect(texts: int, classes: int = 5, margin: float = 4.0):
    """Logits that are all right, by `margin`."""
    labels = [row % classes for row in range(texts)]
    return margin * np.eye(classes, dtype=np.float32)[labels], labels


def test_temperature_recovers_a_planted_overconfidence():
    logits, labels = overconfident(factor=3.0)
    assert fit_temperature(logits, labels) == pytest.approx(3.0, rel=0.1)


def test_temperature_lowers_the_calibration_error():
    logits, labels = overconfident()
    temperature = fit_temperature(logits, labels)
    raw = calibration_error(softmax(logits, axis=1), labels)
    assert calibration_error(softmax(logits / temperature, axis=1), labels) < raw / 2


def test_honest_logits_keep_a_temperature_of_1():
    logits, labels = overconfident(factor=1.0)
    assert fit_temperature(logits, labels) == 1.0


@pytest.mark.parametrize("texts", [1, 2, 9])
def test_too_few_texts_to_fit_a_temperature_keep_1(texts):
    logits, labels = overconfident(texts)
    assert fit_temperature(logits, labels) == 1.0


@pytest.mark.parametrize("texts", [10, 100, 1000])
def test_perfect_validation_does_not_claim_to_be_certain(texts):
    """Against targets of 1 the temperature would be the lowest there is, .05."""
    logits, labels = perfect(texts)
    temperature = fit_temperature(logits, labels)
    assert temperature > 0.3
    assert softmax(logits / temperature, axis=1).max() < (texts + 1.5) / (texts + 2)


@pytest.mark.parametrize("texts", [1, 2, 3, 5, 10, 19, 39, 40, 4000])
@pytest.mark.parametrize("keep", [0.9, 0.95, 1.0])
def test_threshold_keeps_the_promised_share_however_few_texts_there_are(texts, keep):
    logits, labels = overconfident(texts)
    threshold = calibrate(logits, labels, keep).threshold
    kept = (logits.max(1) >= threshold).mean()
    assert keep <= kept < keep + 1.5 / texts
