import random

import torch

from pocketbert.learn.augment import drop_words, nearest_words, recombine, reword, swap_words
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

TEXTS = ("turn on the lights", "play some jazz", "one")


def test_reworded_texts_are_new_and_made_of_words_at_hand():
    made = reword(TEXTS, 5, {"jazz": ("rock",)}, random.Random(0))
    words = {*" ".join(TEXTS).split(), "rock"}
    assert len(made) >= len(TEXTS)
    assert not {*made} & {*TEXTS}
    assert all(text and set(text.split()) <= words for text in made)


def test_rewording_follows_from_the_seed():
    one, same, other = (reword(TEXTS, 3, {}, random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_no_copies_make_no_texts():
    assert reword(TEXTS, 0, {}, random.Random(0)) == ()


def test_dropping_leaves_some_word():
    assert {drop_words("a b", random.Random(seed)) for seed in range(200)} == {"a b", "a", "b"}


def test_recombining_takes_a_beginning_and_an_end():
    for seed in range(20):
        made = recombine("a b c", "x y z", random.Random(seed)).split()
        assert made[0] == "a"
        assert made[-1] == "z"
    assert recombine("", "x", random.Random(0)) == ""


def test_only_words_with_neighbours_are_swapped():
    made = {swap_words("play jazz", {"jazz": ("rock",)}, random.Random(s)) for s in range(50)}
    assert made == {"play jazz", "play rock"}


def test_nearest_words_are_the_most_similar_rows_and_never_the_word_itself():
    words = [f"w{chr(97 + i)}" for i in range(12)]
    vocabulary = Vocabulary((*SPECIAL, *words))
    angles = torch.arange(len(words)) * 0.1
    table = torch.zeros(len(vocabulary), 2)
    table[len(SPECIAL) :] = torch.stack([angles.cos(), angles.sin()], 1) * 3
    near = nearest_words(table, vocabulary, ["wa unknown", "wb"])
    assert set(near) == {"wa", "wb"}
    assert near["wa"][:2] == ("wb", "wc")
    assert "wb" not in near["wb"]
