"""The gates: an artefact, read back from disk, does what the float model does. It times nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from ..base.arrays import Logits
from ..base.config import Gates
from ..base.files import clean
from ..base.progress import track
from ..bundle.golden import TORTURE, golden_texts
from ..data.corpus import Corpus
from ..models.calibration import Calibration, calibrate, find_threshold
from ..models.metrics import Evaluation, accuracy, agreement, evaluate, interval, macro_f1
from ..models.vocabulary import Vocabulary
from ..targets.base import Runner
from ..targets.inspect import Stored
from .noise import Robustness, make_noisy, robustness

CHUNK = 32  # texts per step of the progress bar
FINER = "Keep parts in float (--float classifier, or --recipe auto, which chooses them)"
LENGTHS = 32  # texts of different lengths among the probes
# Logits, for whoever repeats the golden cases: kernels of other processors round differently. A
# worse artefact is not held to less.
SMALLEST_TOLERANCE, LARGEST_TOLERANCE = 0.05, 0.25
# The gates by name, as a report shows them.
FINITE, AGREEMENT, DROP = (
    "finite logits",
    "same label as the float model",
    "accuracy, macro F1 lost",
)
LOST, DECISIONS = "intents lost", "answered, or not, as by the float model"
PROBES, STORED = "logits of odd and long texts off by", "stored and run as the recipe asks"


@dataclass(frozen=True)
class JudgedLogits:
    """Logits (texts, labels) of one model on what it is judged by."""

    validation: Logits
    test: Logits
    out_of_scope: Logits  # of the test part
    probes: Logits  # of texts that the data may lack: odd ones, and those of every length
    noisy: Logits  # of some test texts with noise of each kind


@dataclass(frozen=True)
class Gate:
    """One of the gates, as it is shown."""

    name: str
    found: str
    asked: str
    holds: bool


@dataclass(frozen=True)
class Verdict:
    """What an artefact was measured to do; it may ship when `failures` is empty."""

    target: str
    engine: str  # what computed the figures
    stored: Stored  # what the file holds
    calibration: Calibration
    evaluation: Evaluation
    agreement: float  # with the float student, on the test part
    same_decisions: float  # share of test texts, out-of-scope ones too, that both answer or do not
    max_difference: float  # of any logit to the float student's, on the test part
    tolerance: float  # of logits, for whoever repeats the golden cases elsewhere
    robustness: Mapping[str, Robustness]  # by kind of noise
    failures: tuple[str, ...]
    gates: tuple[Gate, ...] = ()  # all that were run


def run_texts(
    runner: Runner, vocabulary: Vocabulary, texts: tuple[str, ...], what: str = ""
) -> Logits:
    """Logits (texts, labels) of a runner; (0, 0) where there is no text."""
    rows = [np.empty((0, 0), np.float32)]
    for start in track(range(0, len(texts), CHUNK), what):
        encoded = vocabulary.encode(texts[start : start + CHUNK])
        rows.append(runner.logits(encoded.input_ids, encoded.attention_mask))
    return np.concatenate(rows[1:] or rows)


def probe_texts(corpus: Corpus, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The golden texts and all odd ones, then real ones joined and cut to lengths from the longest.

    Where an artefact has signatures of its own for lengths that the data lack, nothing else would
    tell whether they are right.
    """
    longest = vocabulary.max_length
    joined = clean(" ".join(islice(cycle(corpus.test.texts), longest)))
    ends = [end for _, end in vocabulary.tokenizer.encode(joined).offsets[1:-1]]
    lengths = range(len(ends), 0, -max(1, longest // LENGTHS))
    cut = (joined[: ends[length - 1]] for length in lengths)
    golden = golden_texts(corpus.test.texts, len(corpus.labels))
    return (*golden, *(text for text in TORTURE if text not in golden), joined, *cut)


@dataclass(frozen=True)
class JudgedTexts:
    """All texts that a verdict rests on, in the parts of `JudgedLogits`."""

    parts: tuple[tuple[str, ...], ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them, one part after the other."""
        return tuple(text for part in self.parts for text in part)

    def divide(self, logits: Logits) -> JudgedLogits:
        """The parts of the logits (texts, labels) of `texts`."""
        ends = np.cumsum([len(part) for part in self.parts])[:-1]
        return JudgedLogits(*np.split(logits, ends))


def judged_texts(corpus: Corpus, probes: tuple[str, ...]) -> JudgedTexts:
    """The texts of `corpus` that a model is judged by, and `probes`."""
    noisy = tuple(one.text for one in make_noisy(corpus.test))
    return JudgedTexts(
        (corpus.validation.texts, corpus.test.texts, corpus.test.out_of_scope, probes, noisy)
    )


def over_parts(
    corpus: Corpus, probes: tuple[str, ...], compute: Callable[[tuple[str, ...]], Logits]
) -> JudgedLogits:
    """Logits of all that a verdict rests on; `compute` maps texts to logits (texts, labels)."""
    judged = judged_texts(corpus, probes)
    return judged.divide(compute(judged.texts))


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
    same = _same_decisions(readable, calibration.threshold, student, gates.min_kept)
    answered = len(corpus.test.texts) + len(corpus.test.out_of_scope)
    off = float(_probe_errors(readable.probes, student.probes).max())
    tried: dict[tuple[str, str, str], Sequence[str]] = {
        (FINITE, "all" if finite else "not all", "all"): (
            () if finite else (_not_finite(target, measured),)
        ),
        **_label_gates(target, readable.test, student.test, corpus, evaluation, gates),
        (DECISIONS, f"{same:.1%}", f"at least {gates.min_same_decisions:.1%}"): (
            _decision_failures(target, same, answered, gates.min_same_decisions)
        ),
        (PROBES, f"{off:.1%}", f"at most {gates.max_probe_error:.0%} of their spread"): (
            probe_failures(target, readable.probes, student.probes, gates.max_probe_error)
        ),
        (STORED, "no" if stored.failures else "yes", "yes"): stored.failures,
    }
    return Verdict(
        target=target,
        engine=engine,
        stored=stored,
        calibration=calibration,
        evaluation=evaluation,
        agreement=agreed,
        same_decisions=same,
        max_difference=difference,
        tolerance=float(np.clip(difference, SMALLEST_TOLERANCE, LARGEST_TOLERANCE)),
        robustness=robust_figures(readable, corpus, calibration.threshold),
        failures=tuple(failure for failures in tried.values() for failure in failures),
        gates=tuple(Gate(*gate, not failures) for gate, failures in tried.items()),
    )


def _label_gates(
    target: str,
    measured: Logits,
    student: Logits,
    corpus: Corpus,
    evaluation: Evaluation,
    gates: Gates,
) -> dict[tuple[str, str, str], Sequence[str]]:
    """The gates that look at labels: what each found and asks for, and its failures."""
    labels, agreed = corpus.test.labels, agreement(measured, student)
    lost = _lost_intents(target, measured, student, corpus, gates.max_class_drop)
    drop = accuracy(student, labels) - evaluation.accuracy
    macro = macro_f1(student, labels) - evaluation.macro_f1
    return {
        (AGREEMENT, f"{agreed:.1%}", f"at least {gates.min_agreement:.1%}"): _agreement_failures(
            target, agreed, evaluation.texts, gates.min_agreement
        ),
        (DROP, f"{drop:.1%}, {macro:.1%}", f"at most {gates.max_accuracy_drop:.1%}"): (
            _drop_failures(target, evaluation, student, labels, gates.max_accuracy_drop)
        ),
        (LOST, f"{len(lost)}", f"none by more than {gates.max_class_drop:.0%} of its texts"): lost,
    }


def robust_figures(
    read: JudgedLogits, corpus: Corpus, threshold: float
) -> Mapping[str, Robustness]:
    """Figures of a model on noisy test texts, by kind of noise."""
    return robustness(make_noisy(corpus.test), read.noisy, read.test, corpus.test, threshold)


def _zeroed(logits: Logits) -> Logits:
    """The finite ones of `logits`, zero for the others, so that the rest can still be judged."""
    return np.where(np.isfinite(logits), logits, np.float32(0))


def _not_finite(target: str, measured: JudgedLogits) -> str:
    bad = sum(int((~np.isfinite(logits)).sum()) for logits in vars(measured).values())
    return (
        f"{target}: {bad} logits are not finite, and none may be. "
        "Look for a mask of -inf or for weights beyond fp16."
    )


def _agreement_failures(target: str, agreed: float, texts: int, limit: float) -> list[str]:
    if agreed >= min(limit, 1 - 1 / texts):  # of few texts, a single one is no evidence
        return []
    low, high = interval(agreed, texts)
    return [
        f"{target}: agreement with the float model is {agreed:.1%} of {texts} texts ({low:.1%} to "
        f"{high:.1%} at 95 %), below the required {limit:.1%}. {FINER}, or accept it with "
        "--min-agreement."
    ]


def _drop_failures(
    target: str, evaluation: Evaluation, student: Logits, labels: tuple[int, ...], limit: float
) -> list[str]:
    """Accuracy and macro F1: in the first, what happens to rare intents is hardly seen."""
    rarest = min(Counter(labels).values()) * len({*labels})
    figures = (
        ("accuracy", evaluation.accuracy, accuracy(student, labels), evaluation.texts),
        ("macro F1", evaluation.macro_f1, macro_f1(student, labels), rarest),
    )
    return [
        f"{target}: {name} is {measured:.1%} and the float model's {wanted:.1%}, a drop above the "
        f"allowed {limit:.1%}. {FINER}, or accept it with --max-drop."
        for name, measured, wanted, texts in figures
        if wanted - measured > max(limit, 1.5 / texts)  # one text is no evidence
    ]


def _lost_intents(
    target: str, measured: Logits, student: Logits, corpus: Corpus, limit: float
) -> list[str]:
    """Intents of which the artefact alone has texts wrong; two of few texts may be chance."""
    failures = []
    wanted = np.asarray(corpus.test.labels)
    lost = (student.argmax(1) == wanted) & (measured.argmax(1) != wanted)
    for label in np.unique(wanted[lost]):
        count, texts = int(lost[wanted == label].sum()), int((wanted == label).sum())
        if count > max(2, limit * texts):
            failures.append(
                f"{target}: has {count} of {texts} test texts of {corpus.labels[label]!r} wrong "
                f"that the float model has right, above the allowed {limit:.1%}. {FINER}."
            )
    return failures


def _same_decisions(
    measured: JudgedLogits, threshold: float, student: JudgedLogits, keep: float
) -> float:
    """Share of the test part, out-of-scope texts too, that both answer or both do not.

    Where the float model is as close to its threshold as processors round differently, none could
    tell what a phone does: such a text is no difference. Models that are sure of every text alike
    have many of them.
    """
    limit = find_threshold(student.validation, keep)
    ours = np.concatenate([measured.test.max(1), _highest(measured.out_of_scope)])
    theirs = np.concatenate([student.test.max(1), _highest(student.out_of_scope)])
    open_to_both = np.abs(theirs - limit) < SMALLEST_TOLERANCE
    return float((((ours >= threshold) == (theirs >= limit)) | open_to_both).mean())


def _highest(logits: Logits) -> Logits:
    highest: Logits = logits.max(1) if len(logits) else np.empty(0, np.float32)
    return highest


def _decision_failures(target: str, same: float, texts: int, limit: float) -> list[str]:
    if same >= limit or round((1 - same) * texts) <= 1:  # a single text is no evidence
        return []
    return [
        f"{target}: answers, or does not answer, as the float model on {same:.1%} of the test "
        f"texts, below the required {limit:.1%}. {FINER}."
    ]


def _probe_errors(measured: Logits, student: Logits) -> Logits:
    """Of each odd or long text, the error of its logits as a share of their spread.

    At least that of every other text: between two labels, one may lie where both logits are alike.
    """
    spread = np.linalg.norm(student - student.mean(1, keepdims=True), axis=1)
    usual = max(float(np.median(spread)), 1e-6)
    errors: Logits = np.linalg.norm(measured - student, axis=1) / np.maximum(spread, usual)
    return errors


def probe_failures(target: str, measured: Logits, student: Logits, limit: float) -> list[str]:
    """Logits of odd and long texts: nearly those of the student, or a length is broken."""
    errors = _probe_errors(measured, student)
    if errors.max() <= limit:
        return []
    return [
        f"{target}: {int((errors > limit).sum())} of {len(errors)} odd or long texts get other "
        f"logits than from the float model, by up to {errors.max():.0%} of their spread, and "
        f"{limit:.0%} is allowed. Lower it again with the pinned versions, or keep parts in float "
        "with --float."
    ]
