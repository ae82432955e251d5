"""What no bundle could be called is refused before anything is trained for it."""

import json

import pytest

from pocketbert.base.config_file import load_config
from pocketbert.base.errors import DataError, PipelineError
from pocketbert.bundle import seal
from pocketbert.bundle.manifest import NAME, check_names
from pocketbert.flow import run


@pytest.mark.parametrize(
    ("data", "labels", "outside", "why"),
    [
        ("", ("a", "b"), "oos", "the name of the data '' has no character"),
        ("x", ("a", "b" * 501), "oos", r"intent 'b+' has 501 characters; 1 to 500"),
        ("x", ("a", "b\tc"), "oos", r"intent 'b\\tc' has an unprintable character"),
        ("x", ("a", "b"), "", r"data.out_of_scope_label '' has no character"),
        ("x", ("a", "fallback"), "fallback", "is also the name of what is out of scope"),
    ],
)
def test_name_that_no_bundle_takes_is_refused(data, labels, outside, why):
    with pytest.raises(DataError, match=why):
        check_names(data, labels, outside)


def test_names_at_the_edge_are_taken():
    check_names("daten ü [v2]", ("b" * NAME, "güvenlik/ödeme, 'iade' [x]"), "oos")


def test_run_asks_before_it_trains(tmp_path, toy_bert, monkeypatch):
    data = tmp_path / "data.jsonl"
    rows = [{"text": f"text {i}", "intent": "a" if i % 2 else "b" * 501} for i in range(60)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    monkeypatch.setattr("pocketbert.app.stages.learn.fit_teacher", lambda _: pytest.fail("trained"))
    settings = {"data": {"source": str(data)}, "teacher": {"source": str(toy_bert)}}
    with pytest.raises(DataError, match="has 501 characters"):
        run(load_config(None, settings), tmp_path / "build")


def test_data_in_the_folder_where_one_stands_has_its_name(tmp_path, toy_data, monkeypatch):
    from pocketbert.base.config import DataConfig
    from pocketbert.data.corpus import load_corpus

    (tmp_path / "intents").mkdir()
    (tmp_path / "intents" / "train.jsonl").write_bytes(toy_data.read_bytes())
    monkeypatch.chdir(tmp_path / "intents")
    assert load_corpus(DataConfig(source=".")).name == "intents"


def test_fault_of_ours_is_not_blamed_on_the_user(tmp_path, toy_vocabulary):
    # Planted: no artefact, which the stages never hand on.
    with pytest.raises(PipelineError, match="a fault of pocketbert: please report it"):
        seal.seal(
            tmp_path / "bundle",
            name="x",
            labels=("a", "b"),
            vocabulary=toy_vocabulary,
            artifacts={},
            replies={},
            golden=(),
            provenance={},
            out_of_scope_label="oos",
        )
    assert not (tmp_path / "bundle").exists()
