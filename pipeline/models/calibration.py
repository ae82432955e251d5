"""How logits become an honest confidence, and when a text counts as not understood.

A phone and a server need this to answer, so it imports numpy alone; the fit imports scipy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Logits

KEPT_IN_SCOPE = 0.95  # share of in-scope validation texts that the threshold lets through


@dataclass(frozen=True)
class Calibration:
    """What turns the logits of one model into an answer."""

    temperature: float  # divides the logits before the softmax
    threshold: float  # a highest logit below this is out of scope

    def understands(self, highest: float, tokens: int) -> bool:
        """Whether a text is answered; [CLS] and [SEP] alone say nothing, whatever the logits."""
        return tokens > 2 and highest >= self.threshold

    def probabilities(self, logits: Logits) -> Logits:
        """Probabilities (batch, labels) after temperature."""
        return softmax(logits / self.temperature)


def softmax(logits: Logits) -> Logits:
    """Softmax of each row of (batch, labels)."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    shares: Logits = powers / powers.sum(1, keepdims=True)
    return shares


def calibrate(logits: Logits, labels: Sequence[int]) -> Calibration:
    """Fit temperature and threshold on in-scope validation logits (texts, labels).

    Temperature by likelihood (Guo et al. 2017); threshold on the highest logit, which tells
    out-of-scope texts apart better than the highest probability (Hendrycks et al. 2022).
    """
    from scipy.optimize import minimize_scalar

    rows, wanted = np.arange(len(logits)), np.asarray(labels)

    def loss(log_temperature: float) -> float:
        scaled = softmax(logits.astype(np.float64) / np.exp(log_temperature))
        return float(-np.log(np.maximum(scaled[rows, wanted], np.finfo(np.float64).eps)).mean())

    fit = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    threshold = np.quantile(logits.max(1), 1 - KEPT_IN_SCOPE)
    return Calibration(float(np.exp(fit.x)), float(threshold))
