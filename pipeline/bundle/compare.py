"""What changed between two bundles: labels, sizes, figures, and what golden texts are answered."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..base.files import tree_bytes
from .golden import GoldenCase
from .open import Bundle


@dataclass(frozen=True)
class Figures:
    """One artefact then and now; None where a bundle lacks it."""

    bytes: tuple[int | None, int | None]
    accuracy: tuple[float | None, float | None]
    agreement: tuple[float | None, float | None]


@dataclass(frozen=True)
class Answer:
    """A golden text that an artefact of both bundles answers otherwise now."""

    artifact: str
    text: str
    before: str
    after: str


@dataclass(frozen=True)
class Difference:
    """Two bundles beside each other, the older first."""

    labels_added: tuple[str, ...]
    labels_removed: tuple[str, ...]
    artifacts: dict[str, Figures]
    golden_texts: int  # that both have
    answers: tuple[Answer, ...]


def compare(old: Bundle, new: Bundle) -> Difference:
    """Compare what was sealed; nothing is run."""
    then, now = _cases(old), _cases(new)
    shared = [text for text in then if text in now]
    names = dict.fromkeys((*old.artifacts, *new.artifacts))
    return Difference(
        labels_added=tuple(label for label in new.labels if label not in old.labels),
        labels_removed=tuple(label for label in old.labels if label not in new.labels),
        artifacts={name: _figures(name, old, new) for name in names},
        golden_texts=len(shared),
        answers=tuple(
            Answer(name, text, before, after)
            for name in names
            if name in old.artifacts and name in new.artifacts
            for text in shared
            if (before := _label(old, name, then[text])) != (after := _label(new, name, now[text]))
        ),
    )


def fallen(difference: Difference, limit: float) -> tuple[str, ...]:
    """What fell by more than `limit`, a share of the texts: value, limit, remedy.

    An artefact that is gone has fallen, too.
    """
    found = []
    for name, figures in difference.artifacts.items():
        if figures.bytes[1] is None:
            found.append(f"{name}: is gone from the new bundle. Make it with --targets.")
        for what, (before, after) in (
            ("accuracy", figures.accuracy),
            ("agreement", figures.agreement),
        ):
            if before is not None and after is not None and before - after > limit:
                found.append(
                    f"{name}: {what} fell from {before:.1%} to {after:.1%}, and {limit:.1%} is "
                    "allowed. Find out why before you ship it, or allow more with --max-fall."
                )
    return tuple(found)


def _cases(bundle: Bundle) -> Mapping[str, GoldenCase]:
    return {case.text: case for case in bundle.golden}


def _figures(name: str, old: Bundle, new: Bundle) -> Figures:
    pair = [bundle.artifacts.get(name) for bundle in (old, new)]
    sizes = [tree_bytes(sealed.artifact.path) if sealed else None for sealed in pair]
    metrics = [sealed.metrics if sealed else {} for sealed in pair]
    return Figures(
        bytes=(sizes[0], sizes[1]),
        accuracy=(metrics[0].get("accuracy"), metrics[1].get("accuracy")),
        agreement=(metrics[0].get("agreement"), metrics[1].get("agreement")),
    )


def _label(bundle: Bundle, artifact: str, case: GoldenCase) -> str:
    """What the sealed logits answer: a label, or out of scope below the threshold."""
    logits = np.array(case.logits[artifact])
    best = int(logits.argmax())
    calibration = bundle.artifacts[artifact].calibration
    understood = calibration.understands(float(logits[best]), len(case.input_ids))
    return bundle.labels[best] if understood else bundle.out_of_scope_label
