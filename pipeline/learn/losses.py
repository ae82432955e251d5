"""What a student is told to minimise: each loss one function, each with its paper.

They compare tensors; whose they are and how much each weighs is the trainer's business.
"""

import math

from torch import Tensor, nn

UNLABELLED, OUTSIDE = -1, -2  # in place of a label index: not known; out of scope


def logit_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Divergence of the softened outputs, scaled by the temperature squared.

    Hinton et al. 2015, Distilling the Knowledge in a Neural Network. Logits (batch, labels).
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


def with_none(logits: Tensor) -> Tensor:
    """`logits` (batch, labels) with those of "no intent" behind them: 0, as a teacher fixes it."""
    return nn.functional.pad(logits, (0, 1))


def label_none(labels: Tensor, none: int) -> Tensor:
    """`labels` (batch,) with the index `none` for those out of scope."""
    return labels.masked_fill(labels == OUTSIDE, none)


def label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of `logits` (batch, labels) over the rows that have a label.

    It is averaged over all rows, so that a batch of few labels does not weigh as many.
    """
    summed = nn.functional.cross_entropy(
        logits, labels.clamp(min=UNLABELLED), ignore_index=UNLABELLED, reduction="sum"
    )
    return summed / len(labels)


def outside_loss(logits: Tensor, outside: Tensor) -> Tensor:
    """Divergence of the outputs from evenness over the rows marked in `outside` (batch,) bool.

    Hendrycks et al. 2019, Deep Anomaly Detection with Outlier Exposure. Averaged over all rows.
    """
    # Cross-entropy with the even distribution, less that distribution's own entropy.
    divergence = -logits.log_softmax(-1).mean(-1) - math.log(logits.shape[-1])
    return (divergence * outside).sum() / len(outside)


def hidden_loss(student: Tensor, teacher: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean squared distance of hidden states at the unmasked tokens.

    Jiao et al. 2020, TinyBERT. Both (batch, sequence, hidden), the student's already projected to
    the teacher's width; attention_mask (batch, sequence).
    """
    squared = (student - teacher).pow(2).mean(-1)
    return (squared * attention_mask).sum() / attention_mask.sum().clamp(min=1)


def relation_loss(student: Tensor, teacher: Tensor, attention_mask: Tensor, heads: int) -> Tensor:
    """Divergence of self-attention relations, as softmax of scaled dot products within a tensor.

    Wang et al. 2021, MiniLMv2. Queries, keys or values (batch, sequence, width) of one layer each;
    both widths are divided among `heads` relation heads.
    """
    ours, theirs = (_relations(rows, attention_mask, heads) for rows in (student, teacher))
    # (batch, heads, sequence): one divergence for each token that attends
    divergence = (theirs.exp() * (theirs - ours)).sum(-1)
    attending = attention_mask[:, None, :]
    return (divergence * attending).sum() / (attending.sum() * heads).clamp(min=1)


def _relations(rows: Tensor, attention_mask: Tensor, heads: int) -> Tensor:
    batch, sequence, width = rows.shape
    split = rows.view(batch, sequence, heads, width // heads).transpose(1, 2)
    scores: Tensor = split @ split.transpose(2, 3) * (width // heads) ** -0.5
    # A large finite number: log-softmax of -inf times zero is not a number.
    return (scores + (attention_mask[:, None, None, :] - 1) * 1e4).log_softmax(-1)
