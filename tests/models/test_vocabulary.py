import numpy as np
import pytest
from transformers import AutoTokenizer

from pocketbert.base.errors import InputError, ModelError
from pocketbert.bundle.golden import TORTURE
from pocketbert.models.encoders import locate
from pocketbert.models.prune import prune
from pocketbert.models.student import load_student
from pocketbert.models.vocabulary import (
    SPECIAL,
    Vocabulary,
    check_ids,
    compare_segmentation,
    read_vocabulary,
)


@pytest.fixture(scope="module")
def minilm():
    return read_vocabulary(locate("minilm") / "vocab.txt", lowercase=True, max_length=64)


def test_ids_equal_hugging_faces_own_tokenizer(minilm):
    theirs = AutoTokenizer.from_pretrained(locate("minilm"))
    for text in (*TORTURE, "wake me at 7", "what's 5% of £20"):
        expected = theirs(text, truncation=True, max_length=64)["input_ids"]
        assert minilm.encode([text]).input_ids[0].tolist() == expected, text


def test_ids_equal_the_saved_students_stock_tokenizer(main_run):
    folder = main_run[0] / "student"
    ours, theirs = load_student(folder).vocabulary, AutoTokenizer.from_pretrained(folder)
    for text in TORTURE:
        expected = theirs(text, truncation=True)["input_ids"]
        assert ours.encode([text]).input_ids[0].tolist() == expected, text


def test_changed_segmentation_is_reported_with_its_words(minilm):
    pruned = prune(minilm, ["wake me at seven"], 3000)
    texts = ["wake me at seven", "photosynthesis photosynthesis", "wake mitochondria"]
    report = compare_segmentation(minilm, pruned, texts)
    assert report.pieces == (len(minilm), 3000)
    assert report.changed == pytest.approx(2 / 3)
    assert report.tokens[1] > report.tokens[0]
    word, before, after = report.words[0]
    assert word == "photosynthesis"
    assert len(after.split()) > len(before.split())
    assert "wake" not in {word for word, *_ in report.words}


def test_whole_vocabulary_changes_no_segmentation(minilm):
    report = compare_segmentation(minilm, minilm, ["wake me", "zyzzyva"])
    assert report.changed == 0
    assert report.words == ()


def test_lone_surrogate_is_dropped_like_other_invalid_text(minilm):
    assert minilm.encode(["\ud800 x"]).input_ids.tolist() == minilm.encode(["x"]).input_ids.tolist()


def test_padding_is_masked(minilm):
    encoded = minilm.encode(["wake me at seven", "hi"], length=10)
    assert encoded.input_ids.shape == encoded.attention_mask.shape == (2, 10)
    assert encoded.attention_mask.sum(1).tolist() == [6, 3]
    assert not encoded.input_ids[encoded.attention_mask == 0].any()


def test_vocabulary_without_special_pieces_is_no_bert():
    with pytest.raises(ModelError, match=r"lacks \[CLS\]"):
        Vocabulary(tuple(p for p in SPECIAL if p != "[CLS]"))


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        ([[1, 10]], [[1, 1]], "input_ids holds 10; values from 0 to 9"),
        ([[-1, 2]], [[1, 1]], "input_ids holds -1"),
        ([[1, 2]], [[1, 2]], "attention_mask holds 2"),
        ([[1, 2]], [[1]], "shape"),
        ([[1] * 9], [[1] * 9], "9 tokens; give 1 to 8"),
        ([[]], [[]], "0 tokens"),
        ([1, 2], [1, 1], "shape"),
    ],
)
def test_ids_that_would_abort_a_runtime_are_refused(ids, mask, message):
    with pytest.raises(InputError, match=message):
        check_ids(np.array(ids), np.array(mask), vocabulary=10, max_length=8)
