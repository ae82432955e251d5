"""A fine-tuned classifier becomes a sealed bundle as it is: no teacher, no student, no training.

The stages from lowering on are those of `ship`; the model stands where the student stands there,
and is judged against itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...base.config import DataConfig, RunConfig, StudentSpec
from ...base.errors import DataError, ModelError, NotRun
from ...base.files import sha256, write_json
from ...base.workers import side_by_side
from ...bundle import seal
from ...bundle.golden import golden_texts, make_golden
from ...bundle.open import Sealed
from ...data.checks import text_key
from ...data.corpus import Corpus, Part, load_corpus, read_replies
from ...data.rows import read_source, read_unlabeled
from ...measure.gates import Verdict, over_parts, probe_texts, robust_figures
from ...measure.record import LatencyRecord
from ...models.adopt import check_same, open_classifier, with_vocabulary
from ...models.calibration import Calibration, calibrate
from ...models.encoders import locate
from ...models.metrics import evaluate
from ...models.prune import prune
from ...models.reading import check_readable
from ...models.student import Student, load_student
from ...models.vocabulary import compare_segmentation
from ..cache import Cache, lock
from ..folders import BUNDLE, STUDENT
from . import ship
from .judge import Judged, Models
from .learn import Job, Learned
from .ship import Verified

RESULT = "package.json"
OPEN = -1e6  # a threshold that every logit passes
NO_LABELS = (
    "accuracy, its drop and the calibration: no labelled text was given (--data), so agreement "
    "with the model itself is what was judged, and the temperature is 1"
)
NO_OUTSIDE = "out-of-scope detection: no out-of-scope text was given"
NO_TEXT = "a threshold: no text was given, so every text is answered"


@dataclass(frozen=True)
class Request:
    """What `pocketbert package` is asked to do, beside what `RunConfig` holds."""

    config: RunConfig  # its teacher is the model; its student is read from that
    labelled: bool  # whether `config.data.source` was given
    vocabulary: int | None  # pieces to keep


@dataclass(frozen=True)
class Packaged:
    """Everything `pocketbert package` has to tell."""

    out: Path
    bundle: Path | NotRun
    model: str
    architecture: str
    labels: int
    pieces: tuple[int, int]  # of the model and of the bundle
    parameters: int
    texts: int  # that the artefacts were judged on
    labelled: bool
    verdicts: Mapping[str, Verdict | NotRun]
    latency: Mapping[str, LatencyRecord | NotRun]
    findings: tuple[str, ...]
    not_run: tuple[str, ...]
    failures: tuple[str, ...]


def package(request: Request, out: Path, *, fresh: bool = False) -> Packaged:
    """Do everything `request` asks for in the folder `out`; unchanged stages are reused.

    Raises:
        PipelineError: a model, data or settings that cannot be used.
    """
    with lock(out), side_by_side(request.config.processes):
        config = request.config
        source = locate(config.teacher.source)
        whole = open_classifier(source, config.student.max_length)
        corpus, replies = _corpus(request, whole), _replies(request, whole)
        texts = (*corpus.train.texts, *corpus.validation.texts, *corpus.test.texts)
        check_same(whole, source, texts)
        pieces = len(whole.vocabulary)
        cache = Cache(out, fresh=fresh)
        folder, findings = _adopt(request, cache, source, whole, texts)
        parts = {name: (part.texts, part.labels) for name, part in corpus.parts.items()}
        findings = (
            *corpus.findings,
            *check_readable(whole.vocabulary, parts, corpus.name),
            *findings,
        )
        student = load_student(folder)
        job = Job(_with_shape(config, student), corpus, cache)

        learned = Learned(source, folder, folder)
        models = _judge(corpus, student, folder, config.gates.min_kept)
        artifacts = ship.lower(job, learned, models)
        verified = ship.verify(job, learned, models, artifacts)
        failures = ship.list_failures(models, verified, config.required)
        bundle = _seal(request, job, learned, student, verified, replies) if not failures else None
        sealed = bundle or NotRun("a gate failed")
        result = Packaged(
            out=out,
            bundle=sealed,
            model=config.teacher.source,
            architecture=type(student.model).__name__,
            labels=len(student.labels),
            pieces=(pieces, len(student.vocabulary)),
            parameters=sum(weight.numel() for weight in student.model.parameters()),
            texts=len(corpus.test.texts),
            labelled=request.labelled,
            verdicts={n: v if isinstance(v, NotRun) else v.verdict for n, v in verified.items()},
            latency=ship.bench(job, sealed, verified),
            findings=findings,
            not_run=_not_run(request, corpus),
            failures=failures,
        )
        write_json(out / RESULT, to_json(result))
    return result


def to_json(result: Packaged) -> dict[str, Any]:
    """The result as plain values, for machines."""
    plain = asdict(result)
    plain["out"] = result.out.as_posix()
    if isinstance(result.bundle, Path):
        plain["bundle"] = result.bundle.relative_to(result.out).as_posix()
    return plain


def _adopt(
    request: Request, cache: Cache, source: Path, whole: Student, texts: Sequence[str]
) -> tuple[Path, tuple[str, ...]]:
    """Folder of the model as it ships, its vocabulary pruned where that was asked for."""
    asked, all_pieces = request.vocabulary, whole.vocabulary
    pruned = prune(all_pieces, texts, asked)
    inputs = {
        "source": source,
        "pieces": list(pruned.pieces),
        "max_length": all_pieces.max_length,
    }
    folder = cache.folder(STUDENT, inputs, lambda new: with_vocabulary(whole, pruned).save(new))
    findings = []
    if len(pruned) > (asked or len(all_pieces)):
        findings.append(
            f"the vocabulary has {len(pruned)} pieces, and {asked} were asked for: the texts need "
            "so many characters"
        )
    changed = compare_segmentation(all_pieces, pruned, texts).changed
    if changed:
        findings.append(
            f"{changed:.1%} of the texts are cut into other pieces by the pruned vocabulary, and "
            "so answered otherwise than by the whole model: keep more with --vocabulary"
        )
    return folder, tuple(findings)


def _with_shape(config: RunConfig, student: Student) -> RunConfig:
    own = student.model.config
    shape = StudentSpec(
        layers=own.num_hidden_layers,
        hidden=own.hidden_size,
        vocabulary=max(100, len(student.vocabulary)),
        max_length=student.vocabulary.max_length,
    )
    return replace(config, student=shape)


def _judge(corpus: Corpus, student: Student, folder: Path, keep: float) -> Models:
    logits = over_parts(
        corpus,
        probe_texts(corpus, student.vocabulary),
        lambda texts: student.logits(texts, "The model reads the texts"),
    )
    calibration = calibrate(logits.validation, corpus.validation.labels, keep)
    judged = Judged(
        size_bytes=(folder / "model.safetensors").stat().st_size,
        parameters=sum(weight.numel() for weight in student.model.parameters()),
        evaluation=evaluate(logits.test, corpus.test.labels, logits.out_of_scope, calibration),
        calibration=calibration,
        logits=logits,
        robustness=robust_figures(logits, corpus, calibration.threshold),
    )
    return Models(judged, judged, ())


def _corpus(request: Request, model: Student) -> Corpus:
    """The texts to judge by, their labels in the order of the model's outputs."""
    config = request.config.data
    if request.labelled:
        return _relabelled(load_corpus(config, request.config.seed), model)
    if config.unlabeled:
        rows, name = read_unlabeled(config.unlabeled, config).rows, Path(config.unlabeled).name
    else:
        rows, name = read_source(DataConfig()).rows, "assistant"
        rows = tuple(row for row in rows if row.part == "test")
    texts = tuple({text_key(row.text): row.text for row in rows if row.text.strip()}.values())
    if len(texts) < 2:
        raise DataError(f"{config.unlabeled}: holds {len(texts)} texts; give at least 2.")
    # What the model says stands where labels do: artefacts must say the same.
    said = tuple(map(int, model.logits(texts, "The model labels the texts").argmax(1)))
    validation, test = (Part(texts[i::2], said[i::2]) for i in (1, 0))
    return Corpus(name, model.labels, Part((), ()), validation, test)


