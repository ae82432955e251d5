import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from classifiers import make_classifier
from command import pocketbert
from toy import WORDS, utterances
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pocketbert.app.cli.package import HEEDED
from pocketbert.app.packaged import read_packaged
from pocketbert.base.config import AS_IS, SETTINGS, TeacherConfig
from pocketbert.base.config_text import to_package_command
from pocketbert.base.errors import DataError, ModelError
from pocketbert.bundle.open import open_bundle
from pocketbert.flow import package
from pocketbert.measure.record import write_record
from pocketbert.models.adopt import check_same, open_classifier, with_vocabulary
from pocketbert.models.lean import LeanBert
from pocketbert.models.parts import ARCHITECTURES
from pocketbert.models.prune import prune
from pocketbert.models.student import load_student

TEXTS = [text for words in WORDS.values() for text in utterances(words, 8, 5)] + ["Über", "", "x"]


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
        ({"hidden_act": "silu"}, "hidden_act is 'silu', and a phone runs 'gelu' or 'relu'"),
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


@pytest.mark.parametrize(("kind", "key"), [("bert", "hidden_act"), ("distilbert", "activation")])
def test_a_classifier_with_relu_answers_as_transformers_does(tmp_path, kind, key):
    folder = make_classifier(tmp_path, kind)
    before = lean_logits(open_classifier(folder, 64), TEXTS[0])
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: "relu"}))
    student = open_classifier(folder, 64)
    check_same(student, folder, TEXTS)
    for text in TEXTS:
        assert torch.allclose(lean_logits(student, text), stock_logits(folder, text), atol=1e-4)
    assert not torch.allclose(lean_logits(student, TEXTS[0]), before, atol=1e-2)


def asked(folder, targets=("tflite", "coreml"), vocabulary=None, **data):
    return replace(
        AS_IS,
        targets=targets,
        processes=1,
        data=replace(AS_IS.data, **data),
        teacher=TeacherConfig(source=str(folder)),
        student=replace(AS_IS.student, vocabulary=vocabulary, max_length=32),
        # On odd texts, toys of 32 columns are further off than models of a useful size.
        gates=replace(AS_IS.gates, max_probe_error=0.5),
    )


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_classifier_becomes_a_sealed_bundle(tmp_path, kind, toy_data):
    folder = make_classifier(tmp_path / kind, kind)
    # DistilBERT's head has a ReLU, which XNNPACK fuses.
    targets = ("tflite", "coreml", *(("executorch",) if kind == "distilbert" else ()))
    config = asked(folder, targets, source=str(toy_data), vocabulary=120)
    result = package(config, tmp_path / "out")
    assert result.failures == ()
    bundle = open_bundle(result.bundle)
    assert bundle.labels == tuple(WORDS)
    assert bundle.manifest.provenance.command == to_package_command(config)
    for name in targets:
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
    assert "not run: accuracy, macro F1 lost: no labelled text was given" in done.stdout
    entry = open_bundle(tmp_path / "out" / "bundle").manifest.artifacts["tflite"]
    assert entry.temperature == 1.0
    assert entry.threshold > -100
    assert set(entry.metrics) == {"agreement"}


def test_the_page_is_made_anew_with_what_was_measured_since(tmp_path, toy_data):
    folder, out = make_classifier(tmp_path / "m", "bert"), tmp_path / "out"
    out.mkdir()
    (out / "result.json").write_text('{"learned_from": {}, "verdicts": {}}')  # of an earlier run
    made = package(asked(folder, ("tflite",), source=str(toy_data)), out)
    written = made.report.read_text(encoding="utf-8")
    assert read_packaged(out).result == made
    assert "student" not in written
    assert not (out / "result.json").exists()
    made.report.unlink()
    done = pocketbert("report", str(out))
    assert done.returncode == 0, done.stderr
    assert made.report.read_text(encoding="utf-8") == written
    write_record(
        replace(made.latency["tflite"], kind="android-device", device="Pixel of a test"),
        out / "bench",
    )
    pocketbert("report", str(out))
    assert "Latency on an Android phone" in made.report.read_text(encoding="utf-8")
    done = pocketbert("report", str(out), str(out))
    assert done.returncode == 2
    assert "a packaged classifier has a page of its own" in done.stderr


def test_labels_that_the_model_does_not_have_are_refused(tmp_path, toy_data):
    folder = make_classifier(tmp_path / "m", "bert")
    text = toy_data.read_text().replace('"music"', '"songs"')
    (tmp_path / "d.jsonl").write_text(text)
    with pytest.raises(ModelError, match="'songs' is none of the model's 3 labels"):
        package(asked(folder, source=str(tmp_path / "d.jsonl")), tmp_path / "out")


def test_texts_of_another_script_are_refused(tmp_path):
    folder = make_classifier(tmp_path / "m", "bert")
    (tmp_path / "raw.txt").write_text("ปิดไฟ\nเปิดไฟ\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"are \[UNK\]"):
        package(asked(folder, unlabeled=str(tmp_path / "raw.txt")), tmp_path / "out")


def test_outputs_in_another_order_than_their_names_are_caught(tmp_path, toy_data):
    folder = make_classifier(tmp_path / "m", "bert")
    file = folder / "config.json"
    config = json.loads(file.read_text())
    names = [*config["id2label"].values()]
    config["id2label"] = dict(enumerate([*names[1:], names[0]]))  # planted
    config["label2id"] = {name: i for i, name in config["id2label"].items()}
    file.write_text(json.dumps(config))
    result = package(asked(folder, source=str(toy_data)), tmp_path / "out")
    assert "Look whether id2label in config.json" in result.failures[0]
    assert not (tmp_path / "out" / "bundle").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "distill.epochs=2"), "distill.epochs: package trains nothing"),
        (("--set", "teacher.fine_tune=true"), "teacher.fine_tune: package trains nothing"),
        (("--out-of-scope", "x.txt"), "--out-of-scope needs texts with labels"),
        (("--vocabulary", "200"), "--vocabulary needs texts that say what to keep"),
        (("--float", "layers.2"), "--float layers.2: a model of 2 layers has no such part"),
    ],
)
def test_what_would_be_dropped_is_refused(tmp_path, options, message):
    folder = make_classifier(tmp_path / "m", "distilbert")
    done = pocketbert("package", str(folder), "--max-length", "32", *options)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_command_in_the_bundle_names_what_was_asked():
    config = asked("m", source="x.csv", targets=("tflite",), vocabulary=200)
    assert to_package_command(config) == (
        "pocketbert package m --targets tflite --data x.csv --vocabulary 200 --max-length 32 "
        "--set gates.max_probe_error=0.5"
    )
    flags = {one.name for one in SETTINGS if one.declared.flag}
    assert set(HEEDED) <= flags


def test_a_package_json_of_anothers_stays(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "packaged.json").write_text('{"name": "my-app"}')
    done = pocketbert("package", "nowhere", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert "packaged.json" in done.stderr
