"""The gates: an artefact, read back from disk, must do what the student does. It times nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Logits
from ..base.config import Gates
from ..base.progress import track
from ..data.corpus import Corpus
from ..models.calibration import Calibration, calibrate
from ..models.metrics import Evaluation, accuracy, agreement, evaluate
from ..models.vocabulary import Vocabulary
from ..targets.base import Runner
from ..targets.inspect import Stored

CHUNK = 32  # texts per step of the progress bar
SMALLEST_TOLERANCE = 0.05  # logits; kernels of other processors round differently


@dataclass(frozen=True)
class JudgedLogits:
    """Logits (texts, labels) of one model on what it is judged by."""

    validation: Logits
    test: Logits
    out_of_scope: Logits  # of the test part


@dataclass(frozen=True)
class Verdict:
    """What an artefact was measured to do; it may ship when `failures` is empty."""

    target: str
    engine: str  # what computed the figures
    stored: Stored  # what the file holds
    calibration: Calibration
    evaluation: Evaluation
    agreement: float  # with the float student, on the test part
    max_difference: float  # of any logit to the float student's, on the test part
    tolerance: float  # of logits, for whoever repeats the golden cases elsewhere
    failures: tuple[str, ...]


def run_texts(
    runner: Runner, vocabulary: Vocabulary, texts: tuple[str, ...], what: str = ""
) -> Logits:
    """Logits (texts, labels) of a runner; (0, 0) where there is no text."""
    rows = [np.empty((0, 0), np.float32)]
    for start in track(range(0, len(texts), CHUNK), what):
        encoded = vocabulary.encode(texts[start : start + CHUNK])
        rows.append(runner.logits(encoded.input_ids, encoded.attention_mask))
    return np.concatenate(rows[1:] or rows)


def over_parts(corpus: Corpus, compute: Callable[[tuple[str, ...]], Logits]) -> JudgedLogits:
    """Logits of all that a verdict rests on; `compute` maps texts to logits (texts, labels)."""
    validation, test = corpus.validation.texts, corpus.test.texts
    rows = compute(validation + test + corpus.test.out_of_scope)
    end = len(validation) + len(test)
    return JudgedLogits(rows[: len(validation)], rows[len(validation) : end], rows[end:])


def judge(
    target: str,
    engine: str,
    stored: Stored,
    measured: JudgedLogits,
    student: JudgedLogits,
    corpus: Corpus,
    gates: Gates,
) -> Verdict:
    """Compare what `target` computed with what the float student computed on the same texts.

    Args:
        stored: what the artefact holds, with the failures found there.
    """
    labels = corpus.test.labels
    finite = all(np.isfinite(logits).all() for logits in vars(measured).values())
    readable = measured if finite else JudgedLogits(*map(_zeroed, vars(measured).values()))
    calibration = calibrate(readable.validation, corpus.validation.labels, gates.min_kept)
    evaluation = evaluate(readable.test, labels, readable.out_of_scope, calibration)
    agreed = agreement(readable.test, student.test)
    difference = float(np.abs(readable.test - student.test).max())
    failures = [
        *([] if finite else [_not_finite(target, measured)]),
        *_accuracy_failures(target, evaluation, accuracy(student.test, labels), agreed, gates),
        *stored.failures,
    ]
    return Verdict(
        target=target,
        engine=engine,
        stored=stored,
        calibration=calibration,
        evaluation=evaluation,
        agreement=agreed,
        max_difference=difference,
        tolerance=max(SMALLEST_TOLERANCE, difference),
        failures=tuple(failures),
    )


def judge_student(student: Evaluation, teacher: Evaluation, gates: Gates) -> tuple[str, ...]:
    """Failures of the float student itself: it must keep enough of the teacher's accuracy."""
    kept = student.accuracy / max(teacher.accuracy, 1e-9)
    if kept >= gates.min_retention:
        return ()
    return (
        f"student: keeps {kept:.1%} of the teacher's accuracy ({student.accuracy:.1%} of "
        f"{teacher.accuracy:.1%}), below the required {gates.min_retention:.1%}. Use a larger "
        "--preset, more --epochs or more text, or lower --min-retention.",
    )


def _zeroed(logits: Logits) -> Logits:
    """The finite ones of `logits`, zero for the others, so that the rest can still be judged."""
    return np.where(np.isfinite(logits), logits, np.float32(0))


def _not_finite(target: str, measured: JudgedLogits) -> str:
    bad = sum(int((~np.isfinite(logits)).sum()) for logits in vars(measured).values())
    return (
        f"{target}: {bad} logits are not finite, and none may be. "
        "Look for a mask of -inf or for weights beyond fp16."
    )


def _accuracy_failures(
    target: str, evaluation: Evaluation, student: float, agreed: float, gates: Gates
) -> list[str]:
    failures = []
    if agreed < gates.min_agreement:
        failures.append(
            f"{target}: agreement with the student is {agreed:.1%} of {evaluation.texts} texts, "
            f"below the required {gates.min_agreement:.1%}. Keep parts in float with --float "
            "classifier, use a larger --preset, or accept it with --min-agreement."
        )
    if student - evaluation.accuracy > gates.max_accuracy_drop:
        failures.append(
            f"{target}: accuracy is {evaluation.accuracy:.1%} and the student's {student:.1%}, a "
            f"drop above the allowed {gates.max_accuracy_drop:.1%}. Use a larger --preset, or "
            "accept it with --max-drop."
        )
    return failures
