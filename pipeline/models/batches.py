"""Texts through a float PyTorch model, in batches of similar length. It trains nothing."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ..base.arrays import Logits
from ..base.progress import track
from .vocabulary import Vocabulary

ON_CPU, ON_GPU = 1 << 10, 1 << 15  # tokens in one batch
SHARD = 1024  # texts whose batches are formed among themselves, whoever reads them


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


def run_batched(
    forward: Callable[[Tensor, Tensor], Tensor],
    vocabulary: Vocabulary,
    texts: Sequence[str],
    what: str = "",
    device: torch.device | str = "cpu",
) -> Logits:
    """Apply `forward`, on `device`, to all `texts`; rows (texts, features) keep their order.

    Shard by shard, so that it makes no difference who reads which. Without texts the rows are
    (0, 0).
    """
    shards = [texts[start : start + SHARD] for start in range(0, len(texts), SHARD)]
    rows = [run_shard(forward, vocabulary, shard, device) for shard in track(shards, what)]
    return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)


@torch.inference_mode()
def run_shard(
    forward: Callable[[Tensor, Tensor], Tensor],
    vocabulary: Vocabulary,
    texts: Sequence[str],
    device: torch.device | str = "cpu",
) -> Logits:
    """The rows (texts, features) of one shard, in batches of texts of one length each.

    So nothing is padded: of short texts, a third of the work would be padding.
    """
    encoded = vocabulary.encode(texts)
    lengths = encoded.attention_mask.sum(1)
    order = np.argsort(lengths, kind="stable")
    tokens = ON_CPU if torch.device(device).type == "cpu" else ON_GPU
    rows = list[Tensor]()
    for length in np.unique(lengths):
        same, size = np.flatnonzero(lengths == length), max(1, tokens // int(length))
        for start in range(0, len(same), size):
            some = same[start : start + size]
            arrays = (encoded.input_ids, encoded.attention_mask)
            tensors = (torch.from_numpy(array[some, :length]).to(device) for array in arrays)
            rows.append(forward(*tensors))
    found = torch.cat(rows).float().cpu().numpy()
    restored = np.empty_like(found)
    restored[order] = found
    return restored
