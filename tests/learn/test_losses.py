import math

import pytest
import torch

from pocketbert.learn.losses import (
    OUTSIDE,
    UNLABELLED,
    hidden_loss,
    label_loss,
    label_none,
    logit_loss,
    outside_loss,
    relation_loss,
    with_none,
)

A, B = torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 2.0]])
MASK = torch.tensor([[1, 1, 1, 0]])


def rows(seed: int, width: int = 8) -> torch.Tensor:
    return torch.randn(1, 4, width, generator=torch.Generator().manual_seed(seed))


def test_logit_loss_is_zero_for_equal_logits_and_positive_otherwise():
    assert logit_loss(A, A, 2.0).item() == pytest.approx(0, abs=1e-7)
    assert logit_loss(A, B, 2.0) > 0


def test_logit_loss_at_a_high_temperature_is_the_squared_distance_of_logits():
    # Hinton et al. 2015, section 2.1: half the squared distance over the number of labels.
    assert logit_loss(A, B, 1000.0).item() == pytest.approx(0.5, rel=1e-3)


def test_label_loss_skips_rows_without_a_label_but_counts_them():
    logits = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    labels = torch.tensor([1, UNLABELLED, OUTSIDE])
    assert label_loss(logits, labels).item() == pytest.approx(math.log(2) / 3)


def test_class_of_no_intent_has_the_logit_0_and_is_what_out_of_scope_texts_are_taught():
    logits, labels = torch.tensor([[3.0, 3.0], [-3.0, -3.0]]), torch.tensor([OUTSIDE, UNLABELLED])
    three = with_none(logits)
    assert three.tolist() == [[3.0, 3.0, 0.0], [-3.0, -3.0, 0.0]]
    assert label_none(labels, 2).tolist() == [2, UNLABELLED]
    sure = label_loss(three[1:], label_none(labels[:1], 2))
    unsure = label_loss(three[:1], label_none(labels[:1], 2))
    assert sure < 0.2 < 3 < unsure


def test_outside_loss_is_zero_for_even_outputs_and_looks_at_marked_rows_only():
    logits = torch.tensor([[1.0, 1.0], [9.0, 0.0]])
    assert outside_loss(logits, torch.tensor([True, False])).item() == pytest.approx(0, abs=1e-6)
    assert outside_loss(logits, torch.tensor([True, True])) > 1


def test_hidden_loss_ignores_what_is_masked():
    student, teacher = rows(0), rows(0).clone()
    teacher[:, 3] += 7
    assert hidden_loss(student, teacher, MASK).item() == 0
    teacher[:, 0] += 1
    assert hidden_loss(student, teacher, MASK).item() == pytest.approx(1 / 3)


def test_relation_loss_compares_relations_not_vectors():
    student = rows(0)
    turned = student[..., torch.randperm(8)]  # one head: dot products do not change
    assert relation_loss(student, turned, MASK, 1).item() == pytest.approx(0, abs=1e-6)
    assert relation_loss(student, rows(1), MASK, 1) > 0.01


def test_relation_loss_takes_widths_that_differ_and_ignores_what_is_masked():
    student, teacher = rows(0), rows(1, width=12)
    changed = teacher.clone()
    changed[:, 3] += 7
    losses = [relation_loss(student, other, MASK, 4) for other in (teacher, changed)]
    assert torch.isfinite(losses[0])
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-5)
