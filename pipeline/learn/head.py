"""The linear head of a frozen teacher: logistic regression on features of one length.

Where out-of-scope texts are given, it is fitted with and without a class for them, and the one that
tells them apart better on validation is kept: with it on the built-in data, without on CLINC150.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold
from transformers import BertModel

from ..base.arrays import Logits
from ..base.progress import track
from ..data.corpus import Corpus
from ..models.batches import run_batched
from ..models.metrics import auroc
from ..models.teacher import Score, Teacher, linear_head, pooled
from ..models.vocabulary import Vocabulary

STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # inverse of the penalty, least first
FOLDS = 3  # every intent has as many training texts
SAMPLE = 4_000  # texts on which a strength is chosen
STEPS = 1_000


def fit_frozen(encoder: BertModel, vocabulary: Vocabulary, corpus: Corpus) -> Teacher:
    """A head for the labels of `corpus` on the frozen features of `encoder`."""

    def read(texts: tuple[str, ...], name: str) -> Logits:
        forward = lambda ids, mask: pooled(encoder, ids, mask)  # noqa: E731
        return run_batched(forward, vocabulary, texts, f"Teacher reads {name}")

    rows = read(corpus.train.texts, "training")
    length = float(np.linalg.norm(rows, axis=1).mean())
    train, labels = _unit(rows), np.array(corpus.train.labels)
    strength = _choose_strength(train, labels)
    score: Score = "highest"
    weight, bias = _fit(train, labels, strength)
    if corpus.train.out_of_scope and corpus.validation.out_of_scope:
        outside = _unit(read(corpus.train.out_of_scope, "out-of-scope training"))
        inside = _unit(read(corpus.validation.texts, "validation"))
        unseen = _unit(read(corpus.validation.out_of_scope, "out-of-scope validation"))
        other = _fit_with_none(train, labels, outside, strength)
        found = [auroc(inside @ w.T + b, unseen @ w.T + b) for w, b in ((weight, bias), other)]
        if found[1] >= found[0]:  # equal where few were given: it has seen what they are like
            score, (weight, bias) = "margin", other
    # What the head was fitted to has length 1, what it will read has the mean length.
    scaled = torch.from_numpy(weight / length).float()
    head = linear_head(scaled, torch.from_numpy(bias).float())
    logits = (train @ weight.T + bias).astype(np.float32)
    return Teacher(encoder, head, vocabulary, corpus.labels, logits, length=length, score=score)


def _unit(rows: Logits) -> Logits:
    unit: Logits = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def _choose_strength(rows: Logits, labels: NDArray[np.int64]) -> float:
    """The strength of least loss on texts that were left out, on a sample of `rows`."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    losses = dict.fromkeys(STRENGTHS, 0.0)
    seen = _sample(labels)
    rows, labels = rows[seen], labels[seen]
    divided = list(folds.split(rows, labels))
    for strength in track(STRENGTHS, "Teacher head"):
        for kept, left in divided:
            fit = LogisticRegression(C=strength, max_iter=STEPS).fit(rows[kept], labels[kept])
            shares = fit.predict_proba(rows[left])
            losses[strength] += float(log_loss(labels[left], shares, labels=fit.classes_))
    return min(losses, key=lambda strength: losses[strength])


def _sample(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of at most `SAMPLE` texts, as many of each label but for `FOLDS` of the rarest."""
    share = max(1, -(-len(labels) // SAMPLE))
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate([row if len(row) < FOLDS * share else row[::share] for row in rows])


def _fit(
    rows: Logits, labels: NDArray[np.int64], strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights (labels, hidden) and biases (labels,)."""
    fit = LogisticRegression(C=strength, max_iter=STEPS).fit(rows, labels)
    weight, bias = fit.coef_, fit.intercept_
    if len(fit.classes_) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _fit_with_none(
    rows: Logits, labels: NDArray[np.int64], outside: Logits, strength: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same with `outside` as one more class, whose logit is then taken off all others."""
    none = labels.max() + 1
    marked = np.concatenate([labels, np.full(len(outside), none)])
    weight, bias = _fit(np.concatenate([rows, outside]), marked, strength)
    return weight[:none] - weight[none], bias[:none] - bias[none]
