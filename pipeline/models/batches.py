"""Texts through a float PyTorch model, in batches of similar length. It trains nothing."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..base.arrays import Logits
from ..base.progress import track
from .vocabulary import Vocabulary

BATCH = 32


def batch_tensors(vocabulary: Vocabulary, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of `texts`, both (batch, longest) int64."""
    encoded = vocabulary.encode(texts)
    return torch.from_numpy(encoded.input_ids), torch.from_numpy(encoded.attention_mask)


def batch_ids(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """`rows` of token ids and their mask, both (batch, longest) int64; id 0 behind the shorter."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, found in enumerate(rows):
        ids[row, : len(found)] = torch.tensor(found)
        mask[row, : len(found)] = 1
    return ids, mask


@torch.inference_mode()
def run_batched(
    forward: Callable[[Tensor, Tensor], Tensor],
    vocabulary: Vocabulary,
    texts: Sequence[str],
    what: str = "",
    device: torch.device | str = "cpu",
) -> Logits:
    """Apply `forward`, on `device`, to all `texts`; rows (texts, features) keep their order.

    Without texts the rows are (0, 0).
    """
    if not texts:
        return np.empty((0, 0), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    starts = range(0, len(order), BATCH)
    outputs = [
        forward(
            *(
                tensor.to(device)
                for tensor in batch_tensors(
                    vocabulary, [texts[i] for i in order[start : start + BATCH]]
                )
            )
        )
        for start in track(starts, what)
    ]
    rows = torch.cat(outputs).float().cpu().numpy()
    restored = np.empty_like(rows)
    restored[order] = rows
    return restored
