"""Texts through a float PyTorch model, in batches of similar length. It trains nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..base.arrays import Logits
from ..base.progress import track
from .vocabulary import Vocabulary

ON_CPU, ON_GPU = 1 << 10, 1 << 15  # tokens in one batch
CHUNK = 1024  # texts encoded at once
SHARD = 1024  # texts whose batches are formed among themselves, whoever reads them


def batch_tensors(vocabulary: Vocabulary, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of `texts`, both (batch, longest) int64."""
    encoded = vocabulary.encode(texts)
    return torch.from_numpy(encoded.input_ids), torch.from_numpy(encoded.attention_mask)


@dataclass(frozen=True)
class TokenIds:
    """Texts as token ids, encoded once for all epochs."""

    ids: NDArray[np.int32]  # of all texts, one after the other
    ends: NDArray[np.int64]  # (texts,): where each text's ids end

    def batch(self, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Ids and mask of the texts `rows`, both (rows, longest) int64."""
        places = ((self.ends[row - 1] if row else 0, self.ends[row]) for row in rows)
        return batch_ids([self.ids[start:end] for start, end in places])


def encode_once(vocabulary: Vocabulary, texts: Sequence[str]) -> TokenIds:
    """Encode all `texts`, some at a time: they may be millions."""
    ids, lengths = list[NDArray[np.int32]](), list[NDArray[np.int64]]()
    for start in range(0, len(texts), CHUNK):
        encoded = vocabulary.encode(texts[start : start + CHUNK])
        ids.append(encoded.input_ids[encoded.attention_mask.astype(bool)].astype(np.int32))
        lengths.append(encoded.attention_mask.sum(1))
    return TokenIds(np.concatenate(ids), np.concatenate(lengths).cumsum())


def batch_ids(rows: Sequence[Sequence[int] | NDArray[np.int32]]) -> tuple[Tensor, Tensor]:
    """`rows` of token ids and their mask, both (batch, longest) int64; id 0 behind the shorter."""
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, found in enumerate(rows):
        ids[row, : len(found)] = torch.as_tensor(found)
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
