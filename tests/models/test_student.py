import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from pocketbert.base.errors import ModelError
from pocketbert.models.student import FactorizedEmbedding, load_student


def test_saved_student_opens_with_stock_from_pretrained(main_run):
    folder = main_run[0] / "student"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(**tokenizer("wake me up at 7 tomorrow", return_tensors="pt")).logits
    assert model.config.id2label[int(logits.argmax())] == "set_alarm"
    ours = load_student(folder).logits(["wake me up at 7 tomorrow"])
    assert np.allclose(logits.numpy(), ours, atol=1e-5)


def test_factorised_student_opens_with_stock_from_pretrained_and_keeps_its_factors(
    toy_corpus, narrow_student, tmp_path
):
    texts = toy_corpus.test.texts[:8]
    narrow_student.save(tmp_path)
    again = load_student(tmp_path)
    assert isinstance(again.model.bert.embeddings.word_embeddings, FactorizedEmbedding)
    assert np.array_equal(again.logits(texts), narrow_student.logits(texts))
    stock = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    encoded = narrow_student.vocabulary.encode(texts)
    with torch.no_grad():
        logits = stock(
            torch.from_numpy(encoded.input_ids), torch.from_numpy(encoded.attention_mask)
        ).logits
    assert np.allclose(logits.numpy(), narrow_student.logits(texts), atol=1e-5)


def test_damaged_student_is_refused(tmp_path):
    with pytest.raises(ModelError, match="not a readable model"):
        load_student(tmp_path)
