import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from toy import perturb
from transformers import BertConfig, BertForSequenceClassification, BertModel

from pocketbert.base.config import TeacherConfig
from pocketbert.base.errors import ModelError
from pocketbert.learn.fit import fit_head
from pocketbert.models.weights import load_weights

WEIGHTS = "model.safetensors"


@pytest.fixture
def classifier(toy_bert, toy_corpus, tmp_path):
    """A stock classifier with the labels of the toy data, to spoil."""
    folder = shutil.copytree(toy_bert, tmp_path / "classifier")
    names = dict(enumerate(toy_corpus.labels))
    config = BertConfig.from_pretrained(toy_bert, id2label=names, label2id=None)
    torch.manual_seed(0)
    perturb(BertForSequenceClassification(config), 0.2).save_pretrained(folder)
    return folder


def spoil(folder, change):
    file = folder / WEIGHTS
    weights = change(load_file(file))
    save_file(weights, file, metadata={"format": "pt"})


def prefixed(prefix):
    return lambda weights: {prefix + name: weight for name, weight in weights.items()}


def without(part):
    return lambda weights: {name: w for name, w in weights.items() if part not in name}


def holding(value, name="bert.encoder.layer.1.output.dense.weight"):
    def change(weights):
        weights[name][0, 0] = value
        return weights

    return change


SPOILED = {
    "compiled": (prefixed("_orig_mod."), r"lacks 37 of the 37 .*; it has _orig_mod.*torch.compile"),
    "parallel": (prefixed("module."), r"lacks 37 of .*; it has module.bert.*of DataParallel"),
    "a layer": (without("layer.1."), r"lacks 16 of the 37 weights, first encoder.layer.1"),
    "not a number": (holding(float("nan")), r"layer.1.output.dense.weight holds NaN"),
    "infinite": (holding(float("inf")), r"layer.1.output.dense.weight holds NaN or infinite"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_spoiled_weights_are_refused_by_name(classifier, toy_corpus, fault):
    change, message = SPOILED[fault]
    spoil(classifier, change)
    counted = message.replace("37", "53")  # the toy has three layers
    with pytest.raises(ModelError, match=counted):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


def test_a_lost_head_is_refused(classifier, toy_corpus):
    spoil(classifier, without("classifier"))
    with pytest.raises(ModelError, match=r"lacks 2 .* first classifier.bias.*Give the encoder as"):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


def rewrite(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_a_head_of_another_size_is_refused(classifier, toy_corpus):
    names = {str(i): name for i, name in enumerate((*toy_corpus.labels, "more"))}
    rewrite(classifier, id2label=names, label2id=None)
    with pytest.raises(ModelError, match="names 4 labels and the head has 3 rows"):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


@pytest.mark.parametrize("kind", ["multi_label_classification", "regression"])
def test_a_head_of_another_task_is_refused(classifier, toy_corpus, kind):
    rewrite(classifier, problem_type=kind)
    with pytest.raises(ModelError, match=f"the head is one for {kind}"):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


def test_an_output_named_twice_is_refused(classifier, toy_corpus):
    rewrite(classifier, id2label={str(i): "lights" for i in range(3)}, label2id=None)
    with pytest.raises(ModelError, match="has 'lights' twice"):
        fit_head(TeacherConfig(source=str(classifier)), toy_corpus, 32)


def test_more_layers_than_the_config_has_are_refused(classifier):
    rewrite(classifier, num_hidden_layers=2)
    with pytest.raises(ModelError, match=r"no place for 16 .*first bert.encoder.layer.2"):
        load_weights(BertModel, classifier, add_pooling_layer=False)


def test_an_adapter_is_no_model(classifier):
    (classifier / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="Merge it"):
        load_weights(BertModel, classifier, add_pooling_layer=False)


def test_whole_weights_are_opened_in_float32(classifier):
    spoil(classifier, lambda weights: {name: w.half() for name, w in weights.items()})
    model = load_weights(BertForSequenceClassification, classifier)
    assert {weight.dtype for weight in model.state_dict().values()} == {torch.float32}
