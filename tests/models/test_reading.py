import pytest

from pocketbert.base.errors import DataError
from pocketbert.models.reading import check_readable, reading_of
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL, *"abcdeo", "##a", "##b", "the", "lamp"), max_length=6)


def found(train, test, labels=None):
    parts = {"training": (train, labels or [0] * len(train)), "test": (test, [0] * len(test))}
    return check_readable(VOCABULARY, parts, "mine")


def test_words_are_counted_and_not_pieces():
    reading = reading_of(VOCABULARY, ["the ab xyz", "zz", ""])
    assert (reading.words, reading.unknown) == (4, {"xyz": 1, "zz": 1})


def test_a_language_that_the_teacher_does_not_know_stops_the_run_with_its_words():
    message = r"mine: 100% of the words of the test part are \[UNK\] .*'ปิดไฟ'.*multilingual"
    with pytest.raises(DataError, match=message):
        found(["the lamp"], ["ปิดไฟ"])


def test_a_tenth_of_unknown_words_is_a_finding():
    train = ["the lamp a b", *["the lamp"] * 3]
    assert found(train, ["a b c d"]) == ()
    (finding,) = found(["the lamp a xyz", *["the lamp a b"] * 3], ["a b c d"])
    assert finding == "5.00% of the words are [UNK] to the model: 'xyz'"


def test_texts_that_are_cut_are_counted():
    (finding,) = found(["a b c e"], ["a b c d e", "a b"])
    assert finding.startswith("1 of 3 texts are longer than 6 tokens and are cut: raise --max-len")


def test_texts_of_two_intents_that_read_alike_are_a_finding():
    (finding,) = found(["a b", "á b"], ["c"], [0, 1])
    assert finding.startswith("1 texts have the token ids of a text of another intent")


def test_a_test_text_that_reads_as_a_training_text_is_a_finding():
    (finding,) = found(["a b"], ["á b"])
    assert finding == "1 test texts have the token ids of a training or validation text"
