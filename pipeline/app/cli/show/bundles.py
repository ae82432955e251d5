"""What is found out about bundles: verified, compared, evaluated."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from ....base.errors import NotRun, PipelineError
from ....bundle.compare import Difference
from ....bundle.open import Bundle
from ....measure.audit import Audit
from .tables import BAD, GOOD, table

if TYPE_CHECKING:
    from ....models.metrics import Evaluation


def verified(
    console: Console, bundle: Bundle, outcomes: Mapping[str, Audit | PipelineError]
) -> None:
    """Digests and golden cases, a line an artefact."""
    console.print(f"{GOOD} {len(bundle.manifest.files)} files have the digests that were sealed")
    for name, outcome in outcomes.items():
        if isinstance(outcome, Audit):
            engine = escape(outcome.engine)
            cases = f"{outcome.golden_cases} golden cases reproduced"
            console.print(f"{GOOD} {name}: {cases} by {engine}")
        else:
            console.print(f"{BAD} {escape(str(outcome))}")


def difference(console: Console, found: Difference, shown: int = 10) -> None:
    """What changed between two bundles; of the golden texts answered otherwise, the first."""
    for words, labels in (("added", found.labels_added), ("removed", found.labels_removed)):
        if labels:
            console.print(f"labels {words}: {escape(', '.join(labels))}")
    rows = table("", ("artefact",), ("size", "now", "accuracy", "now", "agrees", "now"), ())
    for name, figures in found.artifacts.items():
        sizes = ["none" if size is None else f"{size / 1e6:.2f} MB" for size in figures.bytes]
        shares = [
            "" if share is None else f"{share:.1%}"
            for share in (*figures.accuracy, *figures.agreement)
        ]
        rows.add_row(name, *sizes, *shares)
    console.print(rows)
    changed = f"{len(found.answers)} answers changed"
    console.print(f"{changed} on the {found.golden_texts} golden texts that both have")
    for one in found.answers[:shown]:
        text = one.text if len(one.text) <= 60 else f"{one.text[:59]}…"
        console.print(f"  {one.artifact}: {text!r}: {one.before} → {one.after}", markup=False)
    if len(found.answers) > shown:
        console.print(f"  and {len(found.answers) - shown} more, with --json")


def evaluated(console: Console, outcomes: Mapping[str, Audit | PipelineError]) -> None:
    """Figures on labelled text, a row an artefact."""
    rows = table(
        "",
        ("artefact",),
        ("texts", "accuracy", "macro F1", "agrees", "AUROC", "OOS found"),
        ("computed by",),
    )
    notes = set[str]()
    for name, outcome in outcomes.items():
        if isinstance(outcome, Audit) and not isinstance(outcome.evaluation, NotRun):
            row, reasons = _audit_row(outcome, outcome.evaluation)
            rows.add_row(name, *row)
            notes |= reasons
        else:
            notes.add(str(outcome))
    console.print(rows)
    for note in sorted(notes):
        console.print(f"[yellow]not run:[/] {escape(note)}")


def _audit_row(audit: Audit, evaluation: "Evaluation") -> tuple[list[str], set[str]]:
    """Cells, and the reasons of what was not run."""
    outside, agreed = evaluation.out_of_scope, audit.agreement
    reasons = {value.reason for value in (outside, agreed) if isinstance(value, NotRun)}
    cells = [
        str(evaluation.texts),
        f"{evaluation.accuracy:.1%}",
        f"{evaluation.macro_f1:.1%}",
        "not run" if isinstance(agreed, NotRun) else f"{agreed:.1%}",
        "not run" if isinstance(outside, NotRun) else f"{outside.auroc:.3f}",
        "not run" if isinstance(outside, NotRun) else f"{outside.recall:.1%}",
        audit.engine,
    ]
    return cells, reasons
