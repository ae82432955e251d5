"""What logits are worth: accuracy, agreement, honesty, out-of-scope detection.

It sees arrays and knows nothing of the models or formats that made them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from ..base.arrays import Logits
from ..base.errors import NotRun
from .calibration import Calibration, calibration_error, softmax

Z = 1.96  # standard errors to either side of 95 %
NO_OUT_OF_SCOPE = "no out-of-scope text was given"


@dataclass(frozen=True)
class OutOfScope:
    """Detection of out-of-scope texts by the highest logit."""

    auroc: float
    recall: float  # share of out-of-scope texts that the threshold stops
    kept: float  # share of in-scope texts that it lets through
    accuracy_kept: float  # accuracy among those
    texts: int


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one labelled part."""

    texts: int
    accuracy: float
    macro_f1: float
    lowest_recall: float  # of any intent
    raw_calibration_error: float  # expected, as the model stands
    calibration_error: float  # expected, after temperature
    out_of_scope: OutOfScope | NotRun


def accuracy(logits: Logits, labels: Sequence[int]) -> float:
    """Share of rows whose highest logit is the label's."""
    return float((logits.argmax(1) == np.asarray(labels)).mean())


def macro_f1(logits: Logits, labels: Sequence[int]) -> float:
    """Mean F1 over the labels that have texts: each counts alike, however rare it is."""
    occurring = np.unique(labels)
    chosen = logits.argmax(1)
    return float(f1_score(labels, chosen, labels=occurring, average="macro", zero_division=0))


def agreement(logits: Logits, reference: Logits) -> float:
    """Share of rows on which two models choose the same label."""
    return float((logits.argmax(1) == reference.argmax(1)).mean())


def recalls(logits: Logits, labels: Sequence[int]) -> dict[int, float]:
    """Share of the texts of each label, where it has any, that are taken for it."""
    wanted, right = np.asarray(labels), logits.argmax(1) == np.asarray(labels)
    return {int(label): float(right[wanted == label].mean()) for label in np.unique(wanted)}


def interval(share: float, texts: int) -> tuple[float, float]:
    """Between which shares the true one lies, at 95 %, if `share` of `texts` was seen.

    Wilson 1927; it is right for shares near 1, too.
    """
    centre = (share + Z**2 / (2 * texts)) / (1 + Z**2 / texts)
    half = Z / (1 + Z**2 / texts) * np.sqrt(share * (1 - share) / texts + (Z / (2 * texts)) ** 2)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def auroc(inside: Logits, outside: Logits) -> float:
    """How well the highest logit tells `inside` from `outside`, both (texts, labels)."""
    scores = np.concatenate([inside.max(1), outside.max(1)])
    is_inside: NDArray[np.bool_] = np.arange(len(scores)) < len(inside)
    return float(roc_auc_score(is_inside, scores))


def detect_out_of_scope(
    logits: Logits, labels: Sequence[int], outside: Logits, threshold: float
) -> OutOfScope:
    """Figures of the highest logit as a detector, `logits` in scope and `outside` out of it."""
    inside_score, outside_score = logits.max(1), outside.max(1)
    kept = inside_score >= threshold
    right = logits.argmax(1) == np.asarray(labels)
    return OutOfScope(
        auroc=auroc(logits, outside),
        recall=float((outside_score < threshold).mean()),
        kept=float(kept.mean()),
        accuracy_kept=float(right[kept].mean()) if kept.any() else 0.0,
        texts=len(outside),
    )


def evaluate(
    logits: Logits, labels: Sequence[int], outside: Logits, calibration: Calibration
) -> Evaluation:
    """All figures of one model: `logits` (texts, labels) in scope, `outside` the same out of it."""

    def error_at(temperature: float) -> float:
        return calibration_error(softmax(logits / temperature), labels)

    return Evaluation(
        texts=len(logits),
        accuracy=accuracy(logits, labels),
        macro_f1=macro_f1(logits, labels),
        lowest_recall=min(recalls(logits, labels).values()),
        raw_calibration_error=error_at(1.0),
        calibration_error=error_at(calibration.temperature),
        out_of_scope=detect_out_of_scope(logits, labels, outside, calibration.threshold)
        if len(outside)
        else NotRun(NO_OUT_OF_SCOPE),
    )
