import pytest
import torch
from toy import perturb

from pocketbert.base.config import StudentSpec
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


def test_lean_graph_leaves_the_students_weights_alone(toy_student):
    before = {name: value.clone() for name, value in toy_student.model.state_dict().items()}
    LeanBert(toy_student.model, 32)
    for name, value in toy_student.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_mask_is_finite_in_fp16():
    assert torch.tensor(MASKED).half().isfinite()
