import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import softmax
from toy import perturb
from transformers import BertConfig, BertForSequenceClassification

from pocketbert.base.config import TeacherConfig
from pocketbert.base.errors import ModelError
from pocketbert.learn.fit import fine_tune, fit_head, parameter_groups
from pocketbert.models.metrics import accuracy


def test_frozen_teacher_learns_the_toy_intents(toy_corpus, toy_teacher):
    assert accuracy(toy_teacher.logits(toy_corpus.test.texts), toy_corpus.test.labels) > 0.9


def test_two_intents_get_two_logits(toy_corpus, toy_bert):
    def first_two(part):
        rows = [(t, i) for t, i in zip(part.texts, part.labels, strict=True) if i < 2]
        return replace(part, texts=tuple(t for t, _ in rows), labels=tuple(i for _, i in rows))

    parts = {name: first_two(part) for name, part in toy_corpus.parts.items()}
    two = replace(toy_corpus, labels=toy_corpus.labels[:2], **parts)
    teacher = fit_head(TeacherConfig(source=str(toy_bert)), two, 32)
    logits = teacher.logits(two.test.texts)
    assert logits.shape[1] == 2
    assert accuracy(logits, two.test.labels) > 0.9


def test_fine_tuning_learns_and_keeps_the_best_epoch(toy_corpus, toy_bert):
    config = TeacherConfig(source=str(toy_bert), epochs=3)
    frozen = fit_head(config, toy_corpus, 32)
    before = next(iter(frozen.encoder.encoder.parameters())).clone()
    tuned = fine_tune(frozen, toy_corpus, config)
    assert not torch.equal(before, next(iter(tuned.encoder.encoder.parameters())))
    assert accuracy(tuned.logits(toy_corpus.validation.texts), toy_corpus.validation.labels) > 0.9
    again = tuned.logits(toy_corpus.train.texts)
    assert np.allclose(tuned.train_logits, again, atol=1e-4)


def test_lower_layers_learn_more_slowly(toy_teacher):
    groups = parameter_groups(toy_teacher, TeacherConfig(learning_rate=0.01, layer_decay=0.5))
    # Head, three layers from the last to the first, embeddings.
    assert [group["lr"] for group in groups] == [1e-3, 0.01, 0.005, 0.0025, 0.00125]


def test_out_of_scope_texts_lower_the_confidence_in_their_kind(toy_corpus, toy_bert):
    def confidence(weight):
        config = TeacherConfig(
            source=str(toy_bert), learning_rate=1e-3, epochs=8, patience=8, outside_weight=weight
        )
        teacher = fine_tune(fit_head(config, toy_corpus, 32), toy_corpus, config)
        return softmax(teacher.logits(toy_corpus.test.out_of_scope), axis=1).max(1).mean()

    assert confidence(10.0) < confidence(0.0) - 0.05


@pytest.fixture
def classifier(toy_bert, toy_corpus, tmp_path):
    """A stock classifier with labels in an order of its own, to spoil."""
    folder = shutil.copytree(toy_bert, tmp_path / "classifier")
    names = dict(enumerate(reversed(toy_corpus.labels)))
    config = BertConfig.from_pretrained(toy_bert, id2label=names, label2id=None)
    torch.manual_seed(0)
    perturb(BertForSequenceClassification(config), 0.2).save_pretrained(folder)
    return folder


def test_head_that_a_classifier_brings_is_kept_in_the_order_of_the_data(classifier, toy_corpus):
    teacher = fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)
    texts = toy_corpus.test.texts
    stock = BertForSequenceClassification.from_pretrained(classifier).eval()
    with torch.no_grad():
        encoded = teacher.vocabulary.encode(texts)
        expected = stock(torch.tensor(encoded.input_ids), torch.tensor(encoded.attention_mask))
    assert np.allclose(teacher.logits(texts), expected.logits.numpy()[:, ::-1], atol=1e-4)


def test_head_with_other_labels_than_the_data_is_refused(classifier, toy_corpus):
    config = json.loads((classifier / "config.json").read_text())
    names = {**config["id2label"], "0": "book_flight"}
    (classifier / "config.json").write_text(json.dumps({**config, "id2label": names}))
    with pytest.raises(ModelError, match=r"3 labels and the data 3; 'book_flight' only the"):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


def test_fitted_teacher_can_teach_again(toy_teacher, toy_corpus, tmp_path):
    toy_teacher.save(tmp_path)
    again = fit_head(TeacherConfig(source=str(tmp_path)), toy_corpus, 32)
    texts = toy_corpus.test.texts
    assert np.allclose(again.logits(texts), toy_teacher.logits(texts), atol=1e-5)
