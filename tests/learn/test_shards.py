import numpy as np
import pytest
from safetensors.numpy import load_file

from pocketbert.base.workers import side_by_side
from pocketbert.learn import shards
from pocketbert.learn.shards import Source, concatenated, read_texts
from pocketbert.learn.transfer import make_transfer_set


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 16)


def planted(*_):
    raise AssertionError("this process was to read nothing")


def test_rows_are_the_same_bit_for_bit_with_one_two_and_four_processes(
    toy_teacher, toy_corpus, teacher_folder
):
    texts = toy_corpus.train.texts
    source = Source("logits", str(teacher_folder), 32)
    found = []
    for count in (1, 2, 4):
        with side_by_side(count):
            found.append(concatenated(read_texts(toy_teacher.logits, source, texts, "")))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert np.allclose(found[0], toy_teacher.logits(texts), atol=1e-4)


def test_worker_reads_what_this_process_reads(toy_teacher, toy_bert, toy_corpus, tmp_path):
    encoder, vocabulary = toy_teacher.encoder, toy_teacher.vocabulary
    texts = toy_corpus.test.texts[:5]
    shards.write_shard(str(tmp_path / "rows"), texts, "features", str(toy_bert), 32)
    here = shards.features_of(encoder, vocabulary)(texts)
    assert np.array_equal(load_file(tmp_path / "rows")["rows"], here)


def test_transfer_set_is_the_same_with_two_processes(toy_teacher, toy_corpus, teacher_folder):
    made = []
    for count in (1, 2):
        with side_by_side(count):
            made.append(make_transfer_set(toy_teacher, toy_corpus, 2, folder=teacher_folder))
    assert made[0].texts == made[1].texts
    assert np.array_equal(made[0].logits, made[1].logits)


def test_shards_that_were_kept_are_not_read_again(toy_teacher, toy_corpus, tmp_path):
    texts, kept = toy_corpus.train.texts, tmp_path / "kept"
    read = []

    def compute(some):
        if len(read) == 3:
            raise KeyboardInterrupt
        read.append(some)
        return toy_teacher.logits(some)

    with pytest.raises(KeyboardInterrupt):
        concatenated(read_texts(compute, None, texts, "", kept=kept))
    assert len([*kept.glob("*.safetensors")]) == 3
    again = []
    rows = concatenated(
        read_texts(
            lambda some: again.append(some) or toy_teacher.logits(some), None, texts, "", kept=kept
        )
    )
    assert [*read, *again] == [texts[i : i + 16] for i in range(0, len(texts), 16)]
    expected = [toy_teacher.logits(texts[i : i + 16]) for i in range(0, len(texts), 16)]
    assert np.array_equal(rows, np.concatenate(expected))


def test_what_is_not_ours_among_the_shards_is_found_and_stays(tmp_path):
    for name in ("old", "now", "theirs"):
        concatenated(read_texts(lambda _: np.zeros((1, 1)), None, ("a",), "", kept=tmp_path / name))
    assert shards.foreign(tmp_path / "theirs") is None
    (tmp_path / "theirs" / "thesis.txt").write_text("years")
    (tmp_path / ".0000003.safetensors.0badcafe").touch()  # of a process that was killed
    assert shards.foreign(tmp_path / "theirs").name == "thesis.txt"
    shards.clear(tmp_path, but="now")
    assert {path.name for path in tmp_path.iterdir()} == {"now", "theirs"}
    shards.clear(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"theirs"}


@pytest.mark.parametrize("length", [2, 3, 9])
def test_batches_hold_texts_of_one_length_and_no_padding(toy_teacher, toy_corpus, length):
    from pocketbert.models.batches import run_shard

    seen = []

    def forward(ids, mask):
        seen.append((tuple(ids.shape), bool(mask.all())))
        return ids[:, :1].float()

    texts = [*toy_corpus.train.texts, "x"][:: 10 - length]
    rows = run_shard(forward, toy_teacher.vocabulary, texts)
    assert rows.shape == (len(texts), 1)
    assert all(whole for _, whole in seen)
    lengths = [shape[1] for shape, _ in seen]
    assert lengths == sorted({*lengths})
