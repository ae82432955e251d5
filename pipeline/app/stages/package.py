"""The stages of a classifier that ships as it is: read, judged against itself, described.

Nothing is trained. From lowering on, its stages are those of a student, in `ship`; the model stands
where the student stands there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...base.config import DataConfig, RunConfig, StudentSpec
from ...base.config_text import to_package_command
from ...base.errors import DataError, InputError, ModelError, NotRun
from ...base.files import sha256
from ...bundle.manifest import check_names
from ...bundle.open import Sealed
from ...data.checks import text_key
from ...data.corpus import Corpus, Part, load_corpus
from ...data.rows import read_source, read_unlabeled
from ...measure.floors import check_skill
from ...measure.gates import DECISIONS, DROP, over_parts, probe_texts
from ...models.adopt import check_same, open_classifier, with_vocabulary
from ...models.calibration import Calibration
from ...models.encoders import locate
from ...models.prune import prune
from ...models.reading import check_readable
from ...models.student import Student, load_student
from ...models.vocabulary import compare_segmentation
from ..cache import Cache
from ..folders import STUDENT
from .judge import Judged, Models, to_judged
from .learn import Job, Learned
from .ship import Verified

OPEN = -1e6  # a threshold that every logit passes
NO_LABELS = (
    "no labelled text was given (--data); artefacts are held against what the model itself answers"
)
NO_OUTSIDE = "no out-of-scope text was given"
NO_TEXT = "no text was given, so every text is answered"
WRONG_ORDER = "Look whether id2label in config.json names the outputs in their order."


@dataclass(frozen=True)
class Adopted:
    """A classifier as it ships, and what was found on the way."""

    asked: RunConfig  # as given
    job: Job  # with the model's own shape
    learned: Learned  # the folders that later stages read, all of one model
    student: Student
    pieces: int  # of the model, before pruning
    findings: tuple[str, ...]


def is_labelled(config: RunConfig) -> bool:
    """Whether there are labels to judge by."""
    return bool(config.data.source)


def adopt(config: RunConfig, cache: Cache) -> Adopted:
    """Open the model, check it against transformers, and prune its vocabulary.

    Raises:
        PipelineError: a model or texts that cannot be used.
    """
    source = locate(config.teacher.source)
    whole = open_classifier(source, config.student.max_length)
    corpus = _read_corpus(config, whole)
    check_names(corpus.name, corpus.labels, config.data.out_of_scope_label)
    parts = {name: (part.texts, part.labels) for name, part in corpus.parts.items()}
    readable = check_readable(whole.vocabulary, parts, corpus.name)
    texts = (*(text for part, _ in parts.values() for text in part), *corpus.unlabeled)
    check_same(whole, source, texts)
    pieces = len(whole.vocabulary)
    folder, pruned = _with_pieces(config, cache, source, whole, texts)
    student = load_student(folder)
    return Adopted(
        config,
        Job(_with_rules(config, student), corpus, cache),
        Learned(teacher=folder, transfer_set=folder, student=folder),
        student,
        pieces,
        (*corpus.findings, *readable, *pruned),
    )


def judge_model(adopted: Adopted) -> Models:
    """Figures of the model in float, which is its own reference; with labels, it must know them."""
    job, student = adopted.job, adopted.student
    logits = over_parts(
        job.corpus,
        probe_texts(job.corpus, student.vocabulary),
        lambda texts: student.logits(texts, "The model reads the texts"),
    )
    judged = to_judged(
        logits,
        job.corpus,
        job.config.gates.min_kept,
        size_bytes=(adopted.learned.student / "model.safetensors").stat().st_size,
        parameters=sum(weight.numel() for weight in student.model.parameters()),
    )
    return Models(judged, judged, _skill(job, judged) if is_labelled(job.config) else ())


def adopted_from(adopted: Adopted) -> dict[str, Any]:
    """Where the bundle came from: a model that was fine-tuned elsewhere."""
    spec, student = adopted.job.config.student, adopted.student
    return {
        "preset": "package",
        "command": to_package_command(adopted.asked),
        "teacher_sha256": sha256(adopted.learned.student / "model.safetensors"),
        "distill": {},
        "student": {
            "architecture": type(student.model).__name__,
            "layers": spec.layers,
            "hidden": spec.hidden,
            "vocabulary": len(student.vocabulary),
            "max_length": spec.max_length,
            "hidden_act": spec.hidden_act,
        },
    }


def sealed_without_labels(has_texts: bool, made: Verified) -> Sealed:
    """What is sealed of an artefact that was held against the model alone."""
    verdict = made.verdict
    threshold = verdict.calibration.threshold if has_texts else OPEN
    metrics = {"agreement": verdict.agreement}
    calibration = Calibration(1.0, threshold)
    return Sealed(made.artifact, calibration, verdict.tolerance, verdict.engine, metrics)


def list_not_run(job: Job) -> dict[str, NotRun]:
    """Gates and figures that could not be had from what was given, and why."""
    missing, labelled = dict[str, NotRun](), is_labelled(job.config)
    if not labelled:
        missing |= dict.fromkeys(("accuracy", DROP, "calibration"), NotRun(NO_LABELS))
    if not job.corpus.test.out_of_scope:
        missing["out-of-scope detection"] = NotRun(NO_OUTSIDE)
    if not labelled and not job.config.data.unlabeled:
        missing |= dict.fromkeys(("threshold", DECISIONS), NotRun(NO_TEXT))
    return missing


def _skill(job: Job, judged: Judged) -> tuple[str, ...]:
    test, limit = job.corpus.test, job.config.gates.min_skill
    return check_skill(
        "the model", judged.logits.test, test.labels, job.corpus.labels, limit, WRONG_ORDER
    )


def _with_pieces(
    config: RunConfig, cache: Cache, source: Path, whole: Student, texts: Sequence[str]
) -> tuple[Path, tuple[str, ...]]:
    """Folder of the model as it ships, its vocabulary pruned where that was asked for."""
    asked, all_pieces = config.student.vocabulary, whole.vocabulary
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


def _with_rules(config: RunConfig, student: Student) -> RunConfig:
    """`config` with the model's own shape, and without the gate that needs labels.

    Raises:
        InputError: it names a part that the model does not have.
    """
    own = student.model.config
    shape = StudentSpec(
        layers=own.num_hidden_layers,
        hidden=own.hidden_size,
        vocabulary=max(100, len(student.vocabulary)),
        embedding=None,
        hidden_act=own.activation if own.model_type == "distilbert" else own.hidden_act,
        max_length=student.vocabulary.max_length,
    )
    drop = config.gates.max_accuracy_drop if is_labelled(config) else 1.0
    gates = replace(config.gates, max_accuracy_drop=drop)
    try:
        return replace(config, student=shape, gates=gates)
    except ValueError as error:  # the layers are known only now
        raise InputError(f"{error}.") from error


def _read_corpus(config: RunConfig, model: Student) -> Corpus:
    """The texts to judge by, their labels in the order of the model's outputs."""
    data = config.data
    name = Path(config.teacher.source).resolve().name
    if is_labelled(config):
        return replace(_relabelled(load_corpus(data, config.seed), model), name=name)
    if data.out_of_scope:
        raise InputError("--out-of-scope needs texts with labels: give --data, too.")
    if config.student.vocabulary and not data.unlabeled:
        raise InputError("--vocabulary needs texts that say what to keep: give --data.")
    if data.unlabeled:
        rows = read_unlabeled(data.unlabeled, data).rows
    else:
        rows = tuple(row for row in read_source(DataConfig()).rows if row.part == "test")
    texts = tuple({text_key(row.text): row.text for row in rows if row.text.strip()}.values())
    if len(texts) < 2:
        raise DataError(f"{data.unlabeled}: holds {len(texts)} texts; give at least 2.")
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
