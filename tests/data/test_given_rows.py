"""Labelled text handed over as objects is the text of the file that it came from."""

import json

import pytest

from pocketbert.base.config import DataConfig
from pocketbert.base.errors import DataError, PipelineError
from pocketbert.data.corpus import load_corpus
from pocketbert.data.given_rows import keep_rows


@pytest.fixture
def rows(toy_data):
    records = [json.loads(line) for line in toy_data.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], None if row["intent"] == "oos" else row["intent"]) for row in records]


def kept(data, folder):
    return load_corpus(DataConfig(source=str(keep_rows(data, folder, DataConfig()))))


def test_rows_are_the_file(rows, toy_corpus, tmp_path):
    assert kept(rows, tmp_path).digest == toy_corpus.digest


def test_data_frame_is_the_file(rows, toy_corpus, tmp_path):
    import pandas

    frame = pandas.DataFrame(rows, columns=["text", "intent"])
    assert frame.intent.isna().any()
    assert kept(frame, tmp_path).digest == toy_corpus.digest


@pytest.mark.parametrize("named", [False, True])
def test_dataset_is_the_file(rows, toy_corpus, tmp_path, named):
    import datasets

    features = None
    if named:
        names = sorted({intent for _, intent in rows if intent})
        kinds = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
        features = datasets.Features(kinds)
    columns = {"text": [text for text, _ in rows], "label": [intent for _, intent in rows]}
    table = datasets.Dataset.from_dict(columns, features=features)
    assert kept(table, tmp_path).digest == toy_corpus.digest


def test_parts_stay_parts(rows, tmp_path):
    inside = [row for row in rows if row[1]]
    corpus = kept({"train": inside[5:], "test": inside[:5]}, tmp_path)
    assert corpus.test.texts == tuple(text for text, _ in inside[:5])
    # Of an earlier call nothing stays.
    again = kept({"train": inside}, tmp_path)
    assert set(again.test.texts) != {text for text, _ in inside[:5]}


def test_columns_are_those_of_the_settings(rows, tmp_path):
    config = DataConfig(text="utterance", intent="topic", out_of_scope_label="none")
    file = keep_rows(rows, tmp_path, config)
    assert load_corpus(DataConfig(**{**vars(config), "source": str(file)})).labels


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "a int holds no labelled text"),
        ("rows.csv", "a str holds no labelled text"),
        ([("a",)], "no pair of text and label"),
        ([("a", 3)], "text and label must be strings"),
        ([(None, "x")], "text and label must be strings"),
        ({"training": []}, "'training' is no part"),
    ],
)
def test_other_objects_are_refused(tmp_path, data, message):
    with pytest.raises(DataError, match=message):
        keep_rows(data, tmp_path, DataConfig())


def test_frame_without_the_columns_is_refused(tmp_path):
    import pandas

    with pytest.raises(DataError, match="column 'label' is missing"):
        keep_rows(pandas.DataFrame({"text": ["a"]}), tmp_path, DataConfig())


def test_folder_of_others_is_not_overwritten(rows, tmp_path):
    theirs = tmp_path / "rows" / "data.jsonl"
    theirs.parent.mkdir()
    theirs.write_text("mine", encoding="utf-8")
    with pytest.raises(PipelineError, match=r"data.jsonl: pocketbert did not make this"):
        keep_rows(rows, tmp_path, DataConfig())
    assert theirs.read_text(encoding="utf-8") == "mine"


def test_rows_of_an_earlier_call_are_replaced(rows, tmp_path):
    keep_rows({"train": rows, "test": rows[:9]}, tmp_path, DataConfig())
    folder = keep_rows({"train": rows}, tmp_path, DataConfig())
    assert [file.name for file in folder.iterdir()] == ["train.jsonl"]
    assert keep_rows(rows, tmp_path, DataConfig()).name == "data.jsonl"
