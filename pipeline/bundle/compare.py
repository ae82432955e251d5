"""What changed between two bundles: labels, sizes, figures, and what golden texts are answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..base.errors import BundleError
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
class ChangedAnswer:
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
    same_test: bool | None  # whether both were measured on the same texts; None: one does not tell
    golden_texts: int  # that both have
    answers: tuple[ChangedAnswer, ...]


def compare_bundles(old: Bundle, new: Bundle) -> Difference:
    """Compare what was sealed; nothing is run."""
    then, now = _cases(old), _cases(new)
    shared = [text for text in then if text in now]
    names = dict.fromkeys((*old.artifacts, *new.artifacts))
    return Difference(
        labels_added=tuple(label for label in new.labels if label not in old.labels),
        labels_removed=tuple(label for label in old.labels if label not in new.labels),
        artifacts={name: _figures(name, old, new) for name in names},
        same_test=_same_test(old, new),
        golden_texts=len(shared),
        answers=tuple(
            ChangedAnswer(name, text, before, after)
            for name in names
            if name in old.artifacts and name in new.artifacts
            for text in shared
            if (before := _label(old, name, then[text])) != (after := _label(new, name, now[text]))
        ),
    )


def fallen(difference: Difference, limit: float) -> tuple[str, ...]:
    """What fell by more than `limit`, a share of the texts: value, limit, remedy.

    An artefact that is gone has fallen, too, and figures of different test parts are not compared.
    """
    found = []
    if difference.same_test is not True:
        why = "other test texts" if difference.same_test is False else "test texts not known"
        found.append(
            f"figures: the two bundles were measured on {why}, so that their accuracies say "
            "nothing of each other. Run pocketbert eval with both on one file."
        )
    for name, figures in difference.artifacts.items():
        if figures.bytes[1] is None:
            found.append(f"{name}: is gone from the new bundle. Make it with --targets.")
        for what, (before, after) in (
            ("accuracy", figures.accuracy),
            ("agreement", figures.agreement),
        ):
            if before is None or after is None or not difference.same_test:
                continue
            if before - after > limit:
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
        accuracy=(_share(old, metrics[0], "accuracy"), _share(new, metrics[1], "accuracy")),
        agreement=(_share(old, metrics[0], "agreement"), _share(new, metrics[1], "agreement")),
    )


def _share(bundle: Bundle, metrics: Mapping[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BundleError(
            f"{bundle.path}: metrics.{name} is {str(value)[:60]!r}, and no share from 0 to 1. "
            "Make the bundle again."
        )
    return float(value)


def _same_test(old: Bundle, new: Bundle) -> bool | None:
    then, now = old.manifest.provenance, new.manifest.provenance
    if then.test_sha256 and now.test_sha256:
        return then.test_sha256 == now.test_sha256
    # Bundles of schema 1.1 seal a digest of all data alone.
    return True if then.data_sha256 == now.data_sha256 else None


def _label(bundle: Bundle, artifact: str, case: GoldenCase) -> str:
    """What the sealed logits answer: a label, or out of scope below the threshold."""
    logits = np.array(case.logits[artifact])
    best = int(logits.argmax())
    calibration = bundle.artifacts[artifact].calibration
    understood = calibration.understands(float(logits[best]), len(case.input_ids))
    return bundle.labels[best] if understood else bundle.out_of_scope_label
