"""A sealed bundle examined again: its golden cases, and its figures on any labelled text."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..base.arrays import Logits
from ..base.config import DataConfig
from ..base.errors import BundleError, ModelError, NotRun, TargetUnavailable
from ..base.files import sha256
from ..base.progress import track
from ..bundle.open import Bundle, Sealed
from ..targets.base import Runner

# Golden cases are checked without the libraries that figures on labelled text need.
if TYPE_CHECKING:
    from ..data.corpus import Part
    from ..models.metrics import Evaluation
    from ..models.student import Student

NO_STUDENT = "no float model beside the bundle; name its folder with --student"


@dataclass(frozen=True)
class Audit:
    """What one artefact did on this machine."""

    engine: str
    golden_cases: int
    evaluation: "Evaluation | NotRun"
    agreement: float | NotRun  # with the float student


def verify_bundle(bundle: Bundle) -> dict[str, Audit | BundleError | TargetUnavailable]:
    """Load every artefact of an opened bundle and have it reproduce the golden cases.

    A failure is returned in the artefact's place, so that one does not hide the others.
    """
    outcomes: dict[str, Audit | BundleError | TargetUnavailable] = {}
    for target in track(tuple(bundle.artifacts), "Golden cases"):
        try:
            engine = bundle.load(target).engine
        except (BundleError, TargetUnavailable) as error:
            outcomes[target] = error
        else:
            unasked = NotRun("no labelled data was given")
            outcomes[target] = Audit(engine, len(bundle.golden), unasked, unasked)
    return outcomes


def evaluate_bundle(
    bundle: Bundle, file: Path, data: DataConfig, student: Path | None
) -> tuple[dict[str, Audit | TargetUnavailable], tuple[str, ...]]:
    """Figures of every artefact on the labelled `file`, at the thresholds that were sealed.

    Also returned are the rows that were left out, with line numbers.

    Args:
        student: folder of the float student, for agreement; by default the one that
            `pocketbert run` left beside the bundle. Where that is gone, cannot be read or is
            another one, agreement is not run.

    Raises:
        DataError: the file cannot be used.
        BundleError: an artefact does not reproduce its golden cases, or `student` is another
            one than the bundle's.
        ModelError: `student` cannot be read.
    """
    from ..data.corpus import read_labelled

    part, findings = read_labelled(file, data, bundle.labels)
    reference = _student_logits(bundle, part, student)
    outcomes: dict[str, Audit | TargetUnavailable] = {}
    for target, sealed in bundle.artifacts.items():
        try:
            runner = bundle.load(target)
        except TargetUnavailable as error:
            outcomes[target] = error
        else:
            outcomes[target] = _audit(bundle, sealed, runner, part, reference)
    return outcomes, findings


def _audit(
    bundle: Bundle,
    sealed: Sealed,
    runner: Runner,
    part: "Part",
    reference: Logits | NotRun,
) -> Audit:
    from ..models.metrics import agreement, evaluate
    from .gates import run_texts

    what = f"{sealed.artifact.target} reads"
    inside = run_texts(runner, bundle.vocabulary, part.texts, what)
    outside = run_texts(runner, bundle.vocabulary, part.out_of_scope, what)
    agreed = reference if isinstance(reference, NotRun) else agreement(inside, reference)
    evaluation = evaluate(inside, part.labels, outside, sealed.calibration)
    return Audit(runner.engine, len(bundle.golden), evaluation, agreed)


def _student_logits(bundle: Bundle, part: "Part", folder: Path | None) -> Logits | NotRun:
    """Logits of the float student, or why there are none where nobody named a `folder`."""
    chosen = folder or bundle.path.resolve().parent / "student"
    if folder is None and not chosen.is_dir():
        return NotRun(NO_STUDENT)
    try:
        student = _open_student(chosen, bundle)
    except (BundleError, ModelError) as error:
        if folder is not None:
            raise
        return NotRun(f"agreement with the float model: {error}")
    return student.logits(part.texts, "The float model reads")


def _open_student(folder: Path, bundle: Bundle) -> "Student":
    """The student in `folder`, opened only if it is the one that `bundle` was made of."""
    weights = folder / "model.safetensors"
    try:
        found = sha256(weights)
    except OSError as error:
        raise ModelError(
            f"{weights}: {error.strerror}. Make it readable, or name another copy with --student."
        ) from error
    if found != bundle.manifest.provenance.student_sha256:
        raise BundleError(
            f"{folder}: has sha256 {found[:12]}…, another model than the bundle's. "
            "Name the one it was made of with --student."
        )
    from ..models.student import load_student

    return load_student(folder)
