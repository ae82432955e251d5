"""The teacher fitted to the labels, in two grades.

A linear head on frozen, mean-pooled features takes seconds (`head`), and is good where the encoder
is a sentence encoder; full fine-tuning takes minutes. It knows nothing of students.
"""

from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import torch
from torch import Tensor, nn

from ..base.config import TeacherConfig
from ..base.errors import ModelError
from ..data.corpus import Corpus, Part
from ..models.batches import batch_tensors
from ..models.encoders import MINILM, load_encoder, locate
from ..models.metrics import accuracy
from ..models.other import open_other
from ..models.stock import BertForSequenceClassification
from ..models.teacher import NOTES, Teacher, features, linear_head, load_teacher
from ..models.tokenizer import read_object
from ..models.weights import check_one_label, load_weights
from .checkpoint import Checkpoints
from .head import fit_frozen
from .loop import Batch, Plan, train
from .losses import OUTSIDE, label_loss, label_none, outside_loss, with_none
from .pair import Trainers

WARMUP = 0.1  # share of the steps
MAX_NORM = 1.0  # of gradients


def fit_head(config: TeacherConfig, corpus: Corpus, max_length: int) -> Teacher:
    """Load the encoder that `config` names, with a head for the labels of `corpus`.

    A folder that brings a head of its own, be it a stock `BertForSequenceClassification` or a
    teacher saved here, keeps it; else one is fitted on the frozen features of the encoder.

    Raises:
        ModelError: the encoder is missing, damaged or no BERT, or its head has other labels.
    """
    folder = locate(config.source)
    encoder, vocabulary = load_encoder(folder, max_length)
    if config.new_head:
        return fit_frozen(encoder, vocabulary, corpus, folder)
    if (folder / NOTES).exists():
        found = load_teacher(folder, max_length)
        return _with_own_head(found, found.labels, corpus, folder)
    if read_object(folder / "config.json").get("architectures") == [
        "BertForSequenceClassification"
    ]:
        model = load_weights(BertForSequenceClassification, folder)
        check_one_label(folder, model.config)
        head = linear_head(model.classifier.weight.detach(), model.classifier.bias.detach())
        names = tuple(model.config.id2label[i] for i in range(model.config.num_labels))
        found = Teacher(model.bert, head, vocabulary, names, np.empty((0, 0), np.float32))
        return _with_own_head(found, names, corpus, folder)
    return fit_frozen(encoder, vocabulary, corpus, folder)


def with_other(
    config: TeacherConfig, donor: str | None, corpus: Corpus, max_length: int
) -> Teacher:
    """The classifier of another kind that `config` names, on top of a donor for the student.

    Raises:
        ModelError: one of the two cannot be used, or the classifier has other labels than `corpus`.
    """
    folder = locate(config.source)
    other = open_other(folder)
    other = replace(other, labels=_same_labels(other.labels, corpus, folder))
    named = replace(config, source=donor or MINILM, new_head=True)
    teacher = replace(fit_head(named, corpus, max_length), other=other, score="highest")
    return _with_logits(teacher, corpus.train)


