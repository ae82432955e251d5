"""Classifiers of other kinds than BERT teach a student that is cut out of a donor."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import toy
from tables import keep_row
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import RobertaProcessing
from tokenizers.trainers import BpeTrainer
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from pocketbert.app.cache import Cache
from pocketbert.app.stages.learn import Job, fit_teacher, read_texts
from pocketbert.base.config import (
    DataConfig,
    DistillConfig,
    RunConfig,
    StudentSpec,
    TeacherConfig,
)
from pocketbert.base.errors import ModelError, PipelineError
from pocketbert.data.corpus import load_corpus
from pocketbert.flow import run
from pocketbert.learn.fit import fit_head, with_other
from pocketbert.models.encoders import MINILM, load_encoder, locate
from pocketbert.models.metrics import accuracy
from pocketbert.models.other import is_other
from pocketbert.models.prune import prune
from pocketbert.models.teacher import load_teacher, weights_file
from pocketbert.models.tokenizer import save_tokenizer


def train(model, tokenizer, corpus, labels):
    """A few epochs on the training texts; enough for bags of words."""
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    wanted = torch.tensor([labels.index(corpus.labels[label]) for label in corpus.train.labels])
    for _ in range(12):
        for rows in torch.randperm(len(wanted)).split(16):
            batch = tokenizer(
                [corpus.train.texts[row] for row in rows], padding=True, return_tensors="pt"
            )
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
            model(**inputs, labels=wanted[rows]).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval()


def shape(tokenizer, labels, width):
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": width,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 2 * width,
        "id2label": dict(enumerate(labels)),
    }


def make_roberta(folder, corpus, pieces, width):
    """A RoBERTa with byte-level BPE, its labels in another order than the data's."""
    backend = Tokenizer(BPE(unk_token="<unk>"))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=True)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = BpeTrainer(vocab_size=pieces, special_tokens=special, show_progress=False)
    backend.train_from_iterator(corpus.train.texts, trainer)
    backend.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_max_length=40,
    )
    labels = list(reversed(corpus.labels))
    config = RobertaConfig(
        **shape(tokenizer, labels, width), max_position_embeddings=44, pad_token_id=1
    )
    torch.manual_seed(0)
    model = train(RobertaForSequenceClassification(config), tokenizer, corpus, labels)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_bert(folder, corpus, pieces, width):
    """A BERT of the same size, its word pieces out of the packaged MiniLM's."""
    save_tokenizer(prune(load_encoder(locate(MINILM), 40)[1], corpus.train.texts, pieces), folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(**shape(tokenizer, corpus.labels, width)))
    train(model, tokenizer, corpus, list(corpus.labels)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def roberta(tmp_path_factory, toy_corpus):
    return make_roberta(tmp_path_factory.mktemp("roberta"), toy_corpus, pieces=400, width=32)


def test_only_what_no_student_is_cut_out_of_is_another_kind(roberta, toy_bert):
    assert is_other(roberta)
    assert not is_other(toy_bert)


def test_its_logits_are_its_own_in_the_order_of_the_data(roberta, toy_bert, toy_corpus, tmp_path):
    teacher = with_other(TeacherConfig(source=str(roberta)), str(toy_bert), toy_corpus, 32)
    texts = toy_corpus.test.texts[:8]
    tokenizer = AutoTokenizer.from_pretrained(roberta)
    model = AutoModelForSequenceClassification.from_pretrained(roberta).eval()
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    assert np.allclose(teacher.logits(texts), expected.logits.numpy()[:, ::-1], atol=1e-4)
    teacher.save(tmp_path)
    again = load_teacher(tmp_path, 32)
    assert np.allclose(again.logits(texts), teacher.logits(texts), atol=1e-5)
    assert weights_file(tmp_path) == tmp_path / "other" / "model.safetensors"


def test_a_roberta_teaches_a_student_of_another_model(roberta, toy_bert, toy_data, tmp_path):
    config = RunConfig(
        targets=("tflite",),
        data=DataConfig(source=str(toy_data)),
        teacher=TeacherConfig(source=str(roberta)),
        student=StudentSpec(layers=1, hidden=32, max_length=32, donor=str(toy_bert)),
        distill=DistillConfig(epochs=20, least_steps=1, batch_size=16, augment=0),
        gates=toy.loose_gates(min_retention=0.9, min_agreement=0.9),
    )
    result = run(config, tmp_path)
    assert result.failures == ()
    assert result.teacher.evaluation.accuracy > 0.9
    assert result.student.evaluation.accuracy >= 0.9 * result.teacher.evaluation.accuracy
    assert any("first weights are" in finding for finding in result.findings)


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_roberta, make_bert])
def test_a_student_keeps_as_much_of_a_roberta_as_of_a_bert(make, tmp_path):
    """On the built-in data, which toys do not learn to the last text, by the teacher's word alone.

    Both are worse there than letters are, so nothing is sealed; how much is kept can be seen.
    """
    corpus = load_corpus(DataConfig())
    (tmp_path / "teacher").mkdir()
    config = RunConfig(
        targets=("tflite",),
        processes=1,
        teacher=TeacherConfig(
            source=str(make(tmp_path / "teacher", corpus, pieces=2_000, width=64))
        ),
        student=StudentSpec(layers=1, hidden=64, vocabulary=2_000, embedding=None, max_length=32),
        distill=DistillConfig(augment=1, label_weight=0.0),
    )
    result = run(config, tmp_path / "out")
    teacher, student = result.teacher.evaluation, result.student.evaluation
    row = {
        "teacher": make.__name__,
        "parameters": [result.teacher.parameters, result.student.parameters],
        "accuracy": [teacher.accuracy, student.accuracy],
        "kept": student.accuracy / teacher.accuracy,
        "texts": student.texts,
    }
    keep_row("OTHER_TEACHERS", row)
    assert row["kept"] > 0.9


