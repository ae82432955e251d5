import pytest
import torch
from torch import nn
from toy import perturb
from transformers import BertConfig, BertForSequenceClassification

from pocketbert.base.config import ACTIVATIONS, StudentSpec
from pocketbert.learn.cut import cut_student, fold
from pocketbert.models.lean import MASKED, LeanBert


@pytest.fixture(scope="module")
def lean(toy_student):
    return LeanBert(toy_student.model, toy_student.vocabulary.max_length)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 17, 31, 32])
def test_lean_graph_equals_hugging_faces(toy_student, lean, length):
    generator = torch.Generator().manual_seed(length)
    ids = torch.randint(0, len(toy_student.vocabulary), (1, length), generator=generator)
    for used in {1, (length + 1) // 2, length}:
        mask = (torch.arange(length) < used).long()[None]
        with torch.no_grad():
            expected = toy_student.forward(ids, mask)
        assert torch.allclose(lean(ids, mask), expected, atol=1e-5)


def test_lean_graph_of_a_factorised_student_equals_it(toy_teacher, toy_corpus):
    spec = StudentSpec(layers=2, hidden=32, vocabulary=None, max_length=32, embedding=8)
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec)
    perturb(student.model)
    fold(student)
    lean = LeanBert(student.model, 32)
    assert lean.embedding.weight.shape[1] == 8
    ids = torch.randint(0, len(student.vocabulary), (1, 9))
    with torch.no_grad():
        expected = student.forward(ids, torch.ones_like(ids))
    assert torch.allclose(lean(ids, torch.ones_like(ids)), expected, atol=1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_lean_graph_computes_the_students_own_activation(toy_teacher, toy_corpus, activation):
    spec = StudentSpec(hidden=32, vocabulary=None, max_length=32, hidden_act=activation)
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec)
    perturb(student.model)
    fold(student)
    assert student.model.config.hidden_act == activation
    ids = torch.randint(0, len(student.vocabulary), (1, 9))
    with torch.no_grad():
        expected = student.forward(ids, torch.ones_like(ids))
    assert torch.allclose(
        LeanBert(student.model, 32)(ids, torch.ones_like(ids)), expected, atol=1e-5
    )


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_biases_of_norms_and_joint_products_change_no_logit(toy_vocabulary, layers):
    torch.manual_seed(layers)
    config = BertConfig(
        vocab_size=len(toy_vocabulary),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    model = perturb(BertForSequenceClassification(config), 0.3)
    lean = LeanBert(model, 32)
    norms = [one for one in lean.modules() if isinstance(one, nn.LayerNorm)]
    assert len(norms) == 1 + 2 * layers and all(one.bias is None for one in norms)
    assert all(one.bias.abs().min() > 0 for one in model.modules() if isinstance(one, nn.LayerNorm))
    ids, mask = torch.randint(0, len(toy_vocabulary), (1, 9)), torch.ones(1, 9, dtype=torch.long)
    mask[0, 7:] = 0
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask).logits
    assert torch.allclose(lean(ids, mask), expected, atol=1e-5)


def test_lean_graph_draws_no_random_numbers(toy_student):
    before = torch.get_rng_state()
    LeanBert(toy_student.model, 32)
    assert torch.equal(torch.get_rng_state(), before)


def test_lean_graph_leaves_the_students_weights_alone(toy_student):
    before = {name: value.clone() for name, value in toy_student.model.state_dict().items()}
    LeanBert(toy_student.model, 32)
    for name, value in toy_student.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_mask_is_finite_in_fp16():
    assert torch.tensor(MASKED).half().isfinite()
