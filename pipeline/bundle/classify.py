"""From a line of text to an answer, and what it cost. It prints nothing and parses no commands."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ..targets.base import Runner
from .open import Bundle

NO_REPLY = "(no reply is written for {intent})"


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
    """Tokenise, classify, apply temperature and threshold, choose a reply."""

    def __init__(
        self,
        bundle: Bundle,
        target: str,
        runner: Runner,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`clock` gives monotonic seconds."""
        self._bundle = bundle
        self._calibration = bundle.artifacts[target].calibration
        self._runner = runner
        self._clock = clock
        self._turns = Counter[str]()

    def answer(self, text: str) -> Answer:
        """Answer any text: empty, too long or of any script."""
        begun = self._clock()
        encoded = self._bundle.vocabulary.encode([text])
        tokenized = self._clock()
        logits = self._runner.logits(encoded.input_ids, encoded.attention_mask)[0]
        done = self._clock()
        best = int(logits.argmax())
        nearest = self._bundle.labels[best]
        tokens = int(encoded.attention_mask.sum())
        intent = nearest if self._calibration.understands(float(logits[best]), tokens) else None
        return Answer(
            reply=self._reply(intent or self._bundle.out_of_scope_label),
            intent=intent,
            nearest=nearest,
            confidence=float(self._calibration.probabilities(logits[None])[0, best]),
            tokenize_ms=(tokenized - begun) * 1e3,
            inference_ms=(done - tokenized) * 1e3,
        )

    def _reply(self, intent: str) -> str:
        """The intent's replies in turn."""
        replies = self._bundle.replies.get(intent) or (NO_REPLY.format(intent=intent),)
        turn = self._turns[intent]
        self._turns[intent] += 1
        return replies[turn % len(replies)]
