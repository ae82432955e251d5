"""The transfer set: every text that the student learns from, and what the teacher says of it.

Made once for a teacher and a corpus, kept on disk, and shared by all students. It trains nothing.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from pipeline.augment import nearest_words, reword
from pipeline.data import Corpus
from pipeline.files import write_json
from pipeline.inference import BATCH, Logits, batch_tensors
from pipeline.losses import OUTSIDE, UNLABELLED
from pipeline.progress import Track, silent
from pipeline.teacher import Teacher

HIDDEN = "hidden.safetensors"


@dataclass(frozen=True)
class TransferSet:
    """Texts with the teacher's logits and what is known of their labels (Hinton et al. 2015)."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]  # (texts,): index, UNLABELLED or OUTSIDE
    logits: Logits  # (texts, labels)

    def save(self, folder: Path) -> None:
        """Write the texts as JSON, the numbers as safetensors."""
        write_json(folder / "texts.json", self.texts)
        save_file({"labels": self.labels, "logits": self.logits}, folder / "outputs.safetensors")


def load_transfer_set(folder: Path) -> TransferSet:
    """Open what `TransferSet.save` wrote."""
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    return TransferSet(tuple(texts), **load_file(folder / "outputs.safetensors"))


def make_transfer_set(
    teacher: Teacher, corpus: Corpus, copies: int, seed: int = 0, track: Track = silent
) -> TransferSet:
    """Training texts, out-of-scope and unlabelled ones, and `copies` rewordings of each of these.

    The teacher's logits of the training texts were made while it was fitted.
    """
    outside = corpus.train.out_of_scope
    known = (*corpus.train.texts, *outside, *corpus.unlabeled)
    table = teacher.encoder.embeddings.word_embeddings.weight
    neighbours = nearest_words(table, teacher.vocabulary, known) if copies else {}
    # Not for secrets: what is drawn follows from the seed.
    made = reword(known, copies, neighbours, random.Random(seed))  # noqa: S311
    asked = (*outside, *corpus.unlabeled, *made)
    said = [teacher.train_logits]
    if asked:
        said.append(teacher.logits(asked, track, "Teacher labels further texts"))
    unlabelled = len(asked) - len(outside)
    labels = (*corpus.train.labels, *[OUTSIDE] * len(outside), *[UNLABELLED] * unlabelled)
    return TransferSet((*known, *made), np.array(labels), np.concatenate(said))


def save_hidden(
    teacher: Teacher, texts: Sequence[str], layer: int, folder: Path, track: Track = silent
) -> None:
    """Write the teacher's hidden states after `layer` (0: the embeddings), fp16, token by token."""
    encoder, rows = teacher.encoder, list[Tensor]()
    starts = range(0, len(texts), BATCH)
    with torch.inference_mode():
        for start in track(starts, f"Teacher's hidden states, layer {layer}"):
            ids, mask = batch_tensors(teacher.vocabulary, texts[start : start + BATCH])
            every = encoder(
                input_ids=ids, attention_mask=mask, output_hidden_states=True
            ).hidden_states
            rows += [
                state[: int(length)].half()
                for state, length in zip(every[layer], mask.sum(1), strict=True)
            ]
    ends = np.cumsum([len(row) for row in rows])
    save_file({"hidden": torch.cat(rows).numpy(), "ends": ends}, folder / HIDDEN)


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of every text after one layer of the teacher, as `save_hidden` wrote them."""

    hidden: NDArray[np.float16]  # (tokens of all texts, hidden)
    ends: NDArray[np.int64]  # (texts,): where each text's tokens end

    def padded(self, rows: Sequence[int], length: int) -> Tensor:
        """Those of `rows`, (rows, length, hidden) float32, zero beyond a text's end."""
        out = np.zeros((len(rows), length, self.hidden.shape[1]), np.float32)
        for i, row in enumerate(rows):
            states = self.hidden[self.ends[row - 1] if row else 0 : self.ends[row]]
            out[i, : len(states)] = states[:length]
        return torch.from_numpy(out)


def load_hidden(folder: Path) -> HiddenStates:
    """Open what `save_hidden` wrote."""
    return HiddenStates(**load_file(folder / HIDDEN))
