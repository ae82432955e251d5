import numpy as np
from safetensors.torch import load_file

from pocketbert.models.teacher import load_teacher


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
