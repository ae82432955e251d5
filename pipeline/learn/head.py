"""The linear head of a frozen teacher: logistic regression on features of one length.

Where out-of-scope texts are given, it is fitted with and without a class for them, and the one that
tells them apart better on validation is kept: with it on the built-in data, without on CLINC150.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from ..base.arrays import Logits
from ..base.progress import step
from ..data.corpus import Corpus, sample_rows
from ..models.calibration import Score, loss_at_best
from ..models.metrics import auroc
from ..models.stock import BertModel
from ..models.teacher import Teacher, linear_head
from ..models.vocabulary import Vocabulary
from .shards import Source, concatenated, features_of, on_device, read_texts

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # inverse of the penalty
FIRST = 10.0  # the one that is tried first
STEPS = 1_000
SAMPLE = 20_000  # texts, about, on which the penalty is chosen; the head is fitted to all
Linear = tuple[NDArray[np.float64], NDArray[np.float64]]  # weights (labels, hidden), biases


def fit_frozen(
    encoder: BertModel, vocabulary: Vocabulary, corpus: Corpus, folder: Path | None = None
) -> Teacher:
    """A head for the labels of `corpus` on the frozen features of `encoder`.

    Workers open the same encoder in `folder`; without it there are none.
    """
    heeds_outside = corpus.train.out_of_scope and corpus.validation.out_of_scope
    parts = [part.texts for part in (corpus.train, corpus.validation)]
    parts += [p.out_of_scope for p in (corpus.train, corpus.validation) if heeds_outside]
    rows, inside, *others = _read(encoder, vocabulary, parts, folder)
    length = float(np.linalg.norm(rows, axis=1).mean())
    train, inside, labels = _unit(rows), _unit(inside), np.array(corpus.train.labels)
    score: Score = "highest"
    head = _choose(train, labels, inside, corpus.validation.labels)
    outside, unseen = map(_unit, others) if heeds_outside else (rows[:0], rows[:0])
    if heeds_outside:
        other = _choose(train, labels, inside, corpus.validation.labels, outside)
        found = [auroc(_apply(one, inside), _apply(one, unseen)) for one in (head, other)]
        if found[1] >= found[0]:  # equal where few were given: it has seen what they are like
            score, head = "margin", other
    weight, bias = head
    # What the head was fitted to has length 1, what it will read has the mean length.
    scaled = torch.from_numpy(weight / length).float()
    fitted = linear_head(scaled, torch.from_numpy(bias).float())
    return Teacher(
        encoder,
        fitted,
        vocabulary,
        corpus.labels,
        _apply(head, train),
        length=length,
        score=score,
        outside_logits=_apply(head, outside),
    )


def _read(
    encoder: BertModel,
    vocabulary: Vocabulary,
    parts: Sequence[tuple[str, ...]],
    folder: Path | None,
) -> list[Logits]:
    """Features of the texts of each part."""
    source = Source("features", str(folder), vocabulary.max_length) if folder else None
    texts = tuple(text for part in parts for text in part)
    with on_device(encoder):
        rows = concatenated(
            read_texts(features_of(encoder, vocabulary), source, texts, "Teacher reads the texts")
        )
    return np.split(rows, np.cumsum([len(part) for part in parts])[:-1])


def _unit(rows: Logits) -> Logits:
    unit: Logits = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _apply(head: Linear, rows: Logits) -> Logits:
    logits: Logits = (rows @ head[0].T + head[1]).astype(np.float32)
    return logits


def _choose(
    rows: Logits,
    labels: NDArray[np.int64],
    validation: Logits,
    wanted: tuple[int, ...],
    outside: Logits | None = None,
) -> Linear:
    """The head whose penalty does best on `validation`, at its own best temperature.

    Not by cross-validation: training texts are often variations of each other, so that those left
    out ask for hardly any penalty (100 on the built-in data, 1.2 points below 10 on its test part).
    """
    seen = sample_rows(labels, SAMPLE)
    heads = dict[float, Linear]()

    def loss(strength: float) -> float:
        if strength not in heads:
            what = f"Teacher head{', out of scope a class' if outside is not None else ''}"
            with step(f"{what}, penalty 1/{strength:g}"):
                heads[strength] = _fit(rows[seen], labels[seen], strength, outside)
        return loss_at_best(_apply(heads[strength], validation), wanted)

    best = _descend(loss)
    return heads[best] if len(seen) == len(rows) else _fit(rows, labels, best, outside)


def _descend(loss: Callable[[float], float]) -> float:
    """The strength from which neither neighbour leads to less `loss`.

    Three or four heads are fitted and not all seven: with many labels each takes minutes.
    """
    place = STRENGTHS.index(FIRST)
    while True:
        around = range(max(0, place - 1), min(place + 2, len(STRENGTHS)))
        best = min(around, key=lambda i: loss(STRENGTHS[i]))
        if best == place:
            return STRENGTHS[place]
        place = best


def _fit(
    rows: Logits, labels: NDArray[np.int64], strength: float, outside: Logits | None = None
) -> Linear:
    """Weights and biases; `outside` is one more class, whose logit is taken off all others."""
    if outside is not None:
        none = labels.max() + 1
        marked = np.concatenate([labels, np.full(len(outside), none)])
        weight, bias = _fit(np.concatenate([rows, outside]), marked, strength)
        return weight[:none] - weight[none], bias[:none] - bias[none]
    fit = LogisticRegression(C=strength, max_iter=STEPS).fit(rows, labels)
    weight, bias = fit.coef_, fit.intercept_
    if len(fit.classes_) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
