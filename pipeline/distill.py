"""The losses and the training loop. It knows nothing of quantization or formats."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import get_linear_schedule_with_warmup

from pipeline.config import DistillConfig, StudentSpec
from pipeline.data import Corpus
from pipeline.errors import PipelineError
from pipeline.inference import batch_tensors
from pipeline.progress import Track, silent
from pipeline.student import Student, cut_student
from pipeline.teacher import Teacher
from pipeline.vocabulary import MASK, SPECIAL, Vocabulary

IGNORED = -100  # label index of texts that have none
AVERAGED_SHARE = 0.1  # of the steps, over which the kept weights are an average


def soft_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the softened outputs, scaled by the temperature squared (Hinton et al. 2015).

    `student` and `teacher` are logits (batch, labels).
    """
    return (
        nn.functional.kl_div(
            (student / temperature).log_softmax(-1),
            (teacher / temperature).log_softmax(-1),
            reduction="batchmean",
            log_target=True,
        )
        * temperature**2
    )


def reword(texts: Sequence[str], copies: int, generator: random.Random) -> tuple[str, ...]:
    """`copies` variants of each text: a few words dropped, or the half of another text appended.

    What they mean is left to the teacher, whose logits label them.
    """

    def variant(text: str) -> str:
        words = text.split()
        if generator.random() < 0.5:
            kept = [word for word in words if generator.random() > 0.2]
            return " ".join(kept or words)
        other = generator.choice(texts).split()
        cut, start = generator.randint(1, len(words)), generator.randint(0, len(other) - 1)
        return " ".join(words[:cut] + other[start:])

    return tuple(variant(text) for text in texts for _ in range(copies))


def hide_words(input_ids: Tensor, vocabulary: Vocabulary, share: float) -> Tensor:
    """Replace a random `share` of the word pieces (batch, sequence) by [MASK].

    The teacher's logits are those of the whole text, so the student learns not to lean on any one
    word, as word dropout does (Iyyer et al. 2015).
    """
    special = torch.tensor([vocabulary.pieces.index(piece) for piece in SPECIAL])
    hidden = (torch.rand(input_ids.shape) < share) & ~torch.isin(input_ids, special)
    return input_ids.masked_fill(hidden, vocabulary.pieces.index(MASK))


def distill(
    teacher: Teacher,
    corpus: Corpus,
    spec: StudentSpec,
    config: DistillConfig,
    seed: int = 0,
    track: Track = silent,
) -> Student:
    """Train the student `spec` describes to reproduce `teacher` on `corpus`.

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
    """
    torch.manual_seed(seed)
    student = cut_student(teacher, corpus.train.texts, spec)
    made = reword(corpus.train.texts, config.augment, random.Random(seed))  # noqa: S311  not for secrets
    texts, soft = corpus.train.texts, torch.from_numpy(teacher.train_logits)
    if made:
        more = teacher.logits(made, track, "Teacher labels reworded texts")
        texts, soft = texts + made, torch.cat([soft, torch.from_numpy(more)])
    # Reworded texts have no label of their own: cross-entropy ignores them.
    hard = torch.tensor(corpus.train.labels + (IGNORED,) * len(made))
    _train(student, texts, soft, hard, config, track)
    return student


def _train(
    student: Student,
    texts: Sequence[str],
    soft: Tensor,
    hard: Tensor,
    config: DistillConfig,
    track: Track,
) -> None:
    """Train `student` in place on logits `soft` (texts, labels) and label indices `hard`.

    It keeps an exponential average of its weights, which is less noisy than the last step's
    (Polyak and Juditsky 1992).
    """
    optimizer = torch.optim.AdamW(_parameter_groups(student, config))
    batches = _similar_lengths(student, texts, config.batch_size)
    steps = [batch for _ in range(config.epochs) for batch in _shuffled(batches)]
    schedule = get_linear_schedule_with_warmup(optimizer, len(steps) // 20, len(steps))
    decay = 1 - 1 / max(1.0, AVERAGED_SHARE * len(steps))
    moving = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(student.model, multi_avg_fn=moving)
    student.model.train()
    for step, (rows, input_ids, attention_mask) in enumerate(track(steps, "Student learns")):
        seen = hide_words(input_ids, student.vocabulary, config.word_dropout)
        logits = student.forward(seen, attention_mask)
        loss = _loss(logits, soft[rows], hard[rows], config)
        if not torch.isfinite(loss):
            raise PipelineError(
                f"The loss is {loss.item()} at step {step + 1} of {len(steps)}. "
                f"Lower distill.learning_rate, now {config.learning_rate:g}."
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        average.update_parameters(student.model)
    student.model.load_state_dict(average.module.state_dict())
    student.model.eval()


def _loss(logits: Tensor, soft: Tensor, hard: Tensor, config: DistillConfig) -> Tensor:
    loss = config.soft_weight * soft_loss(logits, soft, config.temperature)
    labelled = hard != IGNORED
    if labelled.any():
        share = labelled.float().mean()  # so that a batch of few labels does not weigh as many
        hard_loss = nn.functional.cross_entropy(logits[labelled], hard[labelled])
        loss = loss + (1 - config.soft_weight) * share * hard_loss
    return loss


def _parameter_groups(student: Student, config: DistillConfig) -> list[dict[str, object]]:
    head = [*student.model.bert.pooler.parameters(), *student.model.classifier.parameters()]
    held = {id(parameter) for parameter in head}
    body = [p for p in student.model.parameters() if id(p) not in held]
    return [
        {"params": body, "lr": config.learning_rate},
        {"params": head, "lr": config.head_learning_rate},
    ]


def _similar_lengths(
    student: Student, texts: Sequence[str], size: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Batches of rows of similar length, with their token ids and masks: little padding."""
    order = torch.tensor(sorted(range(len(texts)), key=lambda i: len(texts[i])))
    return [
        (rows, *batch_tensors(student.vocabulary, [texts[i] for i in rows]))
        for rows in torch.split(order, size)
    ]


def _shuffled(batches: list[tuple[Tensor, Tensor, Tensor]]) -> list[tuple[Tensor, Tensor, Tensor]]:
    return [batches[i] for i in torch.randperm(len(batches))]
