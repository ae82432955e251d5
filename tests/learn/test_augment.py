import json
import random
from pathlib import Path

import pytest
import torch

from pocketbert.learn.augment import (
    ENOUGH,
    LEAST,
    MOST,
    copies_for,
    drop_words,
    nearest_words,
    recombine,
    reword,
    split_words,
    swap_words,
)
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

TEXTS = ("turn on the lights", "play some jazz", "one")
PIECES = ("a", "今", "天", "ปิด", "##ไฟ", "これ", "##は", "น", "##้", "##ำ")
VOCABULARY = Vocabulary((*SPECIAL, *PIECES), lowercase=False)
LANGUAGES = sorted((Path(__file__).parent.parent / "data" / "languages").glob("*.jsonl"))


def split(text, vocabulary=VOCABULARY):
    return split_words(text, vocabulary)


def test_reworded_texts_are_new_and_made_of_words_at_hand():
    made = reword(TEXTS, 5, {"jazz": ("rock",)}, VOCABULARY, random.Random(0))
    words = {*" ".join(TEXTS).split(), "rock"}
    assert len(made) >= len(TEXTS)
    assert not {*made} & {*TEXTS}
    assert all(text and set(text.split()) <= words for text in made)


def test_rewording_follows_from_the_seed():
    one, same, other = (reword(TEXTS, 3, {}, VOCABULARY, random.Random(seed)) for seed in (1, 1, 2))
    assert one == same != other


def test_no_copies_make_no_texts():
    assert reword(TEXTS, 0, {}, VOCABULARY, random.Random(0)) == ()


@pytest.mark.parametrize(
    ("texts", "copies"),
    [(0, MOST), (500, MOST), (ENOUGH // 8, 7), (ENOUGH // 2, LEAST), (10 * ENOUGH, LEAST)],
)
def test_a_fine_tuned_teacher_is_asked_for_as_many_texts_whatever_the_data(texts, copies):
    assert copies_for(texts, fine_tuned=True) == copies
    assert copies_for(texts, fine_tuned=False) == LEAST


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Turn  it on!", ("Turn", " it", " on!")),
        ("ปิดไฟ", ("ปิด", "ไฟ")),
        ("今天 ok", ("今", "天", " ok")),
        ("これは", ("これ", "は")),
        ("ไม่รู้จัก", ("ไม่รู้จัก",)),
        ("น้ำ", ("น้", "ำ")),
        ("", ()),
    ],
)
def test_words_end_at_blanks_or_where_the_tokenizer_cuts(text, words):
    assert split(text) == words


@pytest.mark.parametrize("file", LANGUAGES, ids=lambda file: file.stem)
def test_texts_of_every_language_are_reworded(file):
    lines = file.read_text(encoding="utf-8").splitlines()[:60]
    texts = [json.loads(line)["text"] for line in lines]
    letters = dict.fromkeys(c for text in texts for c in text.lower() if not c.isspace())
    vocabulary = Vocabulary((*SPECIAL, *letters, *(f"##{c}" for c in letters)))
    made = reword(texts, 4, {}, vocabulary, random.Random(0))
    assert len(made) > 1.5 * len(texts)


def test_dropping_leaves_some_word():
    made = {drop_words(split("a b"), random.Random(seed)) for seed in range(200)}
    assert made == {"a b", "a", "b"}


def test_recombining_takes_a_beginning_and_an_end():
    for seed in range(20):
        made = recombine(split("a b c"), split("x y z"), random.Random(seed)).split()
        assert made[0] == "a"
        assert made[-1] == "z"
    assert recombine((), ("x",), random.Random(0)) == ""


def test_texts_without_blanks_are_joined_without_one():
    made = {recombine(split("今天"), split("ปิดไฟ"), random.Random(seed)) for seed in range(30)}
    assert made == {"今ปิดไฟ", "今ไฟ", "今天ปิดไฟ", "今天ไฟ"}


@pytest.mark.parametrize(
    ("text", "swapped"),
    [("play jazz", "play rock"), ("Play Jazz!", "Play Rock!"), ("(jazz)", "(rock)")],
)
def test_words_with_neighbours_are_swapped_whatever_their_case(text, swapped):
    words, near = split(text), {"jazz": ("rock",)}
    made = {swap_words(words, near, random.Random(seed)) for seed in range(50)}
    assert made == {text, swapped}


def nearest(texts):
    words = [f"w{chr(97 + i)}" for i in range(12)]
    vocabulary = Vocabulary((*SPECIAL, *words))
    angles = torch.arange(len(words)) * 0.1
    table = torch.zeros(len(vocabulary), 2)
    table[len(SPECIAL) :] = torch.stack([angles.cos(), angles.sin()], 1) * 3
    return nearest_words(table, vocabulary, texts)


def test_nearest_words_are_the_most_similar_rows_and_never_the_word_itself():
    near = nearest(["wa unknown", "wb"])
    assert set(near) == {"wa", "wb"}
    assert near["wa"][:2] == ("wb", "wc")
    assert "wb" not in near["wb"]


def test_neighbours_are_found_for_words_with_capitals_and_punctuation():
    assert set(nearest(["Wa, WB!"])) == {"wa", "wb"}


def test_words_in_many_chunks_have_the_same_neighbours(monkeypatch):
    texts = [f"w{chr(97 + i)}" for i in range(12)]
    whole = nearest(texts)
    monkeypatch.setattr("pocketbert.learn.augment.CHUNK", 5)
    assert nearest(texts) == whole
