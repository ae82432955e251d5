"""The BERT that the student learns from: fitted to the labels, asked for logits.

Two grades of fit: a linear head on frozen, mean-pooled features (seconds; good where the encoder
is a sentence encoder), and full fine-tuning. It knows nothing of students.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from transformers import BertForSequenceClassification, BertModel

from ..learn.checkpoint import Checkpoints
from ..base.config import TeacherConfig
from ..data.corpus import Corpus, Part
from .encoders import load_encoder, locate, read_json
from ..base.errors import ModelError
from .metrics import accuracy
from ..base.files import write_json
from .batches import Logits, batch_tensors, run_batched
from ..learn.losses import OUTSIDE, label_loss, outside_loss
from ..base.progress import Track, silent
from ..learn.loop import Batch, Plan, train
from .vocabulary import Vocabulary, read_vocabulary

NOTES = "teacher.json"
WARMUP = 0.1  # share of the steps
MAX_NORM = 1.0  # of gradients


@dataclass(frozen=True)
class Teacher:
    """A BERT encoder with a linear head.

    The head reads the pooled [CLS] row where the encoder has a pooler, as stock classifiers do,
    and the mean of the last hidden states where it has none.
    """

    encoder: BertModel
    head: nn.Linear  # (labels, hidden)
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    train_logits: Logits  # (training texts, labels), in the corpus' order; made while fitting

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, labels)."""
        logits: Tensor = self.head(pooled(self.encoder, input_ids, attention_mask))
        return logits

    def logits(self, texts: Sequence[str], track: Track = silent, what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`."""
        return run_batched(
            self.forward, self.vocabulary, texts, track, what, device=self.encoder.device
        )

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder of the encoder, with `head.safetensors` beside it."""
        self.encoder.save_pretrained(folder)
        self.vocabulary.save(folder)
        made = {**self.head.state_dict(), "train_logits": torch.from_numpy(self.train_logits)}
        save_file(made, folder / "head.safetensors")
        notes = {
            "labels": self.labels,
            "pooling": "mean" if self.encoder.pooler is None else "cls",
            "lowercase": self.vocabulary.lowercase,
        }
        write_json(folder / NOTES, notes)


def pooled(encoder: BertModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What a head reads, (batch, hidden): pooled [CLS] row, or mean over the unmasked tokens."""
    out = encoder(input_ids=input_ids, attention_mask=attention_mask)
    if encoder.pooler is not None:
        first: Tensor = out.pooler_output
        return first
    mask = attention_mask.unsqueeze(-1).to(out.last_hidden_state.dtype)
    mean: Tensor = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    return mean


def load_teacher(folder: Path, max_length: int) -> Teacher:
    """Open what `Teacher.save` wrote."""
    notes = read_json(folder / NOTES)
    vocabulary = read_vocabulary(
        folder / "vocab.txt", lowercase=notes["lowercase"], max_length=max_length
    )
    pooler = notes["pooling"] == "cls"
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=pooler).eval()
    state = load_file(folder / "head.safetensors")
    train_logits = state.pop("train_logits").numpy()
    head = _linear(state["weight"], state["bias"])
    return Teacher(encoder, head, vocabulary, tuple(notes["labels"]), train_logits)


def fit_head(
    config: TeacherConfig, corpus: Corpus, max_length: int, track: Track = silent
) -> Teacher:
    """Load the encoder that `config` names, with a head for the labels of `corpus`.

    A folder that brings a head of its own, be it a stock `BertForSequenceClassification` or a
    teacher saved here, keeps it; else one is fitted on the frozen features of the encoder.

    Raises:
        ModelError: the encoder is missing, damaged or no BERT, or its head has other labels.
    """
    folder = locate(config.source)
    encoder, vocabulary = load_encoder(folder, max_length)
    if (folder / NOTES).exists():
        found = load_teacher(folder, max_length)
        return _with_own_head(found, found.labels, corpus, folder, track)
    if read_json(folder / "config.json").get("architectures") == ["BertForSequenceClassification"]:
        model = BertForSequenceClassification.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32
        ).eval()
        head = _linear(model.classifier.weight.detach(), model.classifier.bias.detach())
        names = tuple(model.config.id2label[i] for i in range(model.config.num_labels))
        found = Teacher(model.bert, head, vocabulary, names, np.empty((0, 0), np.float32))
        return _with_own_head(found, names, corpus, folder, track)
    return _fit_frozen(encoder, vocabulary, corpus, track)


def fine_tune(
    teacher: Teacher,
    corpus: Corpus,
    config: TeacherConfig,
    *,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    track: Track = silent,
) -> Teacher:
    """Train encoder and head together, in place; the epoch that is best on validation is kept.

    Each layer learns more slowly than the one above it (discriminative learning rates, Howard and
    Ruder 2018), after a warm-up; it stops when validation accuracy no longer rises.

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
        ModelError: a checkpoint of other settings.
    """
    train_part, validation = corpus.train, corpus.validation
    outside = train_part.out_of_scope if config.outside_weight else ()
    texts = (*train_part.texts, *outside)
    labels = torch.tensor((*train_part.labels, *[OUTSIDE] * len(outside)))

    def collate(rows: list[int]) -> Batch:
        ids, mask = batch_tensors(teacher.vocabulary, [texts[row] for row in rows])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels[rows]}

    def score() -> float:
        return accuracy(teacher.logits(validation.texts), validation.labels)

    plan = Plan(
        what="Teacher learns",
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=seed,
        warmup=WARMUP,
        max_norm=MAX_NORM,
        patience=config.patience,
    )
    teacher.head.requires_grad_(True)
    train(
        _Classification(teacher, config.outside_weight),
        parameter_groups(teacher, config),
        [len(text) for text in texts],
        collate,
        plan,
        score=score,
        checkpoints=checkpoints,
        track=track,
    )
    teacher.head.requires_grad_(False)
    said = teacher.logits(train_part.texts, track, "Teacher labels the texts")
    return replace(teacher, train_logits=said)


class _Classification(nn.Module):
    """What fine-tuning minimises on one batch."""

    def __init__(self, teacher: Teacher, outside_weight: float) -> None:
        super().__init__()
        self.encoder, self.head = teacher.encoder, teacher.head
        self.outside_weight = outside_weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        logits = self.head(pooled(self.encoder, input_ids, attention_mask))
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


def _with_own_head(
    found: Teacher, names: tuple[str, ...], corpus: Corpus, folder: Path, track: Track
) -> Teacher:
    """`found`, its outputs put in the order of the corpus' labels."""
    extra, missing = sorted({*names} - {*corpus.labels}), sorted({*corpus.labels} - {*names})
    if extra or missing:
        example = f"{extra[0]!r} only the teacher has" if extra else f"it lacks {missing[0]!r}"
        raise ModelError(
            f"{folder}: the teacher's head has {len(names)} labels and the data "
            f"{len(corpus.labels)}; {example}. Name the labels in config.json (id2label) as "
            "the data does, or give the encoder without its head."
        )
    order = [names.index(label) for label in corpus.labels]
    head = _linear(found.head.weight[order], found.head.bias[order])
    teacher = replace(found, head=head, labels=corpus.labels)
    said = teacher.logits(corpus.train.texts, track, "Teacher labels the texts")
    return replace(teacher, train_logits=said)


def _fit_frozen(
    encoder: BertModel, vocabulary: Vocabulary, corpus: Corpus, track: Track
) -> Teacher:
    """Multinomial logistic regression on frozen features; its strength chosen on validation."""

    def features(part: Part, name: str) -> Logits:
        forward = lambda ids, mask: pooled(encoder, ids, mask)  # noqa: E731
        return run_batched(forward, vocabulary, part.texts, track, f"Teacher reads {name}")

    train, validation = (
        features(corpus.train, "training"),
        features(corpus.validation, "validation"),
    )
    fits = [
        LogisticRegression(C=strength, max_iter=1000).fit(train, corpus.train.labels)
        for strength in track((1.0, 3.0, 10.0), "Teacher head")
    ]
    best = max(fits, key=lambda fit: fit.score(validation, corpus.validation.labels))
    weight, bias = best.coef_, best.intercept_
    if len(corpus.labels) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    head = _linear(torch.from_numpy(weight).float(), torch.from_numpy(bias).float())
    train_logits = head(torch.from_numpy(train)).numpy()
    return Teacher(encoder, head, vocabulary, corpus.labels, train_logits)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A frozen linear map of the given weights."""
    outputs, inputs = weight.shape
    head = nn.Linear(inputs, outputs).requires_grad_(False)
    head.weight.copy_(weight)
    head.bias.copy_(bias)
    return head
