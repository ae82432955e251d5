import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pipeline.config import StudentSpec
from pipeline.errors import ModelError
from pipeline.student import cut_student, load_student


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": 4}, "student.layers is 4, and the teacher has 3"),
        ({"hidden": 128}, "student.hidden is 128, and the teacher has 64"),
        ({"hidden": 40}, "not a multiple of the teacher's head size 16. Choose 32"),
    ],
)
def test_student_that_does_not_fit_the_teacher_is_refused(
    toy_teacher, toy_corpus, changes, message
):
    with pytest.raises(ModelError, match=message):
        cut_student(toy_teacher, toy_corpus.train.texts, spec(**changes))


def test_damaged_student_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a readable student"):
        load_student(tmp_path)
