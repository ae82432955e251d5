import shutil

import numpy as np
import pytest
import torch
from toy import perturb
from transformers import (
    BertConfig,
    BertForSequenceClassification,
)

from pocketbert.base.config import StudentSpec, TeacherConfig
from pocketbert.base.errors import ModelError
from pocketbert.learn.cut import cut_student, fold, source_layers
from pocketbert.learn.fit import fit_head


def spec(**changes):
    return StudentSpec(
        **{"layers": 2, "hidden": 32, "vocabulary": None, "max_length": 32, **changes}
    )


def test_student_is_cut_out_of_the_teachers_weights(toy_teacher, toy_corpus):
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec())
    ours = student.model.bert.embeddings.word_embeddings.weight
    theirs = toy_teacher.encoder.embeddings.word_embeddings.weight
    columns = [(theirs == ours[:, i : i + 1]).all(0).any() for i in range(32)]
    assert all(columns)


def test_pruned_student_keeps_each_pieces_own_row(toy_teacher, toy_corpus):
    pruned, full = (
        cut_student(toy_teacher, toy_corpus.train.texts, spec(vocabulary=size))
        for size in (100, None)
    )
    assert len(pruned.vocabulary) < len(full.vocabulary)
    last = pruned.vocabulary.pieces[-1]
    assert pruned.vocabulary.pieces.index(last) < full.vocabulary.pieces.index(last)
    rows = [
        s.model.bert.embeddings.word_embeddings.weight[s.vocabulary.pieces.index(last)]
        for s in (pruned, full)
    ]
    assert torch.equal(*rows)


def test_student_of_all_layers_and_dimensions_starts_as_the_teacher(toy_teacher, toy_corpus):
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec(layers=3, hidden=64))
    inputs = torch.tensor([[2, 60, 61, 3]]), torch.ones(1, 4, dtype=torch.int64)
    theirs = toy_teacher.encoder(*inputs).last_hidden_state
    ours = student.model.bert(*inputs).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_student_of_a_teacher_with_a_pooler_starts_with_its_logits(toy_bert, toy_corpus, tmp_path):
    names = dict(enumerate(toy_corpus.labels))
    config = BertConfig.from_pretrained(toy_bert, id2label=names, label2id=None)
    folder = shutil.copytree(toy_bert, tmp_path / "classifier")
    perturb(BertForSequenceClassification(config)).save_pretrained(folder)
    teacher = fit_head(TeacherConfig(source=str(folder)), toy_corpus, 32)
    student = cut_student(teacher, toy_corpus.train.texts, spec(layers=3, hidden=64))
    texts = toy_corpus.test.texts
    assert np.allclose(student.logits(texts), teacher.logits(texts), atol=1e-4)


@pytest.mark.parametrize("embedding", [None, 16])
def test_folding_changes_no_output(toy_teacher, toy_corpus, embedding):
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec(embedding=embedding))
    perturb(student.model)
    texts = toy_corpus.test.texts
    before = student.logits(texts)
    fold(student)
    assert np.allclose(student.logits(texts), before, atol=1e-5)


def test_words_that_training_never_saw_move_with_those_it_saw(toy_teacher, toy_corpus):
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec())
    words = student.model.bert.embeddings.word_embeddings
    before = words.weight.detach().clone()
    seen = student.vocabulary.encode(toy_corpus.train.texts[:20]).input_ids
    student.model(torch.from_numpy(seen)).logits.sum().backward()
    with torch.no_grad():
        for parameter in words.parameters():
            parameter -= 0.1 * parameter.grad
    assert (words.weight != before).any(1).all()


def test_layers_are_cut_from_those_of_the_teacher_that_are_named(toy_teacher, toy_corpus):
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec(teacher_layers=(1, 1)))
    first, second = (layer.output.dense.weight for layer in student.model.bert.encoder.layer)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("layers", "expected"), [(1, (5,)), (2, (0, 5)), (3, (0, 2, 5)), (8, (0, 0, 1, 2, 2, 3, 4, 5))]
)
def test_layers_are_spread_over_the_teachers(layers, expected):
    assert source_layers(6, spec(layers=layers)) == expected


def test_factors_are_the_best_approximation_of_the_table(toy_teacher, toy_corpus, narrow_student):
    full = cut_student(toy_teacher, toy_corpus.train.texts, spec())
    table = full.model.bert.embeddings.word_embeddings.weight
    left, strength, right = torch.linalg.svd(table.detach(), full_matrices=False)
    best = left[:, :16] * strength[:16] @ right[:16]
    assert torch.allclose(
        narrow_student.model.bert.embeddings.word_embeddings.weight, best, atol=1e-5
    )


@pytest.mark.parametrize("embedding", [32, 64])
def test_table_no_narrower_than_the_student_takes_no_second_matrix(
    toy_teacher, toy_corpus, embedding
):
    """A preset's number of columns, and a smaller `hidden` of one's own."""
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec(hidden=32, embedding=embedding))
    assert len(student.model.bert.embeddings.word_embeddings.maps) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"layers": 2, "teacher_layers": (0, 3)},
            "teacher_layers names layer 3, and the teacher's are 0 to 2",
        ),
        ({"hidden": 128}, "student.hidden is 128, and the teacher has 64"),
        ({"hidden": 40}, "not a multiple of the teacher's head size 16. Choose 32"),
    ],
)
def test_student_that_does_not_fit_the_teacher_is_refused(
    toy_teacher, toy_corpus, changes, message
):
    with pytest.raises(ModelError, match=message):
        cut_student(toy_teacher, toy_corpus.train.texts, spec(**changes))