def test_settings_that_need_a_bert_are_refused(roberta, toy_bert, toy_corpus, tmp_path):
    for teacher, distillation in (
        (TeacherConfig(source=str(roberta), fine_tune=True), DistillConfig()),
        (TeacherConfig(source=str(roberta)), DistillConfig(hidden_weight=1.0)),
    ):
        student = StudentSpec(donor=str(toy_bert))
        config = RunConfig(teacher=teacher, distill=distillation, student=student)
        with pytest.raises(PipelineError, match="teaches as it is, by its logits alone"):
            fit_teacher(Job(config, toy_corpus, Cache(tmp_path)))


def test_a_teacher_with_other_labels_is_refused(roberta, toy_bert, toy_corpus, tmp_path):
    for file in roberta.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    content = json.loads((tmp_path / "config.json").read_text())
    content["id2label"]["0"] = "book_flight"
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="'book_flight' only the teacher has"):
        with_other(TeacherConfig(source=str(tmp_path)), str(toy_bert), toy_corpus, 32)


def test_an_encoder_of_another_kind_needs_a_head_first(tmp_path, toy_corpus):
    (tmp_path / "config.json").write_text('{"model_type": "roberta", "architectures": ["X"]}')
    with pytest.raises(ModelError, match="teaches once it is fine-tuned as a classifier"):
        fit_head(TeacherConfig(source=str(tmp_path)), toy_corpus, 32)


def test_the_donors_tokenizer_is_the_one_that_must_read_the_texts(roberta, toy_bert, toy_corpus):
    config = RunConfig(
        teacher=TeacherConfig(source=str(roberta)), student=StudentSpec(donor=str(toy_bert))
    )
    job = read_texts(Job(config, toy_corpus, None))
    assert job.corpus.findings[0].startswith("the student's first weights are")


def test_a_new_head_replaces_one_of_other_labels(toy_teacher, toy_corpus, tmp_path):
    replace(toy_teacher, labels=("a", "b", "c")).save(tmp_path)
    with pytest.raises(ModelError, match="have a new head fitted with --new-head"):
        fit_head(TeacherConfig(source=str(tmp_path)), toy_corpus, 32)
    teacher = fit_head(TeacherConfig(source=str(tmp_path), new_head=True), toy_corpus, 32)
    texts, labels = toy_corpus.test.texts, toy_corpus.test.labels
    assert accuracy(teacher.logits(texts), labels) > 0.9
