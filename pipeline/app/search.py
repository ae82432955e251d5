"""The search for a student: shapes trained within a time budget, and the best trade-offs of them.

Optuna proposes shapes, after the presets; the stages train them; this room measures and chooses.
The cache holds every student that was trained, so that a second call goes on where one ended. What
artefacts must pass is for the run that follows.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import optuna
import tomli_w
from optuna.trial import TrialState
from pydantic import TypeAdapter

from ..base.config import PRESETS, RunConfig, StudentSpec
from ..base.errors import NotRun, PipelineError
from ..base.files import write_json
from ..base.progress import step
from ..base.workers import side_by_side
from ..bundle.manifest import check_names
from ..data.corpus import load_corpus
from ..learn import team
from ..models.calibration import calibrate
from ..models.cost import int8_bytes, multiply_adds
from ..models.metrics import accuracy, evaluate
from ..models.student import load_student
from ..models.teacher import Teacher, load_teacher
from .cache import Cache, lock
from .folders import FOUND, MEASURED, SHAPES
from .owned import BEST_MARK, check_out
from .report.charts import draw_front
from .shapes import Found, SearchResult, can_be_cut, name_of, propose, to_parameters
from .stages import learn as learning
from .stages.learn import Job

RECORD = "found.json"
TOKENS = 16  # of a short message: multiply-adds are counted for it
REFUSED = 100  # proposals in a row, too large, too slow or known, after which nothing is left


@dataclass(frozen=True)
class _Setting:
    """What every shape is trained with and compared with."""

    job: Job
    teacher: Path
    transfer_set: Path
    loaded: Teacher
    reference: float  # the teacher's accuracy


@dataclass(frozen=True)
class _Candidate:
    """A shape that Optuna proposed: its settings, and the stage that measures it."""

    job: Job
    inputs: dict[str, Any]
    name: str
    size_bytes: int
    multiply_adds: int

    @property
    def is_known(self) -> bool:
        return self.job.cache.has(MEASURED, self.inputs)


def search(
    config: RunConfig,
    out: Path,
    *,
    budget_s: float,
    max_bytes: int,
    min_retention: float,
) -> SearchResult:
    """Train shapes for `budget_s` seconds, fitting the teacher included, in the folder `out`.

    The first shape is trained whatever it takes; another one is begun only if, by the pace of
    those before, it will be done in time.

    Raises:
        PipelineError: no shape is as small as `max_bytes`, or input that cannot be used.
    """
    deadline = time.monotonic() + budget_s
    if team.size() > 1:
        raise PipelineError("search trains one shape at a time. Run it without accelerate launch.")
    check_out(out)
    with lock(out), team.one_thread(), side_by_side(config.processes):
        corpus = load_corpus(config.data, config.seed)
        check_names(corpus.name, corpus.labels, config.data.out_of_scope_label)
        setting = _prepare(Job(config, corpus, Cache(out)))
        trained = _explore(setting, deadline, max_bytes)
        enough = [one for one, _ in trained.values() if one.retention >= min_retention]
        best = min(enough, key=lambda one: one.size_bytes, default=None)
        found = tuple(one for one, _ in trained.values())
        result = SearchResult(out, found, best, max_bytes, min_retention)
        write_json(out / FOUND, {**asdict(result), "out": out.as_posix()})
        draw_front(result.plot, found, result.front, best, max_bytes / 1e6, min_retention)
        if best:
            _write_settings(result.settings, trained[best.name][1])
    return result


def _prepare(job: Job) -> _Setting:
    teacher = learning.fit_teacher(job)
    transfer_set = learning.label_texts(job, teacher)
    loaded = load_teacher(teacher, job.config.student.max_length)
    part = job.corpus.validation
    said = loaded.logits(part.texts, "Teacher reads validation")
    return _Setting(job, teacher, transfer_set, loaded, accuracy(said, part.labels))


def _explore(
    setting: _Setting, deadline: float, max_bytes: int
) -> dict[str, tuple[Found, RunConfig]]:
    """Train what Optuna proposes until time or proposals run out; by name, with its settings."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["maximize", "minimize", "minimize"],
        sampler=optuna.samplers.TPESampler(seed=setting.job.config.seed),
    )
    for spec in (*_trained_before(setting), *(spec for spec, _ in PRESETS.values())):
        if can_be_cut(spec, setting.loaded):
            study.enqueue_trial(to_parameters(spec))
    trained: dict[str, tuple[Found, RunConfig]] = {}
    refused = too_large = 0
    while refused < REFUSED:
        trial = study.ask()
        one = _candidate(setting, propose(trial, setting.job.config.student, setting.loaded))
        before = [found for found, _ in trained.values()]
        if one.size_bytes > max_bytes:
            too_large += 1
        elif one.name not in trained and (one.is_known or _fits(one, before, deadline)):
            found = _measure(setting, one)
            trained[one.name] = found, one.job.config
            study.tell(trial, [found.accuracy, found.size_bytes, found.multiply_adds])
            refused = 0
            continue
        refused += 1
        study.tell(trial, state=TrialState.PRUNED)
    if not trained:
        raise PipelineError(
            f"No shape fits into {max_bytes / 1e6:.2f} MB; {too_large} proposals did not. "
            "Raise --max-bytes."
        )
    return trained


