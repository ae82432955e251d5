"""The BERT that the student learns from: opened, asked for logits, saved.

It is fitted to the labels in `learn.fit`, and knows nothing of students.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..base.arrays import Logits
from ..base.files import write_json
from .batches import run_batched
from .calibration import Score
from .function import LABELS, FunctionClassifier
from .other import OtherClassifier, open_other
from .stock import BertModel, opening
from .tokenizer import PIECES, read_object, save_tokenizer
from .vocabulary import Vocabulary, read_vocabulary

NOTES = "teacher.json"
WEIGHTS = "model.safetensors"
SAID = ("train_logits", "outside_logits")  # kept in the file of the head
OTHER = "other"  # folder of a classifier that is no BERT, below that of the donor


@dataclass(frozen=True)
class Teacher:
    """A BERT encoder with a linear head.

    The head reads the pooled [CLS] row where the encoder has a pooler, as stock classifiers do,
    and the mean of the last hidden states where it has none. Where a classifier of another kind
    teaches, this is the donor of the student's first weights, and `other` answers.

    A teacher of score "margin" has one more class, of texts that belong to no intent. Its logit is
    0 for every text and not among the outputs: a softmax is free up to a shift.
    """

    encoder: BertModel
    head: nn.Linear  # (labels, hidden)
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    train_logits: Logits  # (training texts, labels), in the corpus' order; made while fitting
    length: float | None = None  # to which features are scaled; None: they stay as they are
    score: Score = "highest"
    # Who answers in its place, where that is no BERT.
    other: OtherClassifier | FunctionClassifier | None = None
    # Of the out-of-scope training texts, where there are any: made while fitting.
    outside_logits: Logits = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, labels)."""
        logits: Tensor = self.head(
            features(self.encoder, input_ids, attention_mask, length=self.length)
        )
        return logits

    def logits(self, texts: Sequence[str], what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`."""
        if self.other:
            order = [self.other.labels.index(label) for label in self.labels]
            rows = self.other.logits(texts, what)
            return np.ascontiguousarray(rows[:, order]) if len(texts) else rows
        return run_batched(self.forward, self.vocabulary, texts, what, device=self.encoder.device)

    @property
    def parameters(self) -> int:
        """How many there are, the head's among them."""
        if self.other:
            return self.other.parameters
        return sum(p.numel() for module in self.modules for p in module.parameters())

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """What computes its logits; of a function nothing is known."""
        if isinstance(self.other, FunctionClassifier):
            return ()
        return (self.other.model,) if self.other else (self.encoder, self.head)

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder of the encoder, with `head.safetensors` beside it."""
        self.encoder.save_pretrained(folder)
        save_tokenizer(self.vocabulary, folder)
        said = {name: torch.from_numpy(getattr(self, name)) for name in SAID}
        save_file({**self.head.state_dict(), **said}, folder / "head.safetensors")
        notes = {
            "labels": self.labels,
            "pooling": "mean" if self.encoder.pooler is None else "cls",
            "tokenizer": self.vocabulary.settings,
            "length": self.length,
            "score": self.score,
        }
        write_json(folder / NOTES, notes)
        if self.other:
            self.other.save(folder / OTHER)


def weights_file(folder: Path) -> Path:
    """What answers, in a folder that `Teacher.save` wrote: weights, or what stands for them."""
    others = (folder / OTHER / name for name in (WEIGHTS, LABELS))
    return next((file for file in others if file.exists()), folder / WEIGHTS)


def pooled(encoder: BertModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """What a head reads, (batch, hidden): pooled [CLS] row, or mean over the unmasked tokens."""
    out = encoder(input_ids=input_ids, attention_mask=attention_mask)
    if encoder.pooler is not None:
        first: Tensor = out.pooler_output
        return first
    mask = attention_mask.unsqueeze(-1).to(out.last_hidden_state.dtype)
    mean: Tensor = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    return mean


def features(
    encoder: BertModel, input_ids: Tensor, attention_mask: Tensor, *, length: float | None
) -> Tensor:
    """`pooled`, scaled to `length` (batch, hidden): how long a feature is carries no meaning."""
    rows = pooled(encoder, input_ids, attention_mask)
    return rows if length is None else length * nn.functional.normalize(rows)


def read_score(folder: Path) -> Score:
    """What the highest logit of the teacher in `folder`, and of its students, tells."""
    score: Score = read_object(folder / NOTES).get("score", "highest")
    return score


@opening()
def load_teacher(folder: Path, max_length: int) -> Teacher:
    """Open what `Teacher.save` wrote."""
    notes = read_object(folder / NOTES)
    vocabulary = read_vocabulary(folder / PIECES, max_length=max_length, **notes["tokenizer"])
    pooler = notes["pooling"] == "cls"
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=pooler).eval()
    state = load_file(folder / "head.safetensors")
    # Absent from teachers that were saved before out-of-scope texts were kept.
    said = {name: state.pop(name, torch.empty(0, 0)).numpy() for name in SAID}
    head = linear_head(state["weight"], state["bias"])
    other = open_other(folder / OTHER) if (folder / OTHER).exists() else None
    return Teacher(
        encoder,
        head,
        vocabulary,
        tuple(notes["labels"]),
        **said,
        length=notes.get("length"),  # of teachers saved before features had one length
        score=read_score(folder),
        other=other,
    )


def linear_head(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A frozen linear map of the given weights."""
    outputs, inputs = weight.shape
    head = nn.Linear(inputs, outputs).requires_grad_(False)
    head.weight.copy_(weight)
    head.bias.copy_(bias)
    return head
