from dataclasses import replace

import numpy as np
import pytest
import torch

from pocketbert.base.config import DistillConfig, StudentSpec, TeacherConfig
from pocketbert.learn import head
from pocketbert.learn.distill import Distillation
from pocketbert.learn.fit import fine_tune, fit_head
from pocketbert.learn.losses import OUTSIDE
from pocketbert.models.metrics import accuracy, auroc
from pocketbert.models.teacher import load_teacher

RNG = np.random.default_rng(0)


def test_class_for_out_of_scope_texts_is_kept_where_it_tells_them_apart(toy_teacher, toy_corpus):
    assert toy_teacher.score == "margin"
    test = toy_corpus.test
    inside, outside = (toy_teacher.logits(texts) for texts in (test.texts, test.out_of_scope))
    assert auroc(inside, outside) > 0.9
    assert accuracy(inside, test.labels) > 0.9


def test_class_for_out_of_scope_texts_that_misleads_is_not_kept(toy_corpus, toy_bert):
    """Planted: the out-of-scope texts to learn from are intents' texts, those to find are not."""
    validation, test = toy_corpus.validation, toy_corpus.test
    outside = (*validation.out_of_scope, *test.out_of_scope)
    misled = replace(
        toy_corpus,
        train=replace(toy_corpus.train, out_of_scope=test.texts),
        validation=replace(validation, out_of_scope=outside),
    )
    assert fit_head(TeacherConfig(source=str(toy_bert)), misled, 32).score == "highest"


@pytest.mark.parametrize("part", ["train", "validation"])
def test_without_out_of_scope_texts_the_highest_logit_is_the_score(toy_corpus, toy_bert, part):
    without = replace(getattr(toy_corpus, part), out_of_scope=())
    corpus = replace(toy_corpus, **{part: without})
    assert fit_head(TeacherConfig(source=str(toy_bert)), corpus, 32).score == "highest"


def test_how_long_a_feature_is_changes_no_logit(toy_teacher, toy_corpus, monkeypatch):
    texts = toy_corpus.test.texts[:4]
    before = toy_teacher.logits(texts)
    norm = toy_teacher.encoder.encoder.layer[-1].output.LayerNorm
    weight, bias = norm.weight.detach().clone(), norm.bias.detach().clone()
    try:
        with torch.no_grad():
            norm.weight.mul_(3)
            norm.bias.mul_(3)
        assert np.allclose(toy_teacher.logits(texts), before, atol=1e-4)
    finally:
        norm.weight.data, norm.bias.data = weight, bias


def test_saved_teacher_keeps_its_length_and_its_score(toy_teacher, toy_corpus, tmp_path):
    toy_teacher.save(tmp_path)
    again = load_teacher(tmp_path, 32)
    assert (again.length, again.score) == (toy_teacher.length, toy_teacher.score)
    texts = toy_corpus.test.texts
    assert np.allclose(again.logits(texts), toy_teacher.logits(texts), atol=1e-5)
    made = toy_teacher.logits(toy_corpus.train.texts)
    assert np.allclose(again.train_logits, made, atol=1e-3)


def test_features_that_tell_nothing_get_the_strongest_penalty():
    labels = np.arange(120) % 2
    rows = head._unit(RNG.normal(size=(120, 60)).astype(np.float32))
    weight, _ = head._choose(rows[:80], labels[:80], rows[80:], tuple(labels[80:]))
    strongest, _ = head._fit(rows[:80], labels[:80], head.STRENGTHS[0])
    assert np.allclose(weight, strongest)


@pytest.mark.parametrize("best", head.STRENGTHS)
def test_search_for_the_penalty_ends_at_the_best_and_does_not_try_all(best):
    tried = set()

    def loss(strength):
        tried.add(strength)
        return abs(np.log(strength / best))

    assert head._descend(loss) == best
    assert best < head.FIRST or len(tried) <= 4


def test_penalty_of_many_texts_is_chosen_on_a_sample_and_the_head_fitted_to_all(monkeypatch):
    """Planted: rows beyond the sample; each of 1,000 labels x 100,000 rows would take minutes."""
    labels = np.arange(600) % 3
    rows = head._unit(np.eye(3)[labels] + RNG.normal(scale=0.3, size=(600, 3)))
    sizes, fit = [], head._fit
    monkeypatch.setattr(head, "SAMPLE", 100)
    monkeypatch.setattr(head, "_fit", lambda x, *rest: sizes.append(len(x)) or fit(x, *rest))
    head._choose(rows, labels, rows, tuple(labels))
    assert sizes[-1] == 600 and {*sizes[:-1]} == {102} and len(sizes) <= 8


def test_fine_tuning_goes_on_to_tell_out_of_scope_texts_apart(toy_corpus, toy_bert):
    config = TeacherConfig(source=str(toy_bert), epochs=4, learning_rate=1e-3)
    tuned = fine_tune(fit_head(config, toy_corpus, 32), toy_corpus, config)
    test = toy_corpus.test
    assert auroc(tuned.logits(test.texts), tuned.logits(test.out_of_scope)) > 0.9


@pytest.mark.parametrize(("score", "learns"), [("margin", True), ("highest", False)])
def test_student_learns_from_out_of_scope_labels_only_where_the_teacher_has_a_class_for_them(
    toy_teacher, toy_student, score, learns
):
    spec = StudentSpec(layers=2, hidden=32, max_length=32)
    config = DistillConfig(logit_weight=0.0, label_weight=1.0, word_dropout=0.0)
    teacher = replace(toy_teacher, score=score)
    objective = Distillation(toy_student, teacher, spec, config, 2.0)
    ids, mask = torch.tensor([[2, 9, 3]]), torch.ones(1, 3, dtype=torch.long)
    loss = objective(ids, mask, torch.zeros(1, 3), torch.tensor([OUTSIDE]))
    assert bool(loss.detach() > 0) is learns
