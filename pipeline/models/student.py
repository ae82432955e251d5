"""The student: a classifier over a [CLS] row, opened, run, saved. It knows nothing of training.

It is a stock `BertForSequenceClassification`, or one of the others that a phone may run:
`from_pretrained` opens it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..base.arrays import Logits
from ..base.errors import ModelError
from .batches import run_batched
from .parts import ARCHITECTURES
from .stock import PreTrainedModel, opening
from .tokenizer import OPTIONS, read_object, read_tokenizer, save_tokenizer
from .vocabulary import Vocabulary

FACTORS = "embedding_factors.safetensors"


class FactorizedEmbedding(nn.Module):
    """A word table of few columns, widened by a matrix (Lan et al. 2020, ALBERT).

    It stands where a stock model has its word table, whose `weight` it computes.
    """

    def __init__(self, table: Tensor, widen: Tensor) -> None:
        """From `table` (pieces, columns) and the weights of `widen` (hidden, columns)."""
        super().__init__()
        self.table = nn.Embedding(*table.shape)
        self.widen = nn.Linear(widen.shape[1], widen.shape[0], bias=False)
        with torch.no_grad():
            self.table.weight.copy_(table)
            self.widen.weight.copy_(widen)

    @property
    def weight(self) -> Tensor:
        """The word table (pieces, hidden) that the factors stand for."""
        product: Tensor = self.table.weight @ self.widen.weight.T
        return product

    def forward(self, input_ids: Tensor) -> Tensor:
        """Word embeddings (batch, sequence, hidden)."""
        widened: Tensor = self.widen(self.table(input_ids))
        return widened


@dataclass(frozen=True)
class Student:
    """A BERT classifier with its vocabulary; `labels[i]` names output i."""

    model: PreTrainedModel
    vocabulary: Vocabulary
    labels: tuple[str, ...]

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, labels)."""
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits

    def logits(self, texts: Sequence[str], what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`."""
        return run_batched(self.forward, self.vocabulary, texts, what)

    @property
    def parameters(self) -> int:
        """How many there are; of a factorised embedding its factors, as the artefacts store it."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @classmethod
    def from_pretrained(cls, folder: str | PathLike[str]) -> "Student":
        """Open the student in `folder`, as `save_pretrained` or a run wrote it.

        Raises:
            ModelError: a file is missing or damaged.
        """
        return load_student(Path(folder))

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """As `save`, into a folder that is made where there is none."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.save(Path(folder))

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder that stock `from_pretrained` opens: model and tokenizer.

        Of a factorised embedding the product stands there, and the factors in a file beside it.
        """
        words, state = self.model.get_input_embeddings(), self.model.state_dict()
        if isinstance(words, FactorizedEmbedding):
            name = "bert.embeddings.word_embeddings."
            factors = {"table": words.table.weight, "widen": words.widen.weight}
            save_file({key: value.detach() for key, value in factors.items()}, folder / FACTORS)
            state = {key: value for key, value in state.items() if not key.startswith(name)}
            state[f"{name}weight"] = words.weight.detach()
        self.model.save_pretrained(folder, state_dict=state)
        save_tokenizer(self.vocabulary, folder)


@opening()
def load_student(folder: Path) -> Student:
    """Open what `Student.save` wrote.

    Raises:
        ModelError: a file is missing or damaged.
    """
    try:
        kind = ARCHITECTURES[read_object(folder / "config.json")["model_type"]]
        model = kind.from_pretrained(folder, use_safetensors=True).eval()
        labels = tuple(model.config.id2label[i] for i in range(model.config.num_labels))
        vocabulary = read_tokenizer(folder, read_object(folder / OPTIONS)["model_max_length"])
        if (folder / FACTORS).exists():
            factors = FactorizedEmbedding(**load_file(folder / FACTORS))
            model.set_input_embeddings(factors)
    except Exception as error:  # transformers, safetensors and torch each raise their own
        raise ModelError(f"{folder}: not a readable model ({error}). Run again.") from error
    return Student(model, vocabulary, labels)
