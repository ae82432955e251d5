"""New texts out of those at hand, for the teacher to label. It knows no labels and no losses.

What a reworded text means is left to the teacher: its logits are the label (data augmentation for
distillation, after Tang et al. 2019 and TinyBERT, Jiao et al. 2020).
"""

import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..models.vocabulary import Vocabulary

DROPPED = 0.2  # chance of each word to be left out
SWAPPED = 0.25  # chance of each word to give way to a neighbour
NEIGHBOURS = 8  # nearest words by cosine that a swap draws from
LEAST, MOST = 3, 12  # copies of a text, where nobody says how many
ENOUGH = 200_000  # texts that a fine-tuned teacher is asked about, where copies allow
CHUNK = 1024  # words whose similarity to all others is in memory at once
# Scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana, ideographs.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)
EDGES = re.compile(r"^(\W*)(.*?)(\W*)$", re.DOTALL)  # punctuation around a word

Words = tuple[str, ...]  # each with the blank before it, if there is one: joined they are the text
Neighbours = Mapping[str, tuple[str, ...]]
Rewording = Callable[[Words, random.Random], str]


def copies_for(texts: int, *, fine_tuned: bool) -> int:
    """How many variants of each of `texts` are made where nobody says how many.

    A student goes on learning from more of them. A teacher on frozen features is what one takes to
    be done in minutes, so it is asked less.
    """
    wanted = round(ENOUGH / max(texts, 1)) - 1  # the texts themselves are taught, too
    return min(max(wanted, LEAST), MOST) if fine_tuned else LEAST


def split_words(text: str, vocabulary: Vocabulary) -> Words:
    """The words of `text` between blanks; in a script without any, the tokenizer's pieces."""
    words = list[str]()
    for chunk in text.split():
        parts = _pieces(chunk, vocabulary) if UNSPACED.search(chunk) else [chunk]
        words += [f" {parts[0]}" if words else parts[0], *parts[1:]]
    return tuple(words)


def _pieces(chunk: str, vocabulary: Vocabulary) -> list[str]:
    offsets = vocabulary.tokenizer.encode(chunk, add_special_tokens=False).offsets
    # A vowel sign or a tone mark stays with its letter.
    inner = {start for start, _ in offsets if unicodedata.category(chunk[start])[0] != "M"}
    starts = sorted({0, *inner})
    return [chunk[i:j] for i, j in zip(starts, [*starts[1:], len(chunk)], strict=True)]


def reword(
    texts: Sequence[str],
    copies: int,
    neighbours: Neighbours,
    vocabulary: Vocabulary,
    generator: random.Random,
) -> tuple[str, ...]:
    """`copies` variants of each text, each by one of three means drawn at random.

    Words are dropped, words are swapped for near ones, or the halves of two texts are joined.
    Variants that repeat a text are left out.
    """
    split = [split_words(text, vocabulary) for text in texts] if copies else []
    ways: tuple[Rewording, ...] = (
        drop_words,
        lambda words, generator: swap_words(words, neighbours, generator),
        lambda words, generator: recombine(words, generator.choice(split), generator),
    )
    made = (generator.choice(ways)(words, generator) for words in split for _ in range(copies))
    found = set(made)
    found.difference_update(texts, [""])  # in place: there may be millions
    return tuple(sorted(found))


def drop_words(words: Words, generator: random.Random) -> str:
    """The text without some of its `words`, but never without all."""
    return "".join([word for word in words if generator.random() >= DROPPED] or words).strip()


def swap_words(words: Words, neighbours: Neighbours, generator: random.Random) -> str:
    """The text with some of its `words` replaced by one of their `neighbours`, whatever their case.

    Blanks and punctuation around a word stay, and so does a capital at its beginning.
    """
    made = list[str]()
    for word in words:
        before, core, behind = EDGES.fullmatch(word).groups()  # type: ignore[union-attr]
        near = neighbours.get(core) or neighbours.get(core.lower())
        if near and generator.random() < SWAPPED:
            other = generator.choice(near)
            other = other[:1].upper() + other[1:] if core[:1].isupper() else other
            word = f"{before}{other}{behind}"
        made.append(word)
    return "".join(made)


def recombine(words: Words, other: Words, generator: random.Random) -> str:
    """The beginning of one text and the end of an`other`."""
    if not words or not other:
        return "".join(words)
    cut, start = generator.randint(1, len(words)), generator.randrange(len(other))
    head, tail = "".join(words[:cut]), "".join(other[start:])
    spaced = start == 0 and not UNSPACED.search(head[-1] + tail[0])
    return f"{head} {tail}" if spaced else head + tail


def nearest_words(embeddings: Tensor, vocabulary: Vocabulary, texts: Sequence[str]) -> Neighbours:
    """For each whole word of `texts` that is one piece, the words nearest to it in `embeddings`.

    `embeddings` (pieces, hidden) is the teacher's word table; nearness is cosine.
    """
    ids = {piece: i for i, piece in enumerate(vocabulary.pieces) if len(piece) > 1}
    cores = {EDGES.fullmatch(w)[2] for t in texts for w in split_words(t, vocabulary)}  # type: ignore[index]
    words = sorted({*cores, *map(str.lower, cores)} & ids.keys())
    candidates = [piece for piece in ids if piece.isalpha()]
    if not words or len(candidates) <= NEIGHBOURS:
        return {}
    unit = torch.nn.functional.normalize(embeddings.detach(), dim=1)
    others = unit[[ids[word] for word in candidates]].T
    near = dict[str, tuple[str, ...]]()
    for start in range(0, len(words), CHUNK):
        some = words[start : start + CHUNK]
        similarity = unit[[ids[word] for word in some]] @ others
        nearest = similarity.topk(NEIGHBOURS + 1).indices.tolist()  # the word itself is among them
        for word, row in zip(some, nearest, strict=True):
            near[word] = tuple(candidates[i] for i in row if candidates[i] != word)[:NEIGHBOURS]
    return near
