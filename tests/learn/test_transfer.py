from dataclasses import replace

import numpy as np
import pytest
import torch

from pocketbert.learn import transfer
from pocketbert.learn.losses import OUTSIDE, UNLABELLED
from pocketbert.learn.transfer import load_hidden, load_transfer_set, make_transfer_set, save_hidden
from pocketbert.models.calibration import fit_temperature


def test_every_text_carries_the_teachers_logits_and_what_is_known_of_its_label(
    toy_teacher, toy_corpus
):
    corpus = replace(toy_corpus, unlabeled=("dim the jazz", "wake me up"))
    transfer_set = make_transfer_set(toy_teacher, corpus, 1)
    train = corpus.train
    known = (*train.texts, *train.out_of_scope, *corpus.unlabeled)
    assert transfer_set.texts[: len(known)] == known
    assert len(transfer_set.texts) > len(known) + 50
    assert len({*transfer_set.texts}) == len(transfer_set.texts)
    kinds = (*train.labels, *[OUTSIDE] * len(train.out_of_scope))
    assert tuple(transfer_set.labels[: len(kinds)]) == kinds
    assert (transfer_set.labels[len(kinds) :] == UNLABELLED).all()
    assert np.allclose(transfer_set.logits, toy_teacher.logits(transfer_set.texts), atol=1e-4)


def test_no_text_of_validation_or_test_is_learned_from(toy_teacher, toy_corpus, monkeypatch):
    held = (toy_corpus.validation.texts[0], toy_corpus.test.texts[0].upper(), "new words")
    monkeypatch.setattr(transfer, "reword", lambda *_: held)
    transfer_set = make_transfer_set(toy_teacher, toy_corpus, 2)
    assert "new words" in transfer_set.texts
    assert not {*transfer_set.texts} & {*held[:2]}


def test_temperature_is_that_which_calibrates_the_teacher(toy_teacher, toy_corpus):
    validation = toy_corpus.validation
    calibrated = fit_temperature(toy_teacher.logits(validation.texts), validation.labels)
    temperature = make_transfer_set(toy_teacher, toy_corpus, 0).temperature
    assert temperature == min(max(calibrated, 0.5), 5.0)


@pytest.mark.parametrize(("found", "taken"), [(0.05, 0.5), (1.5, 1.5), (20.0, 5.0)])
def test_perfect_validation_does_not_switch_distillation_off(
    toy_teacher, toy_corpus, monkeypatch, found, taken
):
    monkeypatch.setattr(transfer, "fit_temperature", lambda *_: found)
    assert make_transfer_set(toy_teacher, toy_corpus, 0).temperature == taken


def test_saved_transfer_set_loads_alike_without_pickle(toy_transfer_set, tmp_path):
    toy_transfer_set.save(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {
        ".json",
        ".jsonl",
        ".safetensors",
        ".f32",
    }
    again = load_transfer_set(tmp_path)
    assert again.texts == toy_transfer_set.texts
    assert np.array_equal(again.labels, toy_transfer_set.labels)
    assert np.array_equal(again.logits, toy_transfer_set.logits)
    assert again.temperature == toy_transfer_set.temperature


@pytest.mark.parametrize("layer", [0, 2])
def test_hidden_states_on_disk_are_those_of_the_teacher(
    toy_teacher, toy_transfer_set, tmp_path, layer
):
    save_hidden(toy_teacher, toy_transfer_set.texts, layer, tmp_path)
    states = load_hidden(tmp_path)
    for row in (0, 5, len(toy_transfer_set.texts) - 1):
        encoded = toy_teacher.vocabulary.encode([toy_transfer_set.texts[row]])
        with torch.no_grad():
            (expected,) = toy_teacher.encoder(
                torch.from_numpy(encoded.input_ids), output_hidden_states=True
            ).hidden_states[layer]
        (padded,) = states.padded([row], 12)
        assert torch.allclose(padded[: len(expected)], expected, atol=5e-3)
        assert not padded[len(expected) :].any()
