"""A classifier of any architecture, asked for logits alone: what a teacher may be beside a BERT.

A student can't be cut out of it, so its first weights come from another model, the donor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..base.arrays import Logits
from ..base.errors import ModelError
from ..base.progress import track
from .batches import SHARD
from .function import FunctionClassifier, is_function, open_function
from .stock import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, opening
from .tokenizer import read_object, read_tokenizer
from .weights import check_one_label, load_weights

BATCH = 32
LONGEST = 512  # tokens that it is given, where it does not say


@dataclass(frozen=True)
class OtherClassifier:
    """A stock classifier with its own tokenizer; `labels[i]` names output i."""

    model: PreTrainedModel
    tokenizer: Any
    labels: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """How many there are."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def logits(self, texts: Sequence[str], what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`; (0, 0) where there is none."""
        shards = [texts[start : start + SHARD] for start in range(0, len(texts), SHARD)]
        rows = [self._shard(shard) for shard in track(shards, what)]
        return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)

    @torch.inference_mode()
    def _shard(self, texts: Sequence[str]) -> Logits:
        length = _length(self.tokenizer, self.model.config)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows = np.empty((len(texts), len(self.labels)), np.float32)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            batch = self.tokenizer(
                [texts[i] for i in places],
                padding=True,
                truncation=True,
                max_length=length,
                return_tensors="pt",
            ).to(self.model.device)
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            rows[places] = self.model(**inputs).logits.float().cpu().numpy()
        return rows

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder: model and tokenizer."""
        folder.mkdir()
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def is_other(folder: Path) -> bool:
    """Whether the classifier in `folder` can teach, but no student can be cut out of it.

    That is one of another architecture than BERT, a BERT whose tokenizer no phone runs, or a
    function.
    """
    if is_function(folder):
        return True
    config = read_object(folder / "config.json")
    classifies = any(
        str(name).endswith("ForSequenceClassification")
        for name in config.get("architectures") or ()
    )
    if not classifies:
        return False
    if config.get("model_type") != "bert":
        return True
    try:
        read_tokenizer(folder, LONGEST)
    except ModelError:
        return True
    return False


def open_other(folder: Path) -> OtherClassifier | FunctionClassifier:
    """Open whatever `AutoModelForSequenceClassification` opens, with its own tokenizer.

    Raises:
        ModelError: unreadable, incomplete, or a head that does not choose one of several labels.
    """
    if is_function(folder):
        return open_function(folder)
    model = load_weights(AutoModelForSequenceClassification, folder)
    check_one_label(folder, model.config)
    try:
        with opening():
            tokenizer = AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # each tokenizer raises its own kinds
        raise ModelError(
            f"{folder}: its tokenizer cannot be opened ({str(error).splitlines()[0]}). "
            "Install what it needs, or save it again with save_pretrained."
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    names = tuple(str(model.config.id2label[i]) for i in range(model.config.num_labels))
    return OtherClassifier(model, tokenizer, names)


def _length(tokenizer: Any, config: Any) -> int:
    # RoBERTa counts positions from 2.
    positions = getattr(config, "max_position_embeddings", LONGEST) - 2
    return int(min(LONGEST, tokenizer.model_max_length, positions if positions > 0 else LONGEST))
