"""The stage that judges the two float models: their figures, and whether they may go on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

from safetensors.numpy import load_file, save_file

from ...base.arrays import Logits
from ...base.files import write_json
from ...data.corpus import Corpus
from ...learn.shards import concatenated, read_texts, source_of
from ...measure.baseline import guess_by_letters
from ...measure.floors import check_floors
from ...measure.gates import JudgedLogits, over_parts, probe_texts, robust_figures
from ...measure.noise import Robustness
from ...models.calibration import Calibration, calibrate
from ...models.metrics import Evaluation, evaluate
from ...models.student import load_student
from ...models.teacher import load_teacher, weights_file
from ..folders import REFERENCE
from .learn import Job, Learned

LETTERS, PARAMETERS = "letters.safetensors", "parameters.json"


@dataclass(frozen=True, kw_only=True)
class ModelResult:
    """Figures of a float model that the run made."""

    size_bytes: int
    parameters: int
    evaluation: Evaluation
    calibration: Calibration
    robustness: Mapping[str, Robustness]  # by kind of noise


@dataclass(frozen=True, kw_only=True)
class Judged(ModelResult):
    """A float model's figures, with the logits that artefacts are compared with."""

    logits: JudgedLogits

    @property
    def figures(self) -> ModelResult:
        """The same without the logits."""
        return ModelResult(**{one.name: getattr(self, one.name) for one in fields(ModelResult)})


@dataclass(frozen=True)
class Models:
    """The two float models, and why the student may not ship."""

    teacher: Judged
    student: Judged
    failures: tuple[str, ...]


def judge_models(job: Job, learned: Learned) -> Models:
    """Figures of teacher and student in float, which must reach their floors."""
    inputs = {
        "corpus": job.corpus.digest,
        "teacher": learned.teacher,
        "student": learned.student,
    }

    def make(folder: Path) -> None:
        length = job.config.student.max_length
        teacher, student = load_teacher(learned.teacher, length), load_student(learned.student)
        probes = probe_texts(job.corpus, student.vocabulary)
        source = source_of(teacher, learned.teacher)

        def ask_teacher(texts: tuple[str, ...]) -> Logits:
            return concatenated(read_texts(teacher.logits, source, texts, "Teacher reads the test"))

        ask_student = partial(student.logits, what="Student reads the test")
        for name, ask in (("teacher", ask_teacher), ("student", ask_student)):
            logits = vars(over_parts(job.corpus, probes, ask))
            save_file(logits, folder / f"{name}.safetensors")
        save_file({"letters": guess_by_letters(job.corpus)}, folder / LETTERS)
        counts = {"teacher": teacher.parameters, "student": student.parameters}
        write_json(folder / PARAMETERS, counts)

    folder = job.cache.folder(REFERENCE, inputs, make, room="measure")
    counts = json.loads((folder / PARAMETERS).read_text(encoding="utf-8"))
    teacher, student = (
        to_judged(
            JudgedLogits(**load_file(folder / f"{name}.safetensors")),
            job.corpus,
            job.config.gates.min_kept,
            size_bytes=weights_file(model).stat().st_size,
            parameters=counts[name],
        )
        for name, model in (("teacher", learned.teacher), ("student", learned.student))
    )
    failures = check_floors(
        teacher.logits.test,
        student.logits.test,
        load_file(folder / LETTERS)["letters"],
        job.corpus.test.labels,
        job.corpus.labels,
        job.config.gates,
    )
    return Models(teacher, student, failures)


def to_judged(
    logits: JudgedLogits, corpus: Corpus, keep: float, *, size_bytes: int, parameters: int
) -> Judged:
    """Figures of a float model by its `logits`; its threshold keeps a share `keep` of the texts."""
    calibration = calibrate(logits.validation, corpus.validation.labels, keep)
    return Judged(
        size_bytes=size_bytes,
        parameters=parameters,
        evaluation=evaluate(logits.test, corpus.test.labels, logits.out_of_scope, calibration),
        calibration=calibration,
        logits=logits,
        robustness=robust_figures(logits, corpus, calibration.threshold),
    )
