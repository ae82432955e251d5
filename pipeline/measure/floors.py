"""What the float models must reach before anything is lowered. It sees arrays, no models.

No floor rises with the teacher: a better one must never turn a student that passed into one that
does not. A student is held against the commonest intent and against what the labels alone give.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..base.arrays import Logits
from ..base.config import Gates
from ..models.metrics import accuracy

LOST = 5  # texts of an intent, at least; fewer may be chance
Z = 1.645  # standard errors, one-sided 95 %
BLIND = (
    "Choose a BERT of the data's language that knows its words, try --fine-tune, or give more text."
)
WEAK = "Use a larger --preset, more --epochs or more text."


def check_floors(
    teacher: Logits,
    student: Logits,
    letters: NDArray[np.int64],
    labels: Sequence[int],
    names: Sequence[str],
    gates: Gates,
) -> tuple[str, ...]:
    """Why the student may not ship, judged on the test part.

    Args:
        teacher: logits (texts, labels).
        student: the same of the student.
        letters: the label (texts,) that a classifier without a BERT chose.
        labels: the right one of each text.
        names: of the labels.
    """
    wanted = np.asarray(labels)
    if len({*labels}) == 1:
        only = names[labels[0]]
        return (
            f"data: every test text is of the intent {only!r}, which judges nothing. "
            "Give texts of others, too.",
        )
    models = (("teacher", teacher, BLIND), ("student", student, WEAK))
    failures = [
        failure
        for name, logits, remedy in models
        for failure in check_skill(name, logits, labels, names, gates.min_skill, remedy)
    ]
    right = student.argmax(1) == wanted
    return (
        *failures,
        *_below_letters(right, letters == wanted, wanted),
        *_lost_intents(letters == wanted, right, wanted, names),
        *_retention(teacher, student, labels, gates.min_retention),
    )


def check_skill(
    name: str,
    logits: Logits,
    labels: Sequence[int],
    names: Sequence[str],
    limit: float,
    remedy: str,
) -> tuple[str, ...]:
    """Why a model is no better than the commonest intent as the answer to everything.

    Args:
        name: of the model.
        limit: 0 asks for as much as that intent alone would give, 1 for all right.
    """
    wanted = np.asarray(labels)
    counts = np.bincount(wanted)
    common = float(counts.max() / len(wanted))
    right = float((logits.argmax(1) == wanted).mean())
    needed = common + limit * (1 - common)
    if right >= needed:
        return ()
    return (
        f"{name}: is right on {right:.1%} of the test texts, and {names[int(counts.argmax())]!r} "
        f"as the answer to all would be on {common:.1%}; at least {needed:.1%} is asked for. "
        f"{remedy}",
    )


def _below_letters(
    student: NDArray[np.bool_], letters: NDArray[np.bool_], wanted: NDArray[np.int64]
) -> list[str]:
    """Whether the student is clearly worse, by the texts that one of both alone has right.

    Once every text counts alike, and once every intent, so that rare ones are not lost in the sum.
    """
    shares = 1 / np.bincount(wanted)[wanted] / len(np.unique(wanted))
    weighings = (
        ("is right on {} of the test texts,", np.full(len(wanted), 1 / len(wanted))),
        ("is right on {} of an intent's test texts, in the mean of all intents,", shares),
    )
    for what, weights in weighings:
        if _clearly_less(student, letters, weights):
            seen = what.format(f"{weights @ student:.1%}")
            return [
                f"student: {seen} and a linear classifier over letters, trained on the labels "
                f"alone, on {weights @ letters:.1%}, which is clearly more. {WEAK}"
            ]
    return []


def _clearly_less(
    student: NDArray[np.bool_], letters: NDArray[np.bool_], weights: NDArray[np.float64]
) -> bool:
    """Whether `letters` has more right than chance explains (McNemar 1947), texts weighed."""
    lost = (letters.astype(int) - student) * weights
    return bool(lost.sum() > Z * np.linalg.norm(lost))


def _lost_intents(
    letters: NDArray[np.bool_],
    student: NDArray[np.bool_],
    wanted: NDArray[np.int64],
    names: Sequence[str],
) -> list[str]:
    """Intents of which the student has wrong most of what letters alone get right."""
    failures = []
    for label in np.unique(wanted):
        known = letters & (wanted == label)
        lost = int((known & ~student).sum())
        if lost >= LOST and 2 * lost > known.sum():
            failures.append(
                f"student: has lost the intent {names[label]!r}, {lost} of the {known.sum()} test "
                "texts that a linear classifier over letters has right; at most half is allowed. "
                f"{WEAK}"
            )
    return failures


def _retention(
    teacher: Logits, student: Logits, labels: Sequence[int], limit: float | None
) -> list[str]:
    ours, theirs = accuracy(student, labels), accuracy(teacher, labels)
    kept = ours / max(theirs, 1e-9)
    if limit is None or kept >= limit:
        return []
    return [
        f"student: keeps {kept:.1%} of the teacher's accuracy ({ours:.1%} of {theirs:.1%}), below "
        f"the required {limit:.1%}. {WEAK[:-1]}, or lower --min-retention."
    ]