def _trained_before(setting: _Setting) -> list[StudentSpec]:
    """Shapes that an earlier call left in the folder."""
    files = sorted((setting.job.cache.out / SHAPES).glob(f"*/{MEASURED}/{RECORD}"))
    return [
        replace(
            setting.job.config.student,
            layers=found.layers,
            hidden=found.hidden,
            vocabulary=found.vocabulary,
            embedding=found.embedding,
            teacher_layers=None,
        )
        for found in map(_read, files)
    ]


def _candidate(setting: _Setting, spec: StudentSpec) -> _Candidate:
    job, labels = setting.job, len(setting.job.corpus.labels)
    whole = len(setting.loaded.vocabulary)
    pieces = min(spec.vocabulary or whole, whole)
    # The learning rate of the preset that is nearest in width.
    nearest = min(PRESETS.values(), key=lambda preset: abs(preset[0].hidden - spec.hidden))
    distill = replace(job.config.distill, learning_rate=nearest[1].learning_rate)
    name = name_of(spec.layers, spec.hidden, spec.vocabulary, spec.embedding)
    config = replace(job.config, student=spec, distill=distill)
    cache = Cache(job.cache.out / SHAPES / name)
    inputs = {
        "corpus": job.corpus.digest,
        "teacher": setting.teacher,
        "transfer_set": setting.transfer_set,
        "student": spec,
        "distill": distill,
        "seed": config.seed,
    }
    return _Candidate(
        replace(job, config=config, cache=cache),
        inputs,
        name,
        int8_bytes(spec, pieces, labels),
        multiply_adds(spec, labels, TOKENS),
    )


def _fits(one: _Candidate, before: Sequence[Found], deadline: float) -> bool:
    """Whether it will be trained by the deadline, judged by the shape nearest in work."""
    if not before:
        return True
    nearest = min(before, key=lambda found: abs(found.multiply_adds - one.multiply_adds))
    expected = nearest.seconds * max(1.0, one.multiply_adds / nearest.multiply_adds)
    return time.monotonic() + expected <= deadline


def _measure(setting: _Setting, one: _Candidate) -> Found:
    job, spec, part = one.job, one.job.config.student, one.job.corpus.validation

    def make(folder: Path) -> None:
        begun = time.monotonic()
        student = load_student(learning.distill_student(job, setting.teacher, setting.transfer_set))
        seconds = time.monotonic() - begun
        logits, outside = student.logits(part.texts), student.logits(part.out_of_scope)
        calibration = calibrate(logits, part.labels, job.config.gates.min_kept)
        figures = evaluate(logits, part.labels, outside, calibration)
        apart = figures.out_of_scope
        found = Found(
            layers=spec.layers,
            hidden=spec.hidden,
            vocabulary=spec.vocabulary or 0,
            embedding=spec.embedding,
            size_bytes=one.size_bytes,
            multiply_adds=one.multiply_adds,
            accuracy=figures.accuracy,
            retention=figures.accuracy / setting.reference,
            auroc=None if isinstance(apart, NotRun) else apart.auroc,
            seconds=seconds,
        )
        write_json(folder / RECORD, asdict(found))

    with step(f"Shape {one.name}"):
        folder = job.cache.folder(MEASURED, one.inputs, make)
    return _read(folder / RECORD)


def _read(file: Path) -> Found:
    return TypeAdapter(Found).validate_json(file.read_bytes())


def _write_settings(file: Path, config: RunConfig) -> None:
    """What `pocketbert run --config` needs to make this student again."""
    content = tomli_w.dumps(_without_none(asdict(config)))
    file.write_text(f"{BEST_MARK}\n{content}", encoding="utf-8")


def _without_none(value: dict[str, Any]) -> dict[str, Any]:
    """`value` without what is off, which TOML cannot say."""
    return {
        key: _without_none(inner) if isinstance(inner, dict) else inner
        for key, inner in value.items()
        if inner is not None
    }
