"""A fine-tuned Hugging Face classifier taken as it is, in place of a distilled student.

It trains nothing. What it hands on computes what `transformers` computes, or is refused.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..base.errors import ModelError
from .batches import run_batched
from .parts import ARCHITECTURES, open_whole
from .stock import AutoModelForSequenceClassification, opening
from .student import Student
from .tokenizer import check_ids_equal, read_object
from .vocabulary import PAD, Vocabulary
from .weights import check_one_label

CLOSE = 1e-4  # logits, relative to the largest where that is above 1
COMPARED = 64  # texts


def open_classifier(folder: Path, max_length: int) -> Student:
    """Open a stock classifier of one of `ARCHITECTURES` over WordPiece.

    Raises:
        ModelError: of another architecture or tokenizer, or without a head of several labels.
    """
    config = read_object(folder / "config.json")
    kind = ARCHITECTURES.get(str(config.get("model_type")))
    if kind is None or config.get("architectures") != [kind.__name__]:
        found = ", ".join(config.get("architectures") or []) or config.get("model_type")
        raise ModelError(
            f"{folder}: is a {found}, and package takes "
            f"{', '.join(kind.__name__ for kind in ARCHITECTURES.values())}. Others may teach: "
            "pocketbert run --teacher."
        )
    model, vocabulary = open_whole(kind, folder, max_length)
    check_one_label(folder, model.config)
    labels = tuple(str(model.config.id2label[i]) for i in range(model.config.num_labels))
    if len(set(labels)) != len(labels):
        raise ModelError(f"{folder}: id2label in config.json has a name twice. Name each once.")
    return with_vocabulary(Student(model, vocabulary, labels), vocabulary)


def with_vocabulary(student: Student, pruned: Vocabulary) -> Student:
    """`student` in place, its word table cut to the pieces of `pruned`."""
    rows = {piece: i for i, piece in enumerate(student.vocabulary.pieces)}
    table = student.model.get_input_embeddings().weight.detach()
    kept = table[[rows[piece] for piece in pruned.pieces]].clone()
    student.model.set_input_embeddings(nn.Embedding(kept.shape[0], kept.shape[1], _weight=kept))
    student.model.config.vocab_size = len(pruned)
    student.model.config.pad_token_id = pruned.pieces.index(PAD)
    return Student(student.model, pruned, student.labels)


def check_same(student: Student, folder: Path, texts: Sequence[str]) -> None:
    """Compare ids and logits of `student` with those of `transformers` on a sample of `texts`.

    Raises:
        ModelError: they differ.
    """
    vocabulary = student.vocabulary
    check_ids_equal(vocabulary, folder, texts)
    with opening():
        kind = AutoModelForSequenceClassification
        stock = kind.from_pretrained(folder, dtype=torch.float32).eval()
    some = texts[:: max(1, len(texts) // COMPARED)][:COMPARED]

    def forward(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = stock(input_ids=ids, attention_mask=mask).logits
        return logits

    expected = run_batched(forward, vocabulary, some)
    worst = float(np.abs(student.logits(some) - expected).max())
    if worst > CLOSE * max(1.0, float(np.abs(expected).max())):
        raise ModelError(
            f"{folder}: logits differ from those of transformers by {worst:.2g}, and {CLOSE:.0e} "
            "is allowed. Report this with the model's name."
        )
