from dataclasses import replace

import pytest

from pocketbert.base.errors import TargetUnavailable
from pocketbert.measure.consumers import loss_in_consumers
from pocketbert.targets.tflite.task import as_consumers_read, check_casing


def test_ascii_is_read_alike(toy_student):
    assert loss_in_consumers(toy_student, ["turn on the lights", "PLAY Jazz"], [0, 1]) == ()


def test_texts_beyond_ascii_are_counted_and_what_they_cost(toy_student):
    texts = ["turn on the lights", "plȧy jazz", "Üp"]
    labels = toy_student.logits(texts).argmax(1).tolist()
    (finding,) = loss_in_consumers(toy_student, texts, labels)
    assert "read 2 of the 3 test texts otherwise" in finding
    assert finding.endswith("2 with its own ids")


def test_accents_and_capitals_beyond_ascii_stay(toy_student):
    vocabulary = toy_student.vocabulary
    unknown = vocabulary.pieces.index("[UNK]")
    assert as_consumers_read(vocabulary, ["Ü"])[0][1] == unknown
    assert vocabulary.encode(["Ü"]).input_ids[0][1] != unknown


def test_a_cased_vocabulary_is_refused(toy_student):
    check_casing(toy_student.vocabulary)
    with pytest.raises(TargetUnavailable, match="the vocabulary is cased"):
        check_casing(replace(toy_student.vocabulary, lowercase=False))
