"""The stages up to the student, in the cache: what decides an outcome, and where it is put.

Several processes may share them; what they compute is in the room each calls.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...base.config import RunConfig
from ...base.errors import PipelineError
from ...base.events import Event, TrainingEnded, listening
from ...base.files import write_json
from ...data.corpus import Corpus
from ...learn import checkpoint, shards, team
from ...learn.augment import copies_for
from ...learn.checkpoint import Checkpoints
from ...learn.distill import hidden_layers
from ...learn.fit import fit_head, with_other
from ...learn.pair import beside
from ...learn.transfer import (
    load_transfer_set,
    make_transfer_set,
    save_hidden,
)
from ...models.encoders import MINILM, locate
from ...models.function import is_function, open_function
from ...models.other import is_other
from ...models.reading import check_readable
from ...models.teacher import load_teacher
from ...models.tokenizer import check_ids_equal, read_tokenizer
from ..cache import Cache, described
from ..folders import (
    CHECKPOINTS,
    FROZEN_TEACHER,
    GIVEN,
    HIDDEN,
    STUDENT,
    TEACHER,
    TRAINING,
    TRANSFER_SET,
)
from .train import train_student, train_teacher

ROOM = "learn"  # the last whose code decides what these stages make
# Of the losses that ask for the teacher's hidden states, beside its logits.
OF_STATES = ("hidden_weight", "embedding_weight", "relation_weight")


@dataclass(frozen=True)
class Job:
    """What every stage of one run is given."""

    config: RunConfig
    corpus: Corpus
    cache: Cache


@dataclass(frozen=True)
class Learned:
    """The folders that training leaves to the stages after it."""

    teacher: Path
    transfer_set: Path
    student: Path


def read_texts(job: Job) -> Job:
    """`job` with findings of how the teacher's tokenizer reads its texts.

    Raises:
        PipelineError: it reads otherwise than the teacher's own, or does not know the language.
    """
    config, corpus = job.config, job.corpus
    folder, found = locate(config.teacher.source), tuple[str, ...]()
    if is_other(folder):  # the student reads as its donor does
        donor = config.student.donor or MINILM
        found = (f"the student's first weights are {donor}'s, since the teacher is no plain BERT",)
        folder = locate(donor)
    vocabulary = read_tokenizer(folder, config.student.max_length)
    check_ids_equal(vocabulary, folder, corpus.train.texts)
    parts = {name: (part.texts, part.labels) for name, part in corpus.parts.items()}
    found += check_readable(vocabulary, parts, corpus.name)
    return replace(job, corpus=replace(corpus, findings=corpus.findings + found))


def fit_teacher(job: Job) -> Path:
    """Folder of the fitted teacher.

    Raises:
        PipelineError: the teacher that is to be fitted lies where the fitted one is written.
    """
    config, length = job.config.teacher, job.config.student.max_length
    source = locate(config.source)
    out, around = job.cache.out.resolve(), source.resolve().parents
    if out in around and out / GIVEN not in around:
        raise PipelineError(
            f"{config.source}: this teacher lies in the output folder, where the fitted one takes "
            "its place. Copy it elsewhere, or choose another --out."
        )
    inputs = {
        "corpus": job.corpus.labelled_digest,
        "source": source,
        "max_length": length,
        "new_head": config.new_head,
    }
    if is_other(source):
        return _other_teacher(job, inputs)

    def make(folder: Path) -> None:
        fit_head(config, job.corpus, length).save(folder)

    if not config.fine_tune:
        return job.cache.shared_folder(TEACHER, inputs, make, room=ROOM)
    return _fine_tuned(job, job.cache.shared_folder(FROZEN_TEACHER, inputs, make, room=ROOM))


def _other_teacher(job: Job, inputs: dict[str, Any]) -> Path:
    config, distillation = job.config, job.config.distill
    unfit = [name for name in OF_STATES if getattr(distillation, name)]
    if config.teacher.fine_tune or config.teacher.new_head or unfit:
        what = f"distill.{unfit[0]}" if unfit else "--fine-tune or --new-head"
        raise PipelineError(
            f"{config.teacher.source}: is no BERT that a student can be cut out of, so it teaches "
            f"as it is, by its logits alone. Leave out {what}."
        )
    donor = config.student.donor

    def make(folder: Path) -> None:
        with_other(config.teacher, donor, job.corpus, config.student.max_length).save(folder)

    inputs = {**inputs, "donor": locate(donor or MINILM)}
    source = locate(config.teacher.source)
    if is_function(source):  # what it says stands for it
        inputs["says"] = open_function(source).fingerprint(job.corpus.train.texts)
    return job.cache.shared_folder(TEACHER, inputs, make)


def _fine_tuned(job: Job, frozen: Path) -> Path:
    config, length = job.config, job.config.student.max_length
    inputs = {
        "corpus": job.corpus.labelled_digest,
        "frozen": frozen,
        "teacher": replace(config.teacher, source=""),  # its content is what counts
        "max_length": length,
        "seed": config.seed,
    }

    def make(folder: Path, checkpoints: dict[str, Any]) -> None:
        given: dict[str, Any] = {
            "frozen": str(frozen),
            "corpus": asdict(replace(job.corpus, unlabeled=())),  # it has no labels yet
            "config": asdict(config.teacher),
            "max_length": length,
            "seed": config.seed,
            "checkpoints": checkpoints,
        }
        with beside(train_teacher, given, config.teacher.batch_size) as trainers:
            train_teacher(trainers, **given).save(folder)

    return _trained(job, TEACHER, inputs, make)


def count_copies(job: Job) -> int:
    """How many rewordings of each text the teacher labels: as asked, or by default."""
    asked, tuned = job.config.distill.augment, job.config.teacher.fine_tune
    return copies_for(len(job.corpus.taught), fine_tuned=tuned) if asked is None else asked


def label_texts(job: Job, teacher: Path) -> Path:
    """Folder of the transfer set: the texts to learn from, and what the teacher says of them."""
    config, length = job.config, job.config.student.max_length
    copies = count_copies(job)
    inputs = {
        "corpus": job.corpus.digest,
        "teacher": teacher,
        "copies": copies,
        "max_length": length,
        "seed": config.seed,
    }

    shards_of = job.cache.out / CHECKPOINTS / TRANSFER_SET
    kept = shards_of / job.cache.key(TRANSFER_SET, inputs, ROOM)[:16]
    if team.is_main():
        shards.clear(shards_of, "" if job.cache.fresh else kept.name)

    def make(folder: Path) -> None:
        loaded = load_teacher(teacher, length)
        made = make_transfer_set(
            loaded, job.corpus, copies, config.seed, folder=teacher, kept=kept, into=folder
        )
        made.save(folder)

    folder = job.cache.shared_folder(TRANSFER_SET, inputs, make, room=ROOM, together=True)
    if team.is_main():
        shards.clear(shards_of)
    return folder


def distill_student(job: Job, teacher: Path, transfer_set: Path) -> Path:
    """Folder of the distilled student."""
    config = job.config
    inputs = {
        "teacher": teacher,
        "transfer_set": transfer_set,
        "student": config.student,
        "distill": config.distill,
        "seed": config.seed,
    }

    def make(folder: Path, checkpoints: dict[str, Any]) -> None:
        given: dict[str, Any] = {
            "teacher": str(teacher),
            "transfer_set": str(transfer_set),
            "hidden": _hidden(config, teacher, transfer_set),
            "spec": asdict(config.student),
            "config": asdict(config.distill),
            "seed": config.seed,
            "checkpoints": checkpoints,
        }
        with beside(train_student, given, config.distill.batch_size) as trainers:
            train_student(trainers, **given).save(folder)

    return _trained(job, STUDENT, inputs, make)


def _hidden(config: RunConfig, teacher: Path, transfer_set: Path) -> dict[str, str]:
    """Folders of the teacher's hidden states, by the number of the layer; none without a need."""
    if not any(getattr(config.distill, name) for name in OF_STATES):
        return {}
    length = config.student.max_length
    loaded, texts = load_teacher(teacher, length), load_transfer_set(transfer_set).texts
    inputs = {"teacher": teacher, "transfer_set": transfer_set, "max_length": length}
    cache = Cache(transfer_set.parent)  # beside it, so that other students find them, too

    def made(layer: int) -> str:
        def make(folder: Path) -> None:
            save_hidden(loaded, texts, layer, folder)

        return str(cache.shared_folder(f"{HIDDEN}/{layer}", inputs, make, room=ROOM))

    layers = hidden_layers(loaded, config.student, config.distill)
    return {str(layer): made(layer) for layer in layers}


def _trained(
    job: Job, name: str, inputs: dict[str, Any], make: Callable[[Path, dict[str, Any]], None]
) -> Path:
    """A stage that several processes share, and that goes on where it was killed."""
    inputs = {**inputs, **team.layout()}
    kept = Checkpoints(
        job.cache.out / CHECKPOINTS / name, job.config.checkpoint_steps, described(inputs)
    )
    if job.cache.fresh and team.is_main():
        checkpoint.clear(kept.folder)

    def make_and_record(new: Path) -> None:
        def record(event: Event) -> None:
            if isinstance(event, TrainingEnded):
                write_json(new / TRAINING, asdict(event))

        with listening(record):
            make(new, {**asdict(kept), "folder": str(kept.folder)})

    folder = job.cache.shared_folder(name, inputs, make_and_record, room=ROOM, together=True)
    if team.is_main():
        checkpoint.clear(kept.folder)
    return folder