def fine_tune(
    teacher: Teacher,
    corpus: Corpus,
    config: TeacherConfig,
    *,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    trainers: Trainers | None = None,
) -> Teacher:
    """Train encoder and head together, in place; the epoch that is best on validation is kept.

    Each layer learns more slowly than the one above it (discriminative learning rates, Howard and
    Ruder 2018), after a warm-up; it stops when validation accuracy no longer rises.

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
        ModelError: a checkpoint of other settings.
    """
    train_part, validation = corpus.train, corpus.validation
    knows_none = teacher.score == "margin"
    outside = train_part.out_of_scope if config.outside_weight or knows_none else ()
    texts = (*train_part.texts, *outside)
    labels = torch.tensor((*train_part.labels, *[OUTSIDE] * len(outside)))

    def collate(rows: list[int]) -> Batch:
        ids, mask = batch_tensors(teacher.vocabulary, [texts[row] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels[rows]}

    def score() -> float:
        return accuracy(teacher.logits(validation.texts), validation.labels)

    teacher.head.requires_grad_(True)
    train(
        _Classification(teacher, config.outside_weight),
        parameter_groups(teacher, config),
        [len(text) for text in texts],
        collate,
        _plan(config, seed),
        score=score,
        checkpoints=checkpoints,
        trainers=trainers,
    )
    teacher.head.requires_grad_(False)
    if trainers and not trainers.writes:  # the other process of a pair, which only trains
        return teacher
    return _with_logits(teacher, train_part)


def _with_logits(teacher: Teacher, part: Part) -> Teacher:
    """`teacher` with what it says of the training part."""
    said = teacher.logits((*part.texts, *part.out_of_scope), "Teacher labels the texts")
    count = len(part.texts)
    return replace(teacher, train_logits=said[:count], outside_logits=said[count:])


def _plan(config: TeacherConfig, seed: int) -> Plan:
    return Plan(
        what="Teacher learns",
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=seed,
        warmup=WARMUP,
        max_norm=MAX_NORM,
        patience=config.patience,
    )


class _Classification(nn.Module):
    """What fine-tuning minimises on one batch."""

    def __init__(self, teacher: Teacher, outside_weight: float) -> None:
        super().__init__()
        self.encoder, self.head = teacher.encoder, teacher.head
        self.length, self.knows_none = teacher.length, teacher.score == "margin"
        self.outside_weight = outside_weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        rows = features(self.encoder, input_ids, attention_mask, length=self.length)
        logits = self.head(rows)
        if self.knows_none:
            loss = label_loss(with_none(logits), label_none(labels, logits.shape[1]))
        else:
            loss = label_loss(logits, labels)
        if self.outside_weight:
            loss = loss + self.outside_weight * outside_loss(logits, labels == OUTSIDE)
        return loss


def parameter_groups(teacher: Teacher, config: TeacherConfig) -> list[dict[str, object]]:
    """Head, pooler, layers from the last to the first, embeddings: each slower than before."""
    encoder, rate = teacher.encoder, config.learning_rate
    head = [*teacher.head.parameters()]
    if encoder.pooler is not None:
        head += encoder.pooler.parameters()
    groups: list[dict[str, object]] = [{"params": head, "lr": config.head_learning_rate}]
    for block in (*reversed(encoder.encoder.layer), encoder.embeddings):
        groups.append({"params": [*block.parameters()], "lr": rate})
        rate *= config.layer_decay
    return groups


def _with_own_head(found: Teacher, names: tuple[str, ...], corpus: Corpus, folder: Path) -> Teacher:
    """`found`, its outputs put in the order of the corpus' labels."""
    names = _same_labels(names, corpus, folder)
    order = [names.index(label) for label in corpus.labels]
    head = linear_head(found.head.weight[order], found.head.bias[order])
    teacher = replace(found, head=head, labels=corpus.labels)
    return _with_logits(teacher, corpus.train)


def _same_labels(names: tuple[str, ...], corpus: Corpus, folder: Path) -> tuple[str, ...]:
    """The `names` of a head's outputs as the corpus spells them, if they are its labels."""
    names = tuple(normalize("NFC", name) for name in names)
    if twice := [name for name in names if names.count(name) > 1]:
        raise ModelError(
            f"{folder}: id2label in config.json has {twice[0]!r} twice. Name every output once."
        )
    extra, missing = sorted({*names} - {*corpus.labels}), sorted({*corpus.labels} - {*names})
    if extra or missing:
        example = f"{extra[0]!r} only the teacher has" if extra else f"it lacks {missing[0]!r}"
        raise ModelError(
            f"{folder}: the teacher's head has {len(names)} labels and the data "
            f"{len(corpus.labels)}; {example}. Name the labels in config.json (id2label) as "
            "the data does, or have a new head fitted with --new-head."
        )
    return names
