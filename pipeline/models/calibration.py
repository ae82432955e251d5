"""How logits become an honest confidence, and when a text counts as not understood.

A phone and a server need this to answer, so it imports numpy alone; the fit imports scipy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Logits

Real = TypeVar("Real", bound=np.floating[Any])
# What the highest logit tells: how much the best intent is worth or, from a model that knows texts
# of no intent as one more class, by how much it is likelier than that class.
Score: TypeAlias = Literal["highest", "margin"]
BINS = 15  # of equal width, for the calibration error
FOLDS = 5  # of the cross-validation that a temperature must win
TEMPERATURES = (0.05, 20.0)
TINY = np.finfo(np.float64).tiny  # of which there is a logarithm


@dataclass(frozen=True)
class Calibration:
    """What turns the logits of one model into an answer."""

    temperature: float  # divides the logits before the softmax; 1 where no other is better
    threshold: float  # a highest logit below this is out of scope

    def understands(self, highest: float, tokens: int) -> bool:
        """Whether a text is answered; [CLS] and [SEP] alone say nothing, whatever the logits."""
        return tokens > 2 and highest >= self.threshold

    def probabilities(self, logits: Logits) -> Logits:
        """Probabilities (batch, labels) after temperature."""
        return softmax(logits / self.temperature)


def softmax(logits: NDArray[Real]) -> NDArray[Real]:
    """Softmax of each row of (batch, labels)."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: NDArray[Real] = powers / powers.sum(1, keepdims=True)
    return shares


def calibration_error(
    probabilities: NDArray[np.floating[Any]], labels: Sequence[int] | NDArray[np.int64]
) -> float:
    """Expected calibration error: mean gap of confidence and accuracy over equal-width bins."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == np.asarray(labels)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(sum(gaps))


def calibrate(logits: Logits, labels: Sequence[int], keep: float) -> Calibration:
    """Temperature and threshold from in-scope validation logits (texts, labels).

    Args:
        keep: share of these texts that the threshold lets through, at least. It looks at the
            highest logit, which tells out-of-scope texts apart better than the highest
            probability does (Hendrycks et al. 2022).
    """
    return Calibration(fit_temperature(logits, labels), find_threshold(logits, keep))


def find_threshold(logits: Logits, keep: float) -> float:
    """The greatest highest logit that a share `keep` of `logits` (texts, labels) reaches."""
    # "lower": between two texts lies a threshold that keeps fewer than were promised
    return float(np.quantile(logits.max(1), 1 - keep, method="lower"))


def fit_temperature(logits: Logits, labels: Sequence[int]) -> float:
    """The temperature that makes the confidence honest on `logits` (Guo et al. 2017).

    It is 1 unless another one lowers both the loss, by more than its standard error, and the
    calibration error on texts that it was not fitted to.
    """
    wanted = np.asarray(labels)
    if len(wanted) < 2 * FOLDS:
        return 1.0
    fold = np.arange(len(wanted)) % FOLDS
    scaled = np.empty(logits.shape, np.float64)
    for one in range(FOLDS):
        temperature = _most_likely(logits[fold != one], wanted[fold != one])
        scaled[fold == one] = softmax(logits[fold == one].astype(np.float64) / temperature)
    raw = softmax(logits.astype(np.float64))
    gain: NDArray[np.float64] = _losses(raw, wanted) - _losses(scaled, wanted)
    is_better = gain.mean() > gain.std() / np.sqrt(len(gain))
    is_honest = calibration_error(scaled, labels) < calibration_error(raw, labels)
    return _most_likely(logits, wanted) if is_better and is_honest else 1.0


def loss_at_best(logits: Logits, labels: Sequence[int]) -> float:
    """Mean cross-entropy at the temperature that makes it least: what no temperature can mend."""
    wanted = np.asarray(labels)
    temperature = _most_likely(logits, wanted)
    return float(_losses(softmax(logits.astype(np.float64) / temperature), wanted).mean())


def _most_likely(logits: Logits, labels: NDArray[np.int64]) -> float:
    """The temperature of least loss against targets of (n + 1) / (n + 2) for n texts.

    Platt 1999. Against targets of 1, answers that are all right would ask for a temperature of 0.
    """
    from scipy.optimize import minimize_scalar

    texts, classes = logits.shape
    doubt = 1 / (texts + 2)

    def loss(log_temperature: float) -> float:
        shares = softmax(logits.astype(np.float64) / np.exp(log_temperature))
        others = -np.log(np.maximum(shares, TINY)).mean(1) * classes - _losses(shares, labels)
        return float(
            ((1 - doubt) * _losses(shares, labels) + doubt / (classes - 1) * others).mean()
        )

    low, high = np.log(TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def _losses(shares: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cross-entropy of each text (texts,)."""
    losses: NDArray[np.float64] = -np.log(np.maximum(shares[np.arange(len(labels)), labels], TINY))
    return losses
