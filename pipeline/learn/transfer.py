"""The transfer set: every text that the student learns from, and what the teacher says of it.

Made once for a teacher and a corpus, kept on disk, and shared by all students. It trains nothing.
"""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor

from ..base.arrays import Logits
from ..base.files import write_json
from ..base.progress import track
from ..data.checks import text_key
from ..data.corpus import Corpus
from ..models.batches import batch_tensors
from ..models.calibration import fit_temperature
from ..models.teacher import Teacher
from .augment import nearest_words, reword
from .losses import OUTSIDE, UNLABELLED
from .shards import on_device, read_texts, source_of

NOTES, TEXTS = "notes.json", "texts.jsonl"  # one text a line
LABELS, LOGITS = "labels.safetensors", "logits.f32"  # the latter float32, row by row
HIDDEN, HIDDEN_BATCH = "hidden.safetensors", 32
SOFTENING = (0.5, 5.0)  # least and greatest temperature that distillation takes for honest


@dataclass(frozen=True)
class TransferSet:
    """Texts with the teacher's logits and what is known of their labels (Hinton et al. 2015)."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]  # (texts,): index, UNLABELLED or OUTSIDE
    logits: Logits  # (texts, labels)
    temperature: float  # that makes the teacher's confidence honest

    def save(self, folder: Path) -> None:
        """Write texts as JSON, a line each, labels as safetensors, logits as bare numbers."""
        notes = {"temperature": self.temperature, "shape": self.logits.shape}
        write_json(folder / NOTES, notes)
        with (folder / TEXTS).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in self.texts)
        save_file({"labels": self.labels}, folder / LABELS)
        if not (folder / LOGITS).exists():  # where they were made
            self.logits.tofile(folder / LOGITS)


def load_transfer_set(folder: Path) -> TransferSet:
    """Open what `TransferSet.save` wrote; logits, which may be gigabytes, stay on disk."""
    notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
    with (folder / TEXTS).open(encoding="utf-8", newline="\n") as file:
        texts = tuple(json.loads(line) for line in file)
    labels = load_file(folder / LABELS)["labels"]
    # "c": torch warns of arrays that can't be written to. The file stays as it is.
    logits = np.memmap(folder / LOGITS, np.float32, "c", shape=tuple(notes["shape"]))
    return TransferSet(texts, labels, logits, notes["temperature"])


def make_transfer_set(
    teacher: Teacher,
    corpus: Corpus,
    copies: int,
    seed: int = 0,
    *,
    folder: Path | None = None,
    kept: Path | None = None,
    into: Path | None = None,
) -> TransferSet:
    """Training texts, out-of-scope and unlabelled ones, and `copies` rewordings of each of these.

    A rewording that stands in the corpus is left out, in the validation and test parts above all.
    The teacher's logits of the training texts were made while it was fitted. The processes of a
    launcher all call this, and share the work.

    Args:
        teacher: says what the texts mean.
        corpus: texts.
        copies: rewordings of each text.
        seed: of the rewordings.
        folder: where workers find the same teacher; without it there are none.
        kept: a folder where what is done stays when this process is killed.
        into: a folder where the logits are written, and stay; without it they are in memory.
    """
    outside, validation = corpus.train.out_of_scope, corpus.validation
    known = corpus.taught
    table = teacher.encoder.embeddings.word_embeddings.weight
    neighbours = nearest_words(table, teacher.vocabulary, known) if copies else {}
    # Not for secrets: what is drawn follows from the seed.
    generator = random.Random(seed)  # noqa: S311
    reworded = reword(known, copies, neighbours, teacher.vocabulary, generator)
    made = tuple(text for text in reworded if text_key(text) not in corpus.keys)
    said = [teacher.train_logits]
    said += [teacher.outside_logits] if len(teacher.outside_logits) else []
    texts = (*known, *made)
    asked = texts[sum(map(len, said)) :]
    source = source_of(teacher, folder) if folder else None
    with on_device(*teacher.modules):
        what = "Teacher labels further texts"
        further = read_texts(teacher.logits, source, asked, what, kept=kept)
        logits = _joined(chain(said, further), (len(texts), len(teacher.labels)), into)
    unlabelled = len(corpus.unlabeled) + len(made)
    labels = (*corpus.train.labels, *[OUTSIDE] * len(outside), *[UNLABELLED] * unlabelled)
    judged = teacher.logits(validation.texts, "Teacher is calibrated")
    temperature = fit_temperature(judged, validation.labels)
    return TransferSet(
        texts,
        np.array(labels),
        logits,
        # Softened by little more than nothing, a student would learn from hard labels.
        float(np.clip(temperature, *SOFTENING)),
    )


def _joined(rows: Iterable[Logits], shape: tuple[int, int], into: Path | None) -> Logits:
    """All `rows` one after the other, in a file of the folder `into` if there is one."""
    if into is None:
        joined: Logits = np.empty(shape, np.float32)
    else:
        joined = np.memmap(into / LOGITS, np.float32, "w+", shape=shape)
    end = 0
    for some in rows:
        joined[end : end + len(some)] = some
        end += len(some)
    return joined


def save_hidden(teacher: Teacher, texts: Sequence[str], layer: int, folder: Path) -> None:
    """Write the teacher's hidden states after `layer` (0: the embeddings), fp16, token by token."""
    encoder, rows = teacher.encoder, list[Tensor]()
    starts = range(0, len(texts), HIDDEN_BATCH)
    with torch.inference_mode():
        for start in track(starts, f"Teacher's hidden states, layer {layer}"):
            ids, mask = batch_tensors(teacher.vocabulary, texts[start : start + HIDDEN_BATCH])
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
