import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pipeline.config import DataConfig, StudentSpec, TeacherConfig
from pipeline.data import load_corpus
from pipeline.errors import ModelError
from pipeline.student import cut_student, load_student
from pipeline.teacher import fit_teacher


@pytest.fixture(scope="module")
def corpus(toy_data):
    return load_corpus(DataConfig(source=str(toy_data)))


@pytest.fixture(scope="module")
def teacher(corpus, toy_bert):
    return fit_teacher(TeacherConfig(source=str(toy_bert)), corpus, 32)


def spec(**changes):
    return StudentSpec(
        **{"layers": 2, "hidden": 32, "vocabulary": None, "max_length": 32, **changes}
    )


def test_saved_student_opens_with_stock_from_pretrained(main_run):
    folder = main_run[0] / "student"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**tokenizer("wake me up at 7 tomorrow", return_tensors="pt")).logits
    assert model.config.id2label[int(logits.argmax())] == "set_alarm"
    ours = load_student(folder).logits(["wake me up at 7 tomorrow"])
    assert np.allclose(logits.numpy(), ours, atol=1e-5)


def test_student_is_cut_out_of_the_teachers_weights(teacher, corpus):
    student = cut_student(teacher, corpus.train.texts, spec())
    ours = student.model.bert.embeddings.word_embeddings.weight
    theirs = teacher.encoder.embeddings.word_embeddings.weight
    columns = [(theirs == ours[:, i : i + 1]).all(0).any() for i in range(32)]
    assert all(columns)


def test_pruned_student_keeps_each_pieces_own_row(teacher, corpus):
    student = cut_student(teacher, corpus.train.texts, spec(vocabulary=100))
    full = cut_student(teacher, corpus.train.texts, spec())
    row = student.vocabulary.pieces.index("lights")
    pruned, whole = (
        s.model.bert.embeddings.word_embeddings.weight[s.vocabulary.pieces.index("lights")]
        for s in (student, full)
    )
    assert len(student.vocabulary) < len(full.vocabulary) and row > 0
    assert torch.equal(pruned, whole)


def test_student_of_all_layers_and_dimensions_starts_as_the_teacher(teacher, corpus):
    student = cut_student(teacher, corpus.train.texts, spec(layers=3, hidden=64))
    inputs = torch.tensor([[2, 60, 61, 3]]), torch.ones(1, 4, dtype=torch.int64)
    theirs = teacher.encoder(*inputs).last_hidden_state
    ours = student.model.bert(*inputs).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 4}, "student.layers is 4, and the teacher has 3"),
        ({"hidden": 128}, "student.hidden is 128, and the teacher has 64"),
        ({"hidden": 40}, "not a multiple of the teacher's head size 16. Choose 32"),
    ],
)
def test_student_that_does_not_fit_the_teacher_is_refused(teacher, corpus, changes, message):
    with pytest.raises(ModelError, match=message):
        cut_student(teacher, corpus.train.texts, spec(**changes))


def test_damaged_student_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a readable student"):
        load_student(tmp_path)
