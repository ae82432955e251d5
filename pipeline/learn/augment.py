"""New texts out of those at hand, for the teacher to label. It knows no labels and no losses.

What a reworded text means is left to the teacher: its logits are the label (data augmentation for
distillation, after Tang et al. 2019 and TinyBERT, Jiao et al. 2020).
"""

import random
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..models.vocabulary import Vocabulary

DROPPED = 0.2  # chance of each word to be left out
SWAPPED = 0.25  # chance of each word to give way to a neighbour
NEIGHBOURS = 8  # nearest words by cosine that a swap draws from

Neighbours = Mapping[str, tuple[str, ...]]
Rewording = Callable[[str, random.Random], str]


def reword(
    texts: Sequence[str], copies: int, neighbours: Neighbours, generator: random.Random
) -> tuple[str, ...]:
    """`copies` variants of each text, each by one of three means drawn at random.

    Words are dropped, words are swapped for near ones, or the halves of two texts are joined.
    Variants that repeat a text are left out.
    """
    ways: tuple[Rewording, ...] = (
        drop_words,
        lambda text, generator: swap_words(text, neighbours, generator),
        lambda text, generator: recombine(text, generator.choice(texts), generator),
    )
    made = (generator.choice(ways)(text, generator) for text in texts for _ in range(copies))
    return tuple(sorted(set(made).difference(texts, [""])))


def drop_words(text: str, generator: random.Random) -> str:
    """`text` without some of its words, but never without all."""
    words = text.split()
    return " ".join([word for word in words if generator.random() >= DROPPED] or words)


def swap_words(text: str, neighbours: Neighbours, generator: random.Random) -> str:
    """`text` with some of its words replaced by one of their `neighbours`."""
    return " ".join(
        generator.choice(neighbours[word])
        if word in neighbours and generator.random() < SWAPPED
        else word
        for word in text.split()
    )


def recombine(text: str, other: str, generator: random.Random) -> str:
    """The beginning of `text` and the end of `other`."""
    head, tail = text.split(), other.split()
    if not head or not tail:
        return text
    cut, start = generator.randint(1, len(head)), generator.randrange(len(tail))
    return " ".join(head[:cut] + tail[start:])


def nearest_words(embeddings: Tensor, vocabulary: Vocabulary, texts: Sequence[str]) -> Neighbours:
    """For each whole word of `texts` that is one piece, the words nearest to it in `embeddings`.

    `embeddings` (pieces, hidden) is the teacher's word table; nearness is cosine.
    """
    ids = {piece: i for i, piece in enumerate(vocabulary.pieces) if len(piece) > 1}
    words = sorted({word for text in texts for word in text.split()} & ids.keys())
    candidates = [piece for piece in ids if piece.isalpha()]
    if not words or len(candidates) <= NEIGHBOURS:
        return {}
    unit = torch.nn.functional.normalize(embeddings.detach(), dim=1)
    similarity = unit[[ids[word] for word in words]] @ unit[[ids[word] for word in candidates]].T
    nearest = similarity.topk(NEIGHBOURS + 1).indices.tolist()  # the word itself is among them
    return {
        word: tuple(candidates[i] for i in row if candidates[i] != word)[:NEIGHBOURS]
        for word, row in zip(words, nearest, strict=True)
    }
