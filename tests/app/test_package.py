import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from command import pocketbert
from toy import WORDS, make_vocabulary, perturb, utterances
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DistilBertConfig,
    ElectraConfig,
)

from pocketbert.app.stages.package import Request, package
from pocketbert.base.config import DataConfig, Gates, RunConfig, StudentSpec, TeacherConfig
from pocketbert.base.errors import DataError, ModelError
from pocketbert.bundle.open import open_bundle
from pocketbert.models.adopt import check_same, open_classifier, with_vocabulary
from pocketbert.models.lean import LeanBert
from pocketbert.models.parts import ARCHITECTURES
from pocketbert.models.prune import prune
from pocketbert.models.student import load_student
from pocketbert.models.tokenizer import save_tokenizer

TEXTS = [text for words in WORDS.values() for text in utterances(words, 8, 5)] + ["Über", "", "x"]


def make_classifier(folder, kind, lowercase=True):
    """A stock classifier of random weights."""
    torch.manual_seed(0)
    vocabulary = replace(make_vocabulary(), lowercase=lowercase, max_length=64)
    labels = dict(enumerate(WORDS))
    shape = {"vocab_size": len(vocabulary), "max_position_embeddings": 64, "id2label": labels}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    wide |= {"intermediate_size": 64}
    config = {
        "bert": lambda: BertConfig(**shape, **wide),
        "electra": lambda: ElectraConfig(**shape, **wide, embedding_size=16),
        "distilbert": lambda: DistilBertConfig(
            **shape, dim=32, n_layers=2, n_heads=2, hidden_dim=64
        ),
    }[kind]()
    # Apart enough that int8 changes no answer, as in a model that was trained.
    perturb(ARCHITECTURES[kind](config), 0.2).save_pretrained(folder)
    save_tokenizer(vocabulary, folder)
    return folder


@pytest.fixture(scope="module", params=ARCHITECTURES)
def classifier(request, tmp_path_factory):
    return make_classifier(tmp_path_factory.mktemp(request.param), request.param)


def stock_logits(folder, text):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
    with torch.no_grad():
        return model(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"]).logits


def lean_logits(student, text):
    encoded = student.vocabulary.encode([text])
    graph = LeanBert(student.model, student.vocabulary.max_length)
    with torch.no_grad():
        return graph(*map(torch.from_numpy, (encoded.input_ids, encoded.attention_mask)))


def test_ids_and_logits_are_those_of_transformers(classifier):
    student = open_classifier(classifier, 64)
    check_same(student, classifier, TEXTS)
    for text in TEXTS:
        assert torch.allclose(lean_logits(student, text), stock_logits(classifier, text), atol=1e-4)


@pytest.mark.parametrize("lowercase", [True, False])
def test_casing_is_the_models_own(tmp_path, lowercase):
    folder = make_classifier(tmp_path, "distilbert", lowercase)
    student = open_classifier(folder, 64)
    assert student.vocabulary.lowercase == lowercase
    check_same(student, folder, [*TEXTS, "TURN ON the Lights"])


def test_a_pruned_vocabulary_changes_no_answer_on_its_texts(classifier, tmp_path):
    student = open_classifier(classifier, 64)
    whole = student.logits(TEXTS)
    pruned = prune(student.vocabulary, TEXTS, len(student.vocabulary) - 5)
    assert len(pruned) < len(student.vocabulary)
    kept = with_vocabulary(student, pruned)
    assert np.allclose(kept.logits(TEXTS), whole, atol=1e-5)
    kept.save(tmp_path)
    assert np.allclose(load_student(tmp_path).logits(TEXTS), whole, atol=1e-5)


def test_a_planted_fault_in_the_weights_is_found(classifier):
    student = open_classifier(classifier, 64)
    with torch.no_grad():
        next(student.model.parameters()).mul_(1.5)
    with pytest.raises(ModelError, match="logits differ from those of transformers by"):
        check_same(student, classifier, TEXTS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_type": "roberta", "architectures": ["RobertaFor"]},
            "is a RobertaFor, and package",
        ),
        ({"architectures": ["BertModel"]}, "is a BertModel, and package takes BertForSequence"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu', and a phone runs 'gelu'"),
        ({"problem_type": "multi_label_classification"}, "head is one for multi_label"),
        ({"max_position_embeddings": 16}, "reads 16 tokens, fewer than max_length 64"),
    ],
)
def test_what_cannot_be_packaged_is_refused_by_name(tmp_path, change, message):
    folder = make_classifier(tmp_path, "bert")
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        open_classifier(folder, 64)


def request(folder, targets=("tflite", "coreml"), labelled=True, vocabulary=None, **data):
    config = RunConfig(
        targets=targets,
        data=DataConfig(**data),
        teacher=TeacherConfig(source=str(folder)),
        student=StudentSpec(max_length=32),
        gates=Gates(
            max_probe_error=1.0,
            min_same_decisions=0.8,
            max_accuracy_drop=0.05 if labelled else 1.0,
            min_agreement=0.9,
        ),
    )
    return Request(config, labelled, vocabulary)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_classifier_becomes_a_sealed_bundle(tmp_path, kind, toy_data):
    folder = make_classifier(tmp_path / kind, kind)
    result = package(request(folder, source=str(toy_data), vocabulary=120), tmp_path / "out")
    assert result.failures == ()
    bundle = open_bundle(result.bundle)
    assert bundle.labels == tuple(WORDS)
    for name in ("tflite", "coreml"):
        verdict = result.verdicts[name]
        assert verdict.agreement >= 0.9
        assert verdict.max_difference < 0.5
    stock = [stock_logits(folder, text).argmax().item() for text in TEXTS]
    runner = bundle.load("tflite")
    encoded = bundle.vocabulary.encode(TEXTS)
    found = runner.logits(encoded.input_ids, encoded.attention_mask).argmax(1).tolist()
    assert sum(one == other for one, other in zip(found, stock, strict=True)) >= len(TEXTS) - 2


def test_without_labels_it_says_which_gates_were_not_run(tmp_path):
    folder = make_classifier(tmp_path / "m", "electra")
    raw = tmp_path / "raw.txt"
    raw.write_text("\n".join(TEXTS))
    done = pocketbert(
        *("package", str(folder), "--unlabeled", str(raw), "--targets", "tflite"),
        *("--out", str(tmp_path / "out"), "--max-length", "32", "--recipe", "float"),
    )
    assert done.returncode == 0, done.stderr
    assert "gate not run: accuracy, its drop and the calibration" in done.stdout
    entry = open_bundle(tmp_path / "out" / "bundle").manifest.artifacts["tflite"]
    assert entry.temperature == 1.0
    assert entry.threshold > -100
    assert set(entry.metrics) == {"agreement"}


def test_labels_that_the_model_does_not_have_are_refused(tmp_path, toy_data):
    folder = make_classifier(tmp_path / "m", "bert")
    text = toy_data.read_text().replace('"music"', '"songs"')
    (tmp_path / "d.jsonl").write_text(text)
    with pytest.raises(ModelError, match="'songs' is none of the model's 3 labels"):
        package(request(folder, source=str(tmp_path / "d.jsonl")), tmp_path / "out")


def test_texts_of_another_script_are_refused(tmp_path):
    folder = make_classifier(tmp_path / "m", "bert")
    (tmp_path / "raw.txt").write_text("ปิดไฟ\nเปิดไฟ\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"are \[UNK\]"):
        asked = request(folder, labelled=False, unlabeled=str(tmp_path / "raw.txt"))
        package(asked, tmp_path / "out")
