import json
from pathlib import Path

import pytest

from pocketbert.models.encoders import locate
from pocketbert.models.prune import prune
from pocketbert.models.vocabulary import SPECIAL, Vocabulary, read_vocabulary

LANGUAGES = sorted((Path(__file__).parent.parent / "data" / "languages").glob("*.jsonl"))


def is_character(piece):
    return len(piece.removeprefix("##")) == 1


@pytest.fixture(scope="module")
def minilm():
    return read_vocabulary(locate("minilm") / "vocab.txt", lowercase=True, max_length=64)


@pytest.fixture(scope="module")
def wide():
    """As in a multilingual BERT: letters of many scripts in both places, and few words."""
    ranges = ((0x21, 0x17F), (0x370, 0x52F), (0x5D0, 0x6FF), (0x900, 0xE5B), (0x1E00, 0x1EFF))
    ranges += ((0x3041, 0x30FF), (0x4E00, 0x6200), (0xAC00, 0xB000))
    letters = [chr(c) for first, last in ranges for c in range(first, last) if chr(c).isprintable()]
    words = [f"{a}{b}{c}" for a in "tlhwm" for b in "aeiouy" for c in "ndrslm"]
    return Vocabulary((*SPECIAL, *letters, *(f"##{c}" for c in letters), *words, "hello", "lamp"))


def test_pruning_keeps_characters_and_what_the_corpus_uses(minilm):
    corpus = ["wake me at seven", "photosynthesis and mitochondria"]
    pruned = prune(minilm, corpus, 4000)
    assert len(pruned) == 4000
    assert set("abcxyz") <= set(pruned.pieces) and "##q" in pruned.pieces
    assert pruned.tokenizer.encode(corpus[1]).tokens == minilm.tokenizer.encode(corpus[1]).tokens


def test_pruning_makes_no_new_unknown(minilm):
    pruned = prune(minilm, ["wake me"], 3000)
    for text in ("sesquipedalian zyzzyva", "Ελλάδα", "übergrößenträger"):
        unknown = [t.tokenizer.encode(text).tokens.count("[UNK]") for t in (minilm, pruned)]
        assert unknown[1] == unknown[0]


def test_pieces_keep_the_teachers_order(minilm):
    pruned = prune(minilm, ["wake me"], 3000)
    places = [minilm.pieces.index(piece) for piece in pruned.pieces]
    assert places == sorted(places)


def test_a_wide_alphabet_leaves_half_of_the_table_to_words(wide):
    assert sum(map(is_character, wide.pieces)) > 9000
    pruned = prune(wide, ["hello lamp", "tan lur"], 300)
    assert len(pruned) == 300
    assert sum(map(is_character, pruned.pieces)) <= 150
    assert pruned.tokenize(["hello lamp tan"]) == [["[CLS]", "hello", "lamp", "tan", "[SEP]"]]


@pytest.mark.parametrize("file", LANGUAGES, ids=lambda file: file.stem)
def test_every_word_of_the_texts_can_still_be_spelled(wide, file):
    texts = [json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()]
    pruned = prune(wide, texts, 2000)
    assert sum(e.ids.count(1) for e in pruned.tokenizer.encode_batch(texts)) == sum(
        e.ids.count(1) for e in wide.tokenizer.encode_batch(texts)
    )


def test_characters_that_texts_need_are_kept_beyond_the_size(wide):
    text = "".join(chr(c) for c in range(0x900, 0x950) if f"##{chr(c)}" in wide.pieces)
    pruned = prune(wide, [text], 100)
    assert len(pruned) > 100
    assert pruned.tokenize([text]) == wide.tokenize([text])
    characters = sum(map(is_character, pruned.pieces))
    assert characters <= len(pruned) / 2


def test_the_characters_of_the_packaged_teacher_all_stay(minilm):
    pruned = prune(minilm, ["wake me"], 8000)
    assert {*filter(is_character, minilm.pieces)} <= {*pruned.pieces}
    assert len(pruned) == 8000


def test_no_size_keeps_all(wide):
    assert prune(wide, ["hello"], None) is wide
