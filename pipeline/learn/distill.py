"""Distillation: what the student minimises, put together from the losses, and its training.

It knows nothing of quantization or formats.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from math import ceil, gcd

import torch
from torch import Tensor, nn

from ..base.config import DistillConfig, StudentSpec
from ..models.batches import TokenIds, encode_once
from ..models.student import Student
from ..models.teacher import Teacher
from ..models.vocabulary import MASK, SPECIAL, Vocabulary
from .checkpoint import Checkpoints
from .cut import cut_student, fold, source_layers
from .loop import Batch, Plan, train
from .losses import (
    OUTSIDE,
    hidden_loss,
    label_loss,
    label_none,
    logit_loss,
    outside_loss,
    relation_loss,
    with_none,
)
from .pair import Trainers
from .transfer import HiddenStates, TransferSet

WARMUP = 0.05  # share of the steps
MAX_NORM = 1.0  # of gradients
CHUNK = 10_000  # texts tokenized at once


def distill(
    teacher: Teacher,
    transfer_set: TransferSet,
    spec: StudentSpec,
    config: DistillConfig,
    *,
    hidden: Mapping[int, HiddenStates] | None = None,
    seed: int = 0,
    checkpoints: Checkpoints | None = None,
    trainers: Trainers | None = None,
) -> Student:
    """Train the student that `spec` describes to reproduce `teacher` on `transfer_set`.

    Args:
        teacher: gives the student its first weights.
        transfer_set: texts, and the teacher's logits of them.
        spec: shape of the student.
        config: losses and their weights, length and speed of training.
        hidden: the teacher's hidden states after each of `hidden_layers`.
        seed: of the order of texts and of word dropout.
        checkpoints: where to keep the state of training, and to go on from.
        trainers: who computes the halves of each batch; by default this process.

    Raises:
        PipelineError: the loss is no longer finite; says at which step.
        ModelError: the teacher is too small for `spec`, or a checkpoint of other settings.
        ValueError: `hidden` lacks a layer that a loss asks for.
    """
    needed = hidden_layers(teacher, spec, config)
    if missing := set(needed) - set(hidden or ()):
        raise ValueError(f"hidden states after layers {sorted(missing)} are needed; give them")
    torch.manual_seed(seed)
    student = cut_student(teacher, transfer_set.texts, spec)
    temperature = config.temperature * transfer_set.temperature
    objective = Distillation(student, teacher, spec, config, temperature)
    per_epoch = ceil(len(transfer_set.texts) / config.batch_size)
    plan = Plan(
        what="Student learns",
        epochs=max(config.epochs, ceil(config.least_steps / per_epoch)),
        batch_size=config.batch_size,
        seed=seed,
        warmup=WARMUP,
        max_norm=MAX_NORM,
    )
    groups = _parameter_groups(objective, config)
    tokens = encode_once(student.vocabulary, transfer_set.texts)
    collate = _collator(student, teacher, transfer_set, tokens, objective, hidden or {})
    # By letters: by tokens, 97 CPU s instead of 114, and 93.4 % kept instead of 94.6 % (one seed).
    lengths = [len(text) for text in transfer_set.texts]
    train(objective, groups, lengths, collate, plan, checkpoints=checkpoints, trainers=trainers)
    fold(student)
    return student


def _collator(
    student: Student,
    teacher: Teacher,
    transfer_set: TransferSet,
    tokens: TokenIds,
    objective: "Distillation",
    hidden: Mapping[int, HiddenStates],
) -> Callable[[list[int]], Batch]:
    """What makes the arguments of `objective` from row numbers of the transfer set."""
    texts, vocabulary = transfer_set.texts, student.vocabulary
    labels, logits = torch.from_numpy(transfer_set.labels), torch.from_numpy(transfer_set.logits)
    aligned = _aligned(vocabulary, teacher.vocabulary, texts if objective.layers else ())

    def collate(rows: list[int]) -> Batch:
        ids, mask = tokens.batch(rows)
        batch = {"input_ids": ids, "attention_mask": mask}
        batch |= {"labels": labels[rows], "logits": logits[rows]}
        if objective.layers:
            padded = [hidden[layer].padded(rows, ids.shape[1]) for layer in objective.layers]
            batch |= {"hidden": torch.stack(padded, 1), "aligned": aligned[rows]}
        return batch

    return collate


class Distillation(nn.Module):
    """The weighted sum of losses that a student minimises on one batch."""

    special: Tensor

    def __init__(
        self,
        student: Student,
        teacher: Teacher,
        spec: StudentSpec,
        config: DistillConfig,
        temperature: float,
    ) -> None:
        super().__init__()
        self.student = student.model
        self.config = config
        self.temperature = temperature
        self.knows_none = teacher.score == "margin"
        self.layers = hidden_layers(teacher, spec, config)
        pieces = student.vocabulary.pieces
        self.register_buffer("special", torch.tensor([pieces.index(p) for p in SPECIAL]))
        self.mask_id = pieces.index(MASK)
        source = teacher.encoder.config
        sources = source_layers(source.num_hidden_layers, spec)
        # Student state number -> teacher state number; 0 is after the embeddings.
        self.matched = {0: 0} if config.embedding_weight else {}
        if config.hidden_weight:
            self.matched |= {i + 1: layer + 1 for i, layer in enumerate(sources)}
        self.maps = nn.ModuleDict(
            {
                str(ours): nn.Linear(spec.hidden, source.hidden_size, bias=False)
                for ours in self.matched
            }
        )
        self.heads = gcd(self.student.config.num_attention_heads, source.num_attention_heads)
        self.attention = None
        if config.relation_weight:
            last = teacher.encoder.encoder.layer[-1].attention.self
            self.attention = copy.deepcopy(last).requires_grad_(False)
        self.before_last = source.num_hidden_layers - 1

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits: Tensor,
        labels: Tensor,
        hidden: Tensor | None = None,
        aligned: Tensor | None = None,
    ) -> Tensor:
        """Loss of one batch.

        Args:
            input_ids: (batch, sequence).
            attention_mask: (batch, sequence).
            logits: the teacher's (batch, labels).
            labels: index, UNLABELLED or OUTSIDE (batch,).
            hidden: the teacher's states after `layers`, (batch, layers, sequence, its width).
            aligned: whether both segment the text alike (batch,) bool.
        """
        config = self.config
        seen = apply_word_dropout(input_ids, config.word_dropout, self.special, self.mask_id)
        out = self.student(
            input_ids=seen, attention_mask=attention_mask, output_hidden_states=bool(self.layers)
        )
        ours, theirs, named = out.logits, logits, labels
        if self.knows_none:
            ours, theirs = with_none(ours), with_none(theirs)
            named = label_none(labels, logits.shape[1])
        loss = config.logit_weight * logit_loss(ours, theirs, self.temperature)
        if config.label_weight:
            loss = loss + config.label_weight * label_loss(ours, named)
        if config.outside_weight:
            loss = loss + config.outside_weight * outside_loss(out.logits, labels == OUTSIDE)
        if hidden is not None and aligned is not None:
            mask = attention_mask * aligned[:, None]
            kept = mask * (seen == input_ids)  # the teacher's embedding is of the word itself
            loss = loss + self._hidden_losses(out.hidden_states, hidden, mask, kept)
        return loss

    def _hidden_losses(
        self, ours: Sequence[Tensor], theirs: Tensor, mask: Tensor, kept: Tensor
    ) -> Tensor:
        config, loss = self.config, theirs.new_zeros(())
        place = {layer: i for i, layer in enumerate(self.layers)}
        for number, layer in self.matched.items():
            weight = config.hidden_weight if number else config.embedding_weight
            mapped = self.maps[str(number)](ours[number])
            where = mask if number else kept
            loss = loss + weight * hidden_loss(mapped, theirs[:, place[layer]], where)
        if self.attention is not None:
            student = self.student.bert.encoder.layer[-1].attention.self
            state = theirs[:, place[self.before_last]]
            for name in ("query", "key", "value"):
                pair = getattr(student, name)(ours[-2]), getattr(self.attention, name)(state)
                loss = loss + config.relation_weight / 3 * relation_loss(*pair, mask, self.heads)
        return loss


def hidden_layers(teacher: Teacher, spec: StudentSpec, config: DistillConfig) -> tuple[int, ...]:
    """After which layers of the teacher (0: the embeddings) its hidden states are asked for."""
    count = teacher.encoder.config.num_hidden_layers
    layers = {0} if config.embedding_weight else set[int]()
    if config.hidden_weight:
        layers |= {layer + 1 for layer in source_layers(count, spec)}
    if config.relation_weight:
        layers.add(count - 1)  # what the last layer's queries, keys and values are made of
    return tuple(sorted(layers))


def apply_word_dropout(input_ids: Tensor, share: float, special: Tensor, mask_id: int) -> Tensor:
    """Replace a random `share` of the word pieces (batch, sequence) by [MASK].

    The teacher's logits are those of the whole text, so the student learns not to lean on any one
    word, as word dropout does (Iyyer et al. 2015).
    """
    hidden = torch.rand(input_ids.shape, device=input_ids.device) < share
    return input_ids.masked_fill(hidden & ~torch.isin(input_ids, special), mask_id)


def _aligned(ours: Vocabulary, theirs: Vocabulary, texts: Sequence[str]) -> Tensor:
    """Whether both vocabularies segment each text alike (texts,) bool."""
    alike = list[bool]()
    for start in range(0, len(texts), CHUNK):
        some = texts[start : start + CHUNK]
        pairs = zip(ours.tokenize(some), theirs.tokenize(some), strict=True)
        alike += [one == other for one, other in pairs]
    return torch.tensor(alike)


def _parameter_groups(objective: Distillation, config: DistillConfig) -> list[dict[str, object]]:
    student = objective.student
    head = [
        *student.bert.pooler.parameters(),
        *student.classifier.parameters(),
        *objective.maps.parameters(),
    ]
    held = {id(parameter) for parameter in head}
    body = [p for p in student.parameters() if id(p) not in held]
    return [
        {"params": body, "lr": config.learning_rate},
        {"params": head, "lr": config.head_learning_rate},
    ]
