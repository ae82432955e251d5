"""From text to a label, and from a label to a reply. It prints nothing and parses no commands."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, overload

import numpy as np

from ..base.arrays import Logits
from ..targets.base import Runner

if TYPE_CHECKING:
    from .open import Bundle

NO_REPLY = "(no reply is written for {intent})"


@dataclass(frozen=True)
class Prediction:
    """What an artefact makes of one text."""

    label: str  # the most likely one, understood or not
    score: float  # its probability, after temperature
    understood: bool  # False where the text counts as out of scope
    scores: Mapping[str, float]  # the most likely labels with their probabilities, falling


@dataclass(frozen=True)
class _Reading:
    """Logits of some texts, and what they cost."""

    logits: Logits  # (texts, labels)
    tokens: tuple[int, ...]  # of each text
    tokenize_ms: float
    inference_ms: float


class Classifier:
    """Texts in, predictions out, by one artefact of a bundle.

    Threads may share a classifier: a lock lets one batch at a time into the runtime.
    """

    def __init__(
        self,
        bundle: "Bundle",
        runtime: str,
        runner: Runner,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`runtime` is the artefact that `runner` runs; `clock` gives monotonic seconds."""
        self.bundle, self.runtime, self.engine = bundle, runtime, runner.engine
        self._calibration = bundle.artifacts[runtime].calibration
        self._runner, self._clock = runner, clock
        self._lock = Lock()

    @property
    def labels(self) -> tuple[str, ...]:
        """Every label that a prediction can have."""
        return self.bundle.labels

    @overload
    def __call__(self, texts: str, top_k: int = 1) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def __call__(self, texts: Sequence[str], top_k: int = 1) -> list[Prediction]: ...

    def __call__(self, texts: str | Sequence[str], top_k: int = 1) -> Prediction | list[Prediction]:
        """Classify one text or several: empty, too long or of any script.

        Args:
            texts: one text gives one prediction, a sequence gives a list.
            top_k: how many labels `scores` names.

        Raises:
            ValueError: `top_k` is less than 1.
        """
        if top_k < 1:
            raise ValueError(f"top_k is {top_k}; ask for at least 1 label")
        if isinstance(texts, str):
            return self._predictions(self._read([texts]), top_k)[0]
        return self._predictions(self._read(texts), top_k) if len(texts) else []

    def timed(self, text: str) -> tuple[Prediction, float, float]:
        """The prediction, and the milliseconds that tokenisation and inference took."""
        read = self._read([text])
        return self._predictions(read, 1)[0], read.tokenize_ms, read.inference_ms

    def _read(self, texts: Sequence[str]) -> _Reading:
        begun = self._clock()
        encoded = self.bundle.vocabulary.encode(texts)
        tokenized = self._clock()
        with self._lock:
            logits = self._runner.logits(encoded.input_ids, encoded.attention_mask)
        done = self._clock()
        return _Reading(
            logits,
            tuple(encoded.attention_mask.sum(1).tolist()),
            tokenize_ms=(tokenized - begun) * 1e3,
            inference_ms=(done - tokenized) * 1e3,
        )

    def _predictions(self, read: _Reading, top_k: int) -> list[Prediction]:
        shares = self._calibration.probabilities(read.logits)
        ranked = np.argsort(-read.logits, axis=1, kind="stable")[:, :top_k]
        return [
            Prediction(
                label=self.labels[best[0]],
                score=float(shares[row, best[0]]),
                understood=self._calibration.understands(float(read.logits[row].max()), tokens),
                scores={self.labels[i]: float(shares[row, i]) for i in best},
            )
            for row, (best, tokens) in enumerate(zip(ranked, read.tokens, strict=True))
        ]


@dataclass(frozen=True)
class Answer:
    """One answer; `intent` is None where the text was not understood."""

    reply: str
    intent: str | None
    nearest: str  # the most likely intent, understood or not
    confidence: float  # its probability, after temperature
    tokenize_ms: float
    inference_ms: float


class ChatEngine:
    """A classifier that replies. Threads may share it, and then share the turns of replies."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._turns = Counter[str]()
        self._lock = Lock()

    def answer(self, text: str) -> Answer:
        """Answer any text: empty, too long or of any script."""
        found, tokenize_ms, inference_ms = self._classifier.timed(text)
        intent = found.label if found.understood else None
        return Answer(
            reply=self._reply(intent or self._classifier.bundle.out_of_scope_label),
            intent=intent,
            nearest=found.label,
            confidence=found.score,
            tokenize_ms=tokenize_ms,
            inference_ms=inference_ms,
        )

    def _reply(self, intent: str) -> str:
        """The intent's replies in turn."""
        replies = self._classifier.bundle.replies.get(intent) or (NO_REPLY.format(intent=intent),)
        with self._lock:
            turn = self._turns[intent]
            self._turns[intent] += 1
        return replies[turn % len(replies)]
