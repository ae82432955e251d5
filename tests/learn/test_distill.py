from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pocketbert.base.config import DistillConfig, StudentSpec
from pocketbert.base.errors import PipelineError
from pocketbert.base.progress import showing
from pocketbert.learn.checkpoint import TENSORS, Checkpoints
from pocketbert.learn.cut import cut_student
from pocketbert.learn.distill import Distillation, apply_word_dropout, distill, hidden_layers
from pocketbert.learn.transfer import load_hidden, save_hidden
from pocketbert.models.metrics import agreement
from pocketbert.models.vocabulary import SPECIAL

SPEC = StudentSpec(layers=1, hidden=32, vocabulary=None, max_length=32)
QUICK = DistillConfig(epochs=12, least_steps=1, batch_size=16)


def test_student_learns_to_choose_as_the_teacher(toy_teacher, toy_transfer_set, toy_corpus):
    student = distill(toy_teacher, toy_transfer_set, SPEC, QUICK)
    texts = toy_corpus.test.texts
    assert agreement(student.logits(texts), toy_teacher.logits(texts)) > 0.9


def test_same_seed_gives_the_same_student_and_another_seed_another(
    toy_teacher, toy_transfer_set, toy_corpus
):
    short = replace(QUICK, epochs=1)
    students = [
        distill(toy_teacher, toy_transfer_set, SPEC, short, seed=seed) for seed in (1, 1, 2)
    ]
    first, same, other = (s.logits(toy_corpus.test.texts) for s in students)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_small_data_are_seen_often_enough(toy_teacher, toy_transfer_set):
    seen = list[int]()

    def noted(steps, what):
        seen.append(len(steps))
        return steps

    few = replace(QUICK, epochs=1, least_steps=50)
    with showing(noted):
        distill(toy_teacher, toy_transfer_set, SPEC, few)
    per_epoch = -(-len(toy_transfer_set.texts) // QUICK.batch_size)
    assert 50 <= seen[-1] < 50 + per_epoch


def test_factorised_student_learns_too(toy_teacher, toy_transfer_set, toy_corpus):
    student = distill(toy_teacher, toy_transfer_set, replace(SPEC, embedding=16), QUICK)
    texts = toy_corpus.test.texts
    assert agreement(student.logits(texts), toy_teacher.logits(texts)) > 0.9


@pytest.mark.parametrize("name", ["hidden_weight", "embedding_weight", "relation_weight"])
def test_loss_on_hidden_states_brings_the_student_nearer_to_them(
    toy_teacher, toy_transfer_set, tmp_path, name
):
    config = replace(QUICK, epochs=2, **{name: 1.0}, logit_weight=0.0, label_weight=0.0)
    hidden = {}
    for layer in hidden_layers(toy_teacher, SPEC, config):
        save_hidden(toy_teacher, toy_transfer_set.texts, layer, tmp_path)
        hidden[layer] = load_hidden(tmp_path)
    losses = list[float]()
    kept = Distillation.forward

    def noted(self, **batch):
        loss = kept(self, **batch)
        losses.append(loss.item())
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Distillation, "forward", noted)
        distill(toy_teacher, toy_transfer_set, SPEC, config, hidden=hidden)
    assert len(hidden) == 1
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:3])


def test_texts_that_the_student_segments_otherwise_are_left_out_of_hidden_losses(
    toy_teacher, toy_transfer_set
):
    config = replace(QUICK, embedding_weight=1.0)
    student = cut_student(toy_teacher, toy_transfer_set.texts, SPEC)
    objective = Distillation(student, toy_teacher, SPEC, config, 2.0).eval()
    ids = torch.tensor([[2, 7, 8, 3], [2, 9, 8, 3]])
    states = torch.randn(2, 1, 4, 64)
    other = states.clone()
    other[1] += 5

    def loss(hidden, aligned=(True, False)):
        return objective(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            logits=torch.zeros(2, 3),
            labels=torch.zeros(2, dtype=torch.long),
            hidden=hidden,
            aligned=torch.tensor(aligned),
        )

    torch.manual_seed(0)
    one = loss(states)
    torch.manual_seed(0)
    assert loss(other) == one
    assert torch.isfinite(loss(other, (False, False)))


def test_hidden_states_that_a_loss_needs_must_be_given(toy_teacher, toy_transfer_set):
    with pytest.raises(ValueError, match=r"hidden states after layers \[3\] are needed"):
        distill(toy_teacher, toy_transfer_set, SPEC, replace(QUICK, hidden_weight=1.0))


def test_loss_that_is_not_finite_stops_at_its_step_and_keeps_the_checkpoint(
    toy_teacher, toy_transfer_set, tmp_path
):
    logits = toy_transfer_set.logits.copy()
    logits[7] = np.nan
    spoiled = replace(toy_transfer_set, logits=logits)
    checkpoints = Checkpoints(tmp_path / "student", 1)
    message = r"The loss is nan at step \d+ of .* the state after step \d+ is kept"
    with pytest.raises(PipelineError, match=message):
        distill(toy_teacher, spoiled, SPEC, QUICK, checkpoints=checkpoints)
    (left,) = checkpoints.folder.iterdir()
    state = load_file(left / TENSORS)
    assert all(torch.isfinite(value).all() for value in state.values())


def test_hidden_words_are_masked_and_special_pieces_never(toy_vocabulary):
    ids = torch.from_numpy(toy_vocabulary.encode(["dim the lights", "rain"] * 200).input_ids)
    torch.manual_seed(0)
    special = torch.tensor([toy_vocabulary.pieces.index(piece) for piece in SPECIAL])
    masked = toy_vocabulary.pieces.index("[MASK]")
    seen = apply_word_dropout(ids, 0.3, special, masked)
    changed = seen != ids
    words = ids >= len(SPECIAL)
    assert not changed[~words].any()
    assert (seen[changed] == masked).all()
    assert changed[words].float().mean().item() == pytest.approx(0.3, abs=0.05)
    assert torch.equal(apply_word_dropout(ids, 0.0, special, masked), ids)