def _relabelled(corpus: Corpus, model: Student) -> Corpus:
    if unknown := sorted({*corpus.labels} - {*model.labels}):
        raise ModelError(
            f"{corpus.name}: {unknown[0]!r} is none of the model's {len(model.labels)} labels "
            f"({', '.join(model.labels[:5])} …). Name the intents as id2label in config.json does."
        )
    order = [model.labels.index(label) for label in corpus.labels]

    def ordered(part: Part) -> Part:
        return replace(part, labels=tuple(order[label] for label in part.labels))

    return replace(
        corpus,
        labels=model.labels,
        train=ordered(corpus.train),
        validation=ordered(corpus.validation),
        test=ordered(corpus.test),
    )


def _replies(request: Request, model: Student) -> dict[str, list[str]]:
    data = request.config.data
    # Those of the built-in data are for its own intents.
    named = data if request.labelled else replace(data, source=data.unlabeled or "texts")
    return read_replies(named, model.labels)


def _not_run(request: Request, corpus: Corpus) -> tuple[str, ...]:
    missing: tuple[str, ...] = () if request.labelled else (NO_LABELS,)
    missing += () if corpus.test.out_of_scope else (NO_OUTSIDE,)
    return missing if request.labelled or request.config.data.unlabeled else (*missing, NO_TEXT)


def _seal(
    request: Request,
    job: Job,
    learned: Learned,
    student: Student,
    verified: Mapping[str, Verified | NotRun],
    replies: Mapping[str, list[str]],
) -> Path:
    config = job.config
    made = {name: value for name, value in verified.items() if isinstance(value, Verified)}
    texts = golden_texts(job.corpus.test.texts, len(student.labels))
    weights = sha256(learned.student / "model.safetensors")
    model = Path(config.teacher.source).name
    return seal.seal(
        job.cache.out / BUNDLE,
        name=model,
        labels=student.labels,
        vocabulary=student.vocabulary,
        artifacts={name: _sealed(request, value) for name, value in made.items()},
        replies=replies,
        golden=make_golden(
            texts, student.vocabulary, {name: value.golden for name, value in made.items()}
        ),
        provenance={
            "seed": config.seed,
            "preset": "package",
            "command": f"pocketbert package {model}",
            "data_sha256": job.corpus.digest,
            "teacher_sha256": weights,
            "student_sha256": weights,
            "distill": {},
            "student": {
                "architecture": type(student.model).__name__,
                "layers": config.student.layers,
                "hidden": config.student.hidden,
                "vocabulary": len(student.vocabulary),
                "max_length": config.student.max_length,
            },
            "versions": job.cache.versions,
        },
        out_of_scope_label=config.data.out_of_scope_label,
    )


def _sealed(request: Request, made: Verified) -> Sealed:
    verdict = made.verdict
    metrics: dict[str, Any] = {"agreement": verdict.agreement}
    calibration = verdict.calibration
    if request.labelled:
        metrics |= asdict(verdict.evaluation)
    else:
        threshold = calibration.threshold if request.config.data.unlabeled else OPEN
        calibration = Calibration(1.0, threshold)
    return Sealed(made.artifact, calibration, verdict.tolerance, verdict.engine, metrics)
