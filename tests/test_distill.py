import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.config import DistillConfig, StudentSpec
from pipeline.distill import distill, hide_words, reword, soft_loss
from pipeline.errors import PipelineError
from pipeline.evaluate import agreement
from pipeline.vocabulary import SPECIAL

SPEC = StudentSpec(layers=1, hidden=32, vocabulary=None, max_length=32)
QUICK = DistillConfig(epochs=12, batch_size=16)


def test_student_learns_to_choose_as_the_teacher(toy_teacher, toy_corpus):
    student = distill(toy_teacher, toy_corpus, SPEC, QUICK)
    texts = toy_corpus.test.texts
    assert agreement(student.logits(texts), toy_teacher.logits(texts)) > 0.9


def test_same_seed_gives_the_same_student_and_another_seed_another(toy_teacher, toy_corpus):
    students = [
        distill(toy_teacher, toy_corpus, SPEC, DistillConfig(epochs=1), seed) for seed in (1, 1, 2)
    ]
    first, same, other = (s.logits(toy_corpus.test.texts) for s in students)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_rewording_is_labelled_by_the_teacher_and_learned_from(toy_teacher, toy_corpus):
    student = distill(toy_teacher, toy_corpus, SPEC, replace(QUICK, epochs=3, augment=2))
    texts = toy_corpus.test.texts
    assert agreement(student.logits(texts), toy_teacher.logits(texts)) > 0.8


def test_loss_that_is_not_finite_stops_at_its_step(toy_teacher, toy_corpus):
    logits = toy_teacher.train_logits.copy()
    logits[7] = np.nan
    with pytest.raises(PipelineError, match=r"The loss is nan at step \d+ of"):
        distill(replace(toy_teacher, train_logits=logits), toy_corpus, SPEC, QUICK)


def test_soft_loss_is_zero_for_equal_logits_and_positive_otherwise():
    a, b = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    assert soft_loss(a, a, 2.0).item() == pytest.approx(0, abs=1e-7)
    assert soft_loss(a, b, 2.0) > 0


def test_hidden_words_are_masked_and_special_pieces_never(toy_vocabulary):
    ids = torch.from_numpy(toy_vocabulary.encode(["dim the lights", "rain"] * 200).input_ids)
    torch.manual_seed(0)
    seen = hide_words(ids, toy_vocabulary, 0.3)
    changed = seen != ids
    words = ids >= len(SPECIAL)
    assert not changed[~words].any()
    assert (seen[changed] == toy_vocabulary.pieces.index("[MASK]")).all()
    assert changed[words].float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(hide_words(ids, toy_vocabulary, 0.0), ids)


def test_reworded_texts_are_made_of_the_texts_words():
    texts = ("turn on the lights", "play some jazz", "one")
    made = reword(texts, 3, random.Random(0))
    words = set(" ".join(texts).split())
    assert len(made) == 9
    assert all(text and set(text.split()) <= words for text in made)
