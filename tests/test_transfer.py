import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.losses import OUTSIDE, UNLABELLED
from pipeline.transfer import load_hidden, load_transfer_set, make_transfer_set, save_hidden


def test_every_text_carries_the_teachers_logits_and_what_is_known_of_its_label(
    toy_teacher, toy_corpus
):
    corpus = replace(toy_corpus, unlabeled=("dim the jazz", "wake me up"))
    lessons = make_transfer_set(toy_teacher, corpus, 1)
    train = corpus.train
    known = (*train.texts, *train.out_of_scope, *corpus.unlabeled)
    assert lessons.texts[: len(known)] == known
    assert len(lessons.texts) > len(known) + 50
    assert len({*lessons.texts}) == len(lessons.texts)
    kinds = (*train.labels, *[OUTSIDE] * len(train.out_of_scope))
    assert tuple(lessons.labels[: len(kinds)]) == kinds
    assert (lessons.labels[len(kinds) :] == UNLABELLED).all()
    assert np.allclose(lessons.logits, toy_teacher.logits(lessons.texts), atol=1e-4)


def test_no_text_of_validation_or_test_is_learned_from(toy_teacher, toy_corpus):
    lessons = make_transfer_set(toy_teacher, toy_corpus, 0)
    assert not {*lessons.texts} & {*toy_corpus.validation.texts, *toy_corpus.test.texts}


def test_saved_transfer_set_loads_alike_without_pickle(toy_lessons, tmp_path):
    toy_lessons.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = load_transfer_set(tmp_path)
    assert again.texts == toy_lessons.texts
    assert np.array_equal(again.labels, toy_lessons.labels)
    assert np.array_equal(again.logits, toy_lessons.logits)
    assert json.loads((tmp_path / "texts.json").read_text()) == list(toy_lessons.texts)


@pytest.mark.parametrize("layer", [0, 2])
def test_hidden_states_on_disk_are_those_of_the_teacher(toy_teacher, toy_lessons, tmp_path, layer):
    save_hidden(toy_teacher, toy_lessons.texts, layer, tmp_path)
    states = load_hidden(tmp_path)
    for row in (0, 5, len(toy_lessons.texts) - 1):
        encoded = toy_teacher.vocabulary.encode([toy_lessons.texts[row]])
        with torch.no_grad():
            (expected,) = toy_teacher.encoder(
                torch.from_numpy(encoded.input_ids), output_hidden_states=True
            ).hidden_states[layer]
        (padded,) = states.padded([row], 12)
        assert torch.allclose(padded[: len(expected)], expected, atol=5e-3)
        assert not padded[len(expected) :].any()
