import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from command import pocketbert

from pocketbert.app import search as searching
from pocketbert.app import shapes
from pocketbert.app.search import search
from pocketbert.app.shapes import Found, SearchResult
from pocketbert.base.config import DistillConfig, StudentSpec
from pocketbert.base.config_file import load_config
from pocketbert.base.errors import PipelineError

TINY = {
    "one": (StudentSpec(layers=1, hidden=32, vocabulary=3000), DistillConfig(learning_rate=1e-3)),
    "two": (StudentSpec(layers=2, hidden=64, vocabulary=3000), DistillConfig(learning_rate=2e-3)),
}


def shape(size, work, accuracy):
    return Found(2, 128, 8000, None, size, work, accuracy, accuracy, None, 1.0)


def result_of(*found, best=None):
    return SearchResult(Path("x"), found, best, 10, 0.9)


def test_front_holds_what_nothing_beats():
    small, large = shape(1, 1, 0.8), shape(9, 9, 0.95)
    beaten, dear = shape(2, 2, 0.8), shape(9, 99, 0.95)
    assert result_of(large, beaten, small, dear).front == (small, large)


def test_equal_shapes_do_not_beat_each_other():
    one, same = shape(1, 1, 0.8), shape(1, 1, 0.8)
    assert result_of(one, same).front == (one, same)


@pytest.fixture(scope="module", autouse=True)
def tiny_space():
    """Eight shapes are left of the space; the presets are tiny ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "PRESETS", TINY)
        patch.setattr(searching, "REFUSED", 5)
        patch.setattr(shapes, "VOCABULARIES", (3000,))
        patch.setattr(shapes, "DEEPEST", 2)
        yield


@pytest.fixture(scope="module")
def search_in(toy_config):
    config = load_config(toy_config, {"distill": {"epochs": 2}})
    return partial(search, config, max_bytes=10_000_000, min_retention=0.1)


@pytest.fixture(scope="module")
def finished(search_in, tmp_path_factory):
    """A search over the whole space."""
    return search_in(tmp_path_factory.mktemp("finished") / "search", budget_s=3600)


@pytest.fixture
def toy_search(search_in, tmp_path):
    """Another search, in a folder of its own."""
    return partial(search_in, tmp_path / "search", budget_s=3600)


def test_presets_come_first_and_the_smallest_good_shape_is_chosen(finished):
    result = finished
    assert [one.name for one in result.found[:2]] == ["1x32-3000", "2x64-3000"]
    assert 2 < len(result.found) <= 8
    good = [one for one in result.found if one.retention >= 0.1]
    assert result.best.size_bytes == min(one.size_bytes for one in good)
    assert result.plot.read_text().startswith("<?xml")
    assert len(json.loads((result.out / "search.json").read_text())["found"]) == len(result.found)


def test_budget_that_is_spent_still_trains_one_shape(toy_search):
    assert [one.name for one in toy_search(budget_s=0).found] == ["1x32-3000"]


def test_second_call_repeats_what_was_found_without_training(
    finished, search_in, tmp_path, monkeypatch
):
    def train(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(searching.learning, "distill_student", train)
    again = search_in(shutil.copytree(finished.out, tmp_path / "search"), budget_s=0)
    assert {one.name: one for one in again.found} == {one.name: one for one in finished.found}


def test_data_without_out_of_scope_texts_have_no_auroc(toy_config, toy_data, tmp_path):
    lines = [line for line in toy_data.read_text().splitlines() if '"oos"' not in line]
    (tmp_path / "inside.jsonl").write_text("\n".join(lines))
    data = {"source": str(tmp_path / "inside.jsonl")}
    config = load_config(toy_config, {"distill": {"epochs": 1}, "data": data})
    result = search(config, tmp_path / "s", budget_s=0, max_bytes=10**7, min_retention=0.1)
    assert [one.auroc for one in result.found] == [None]


def test_shapes_over_the_size_limit_are_not_trained(toy_search):
    result = toy_search(max_bytes=100_000)
    assert result.found
    assert all(one.size_bytes <= 100_000 for one in result.found)


def test_limit_that_no_shape_meets_is_an_error(toy_search):
    with pytest.raises(PipelineError, match=r"No shape fits into 0.01 MB; \d+ proposals"):
        toy_search(max_bytes=10_000)


def test_settings_of_the_best_shape_make_the_same_student(toy_search, toy_config):
    config = load_config(toy_search(budget_s=0).settings, {})
    assert config.student == replace(TINY["one"][0], max_length=32)
    assert config.distill.learning_rate == TINY["one"][1].learning_rate
    assert config.data == load_config(toy_config, {}).data


def test_search_from_the_command_line(toy_config, tmp_path):
    flags = ["--budget", "1s", "--max-bytes", "5MB", "--epochs", "1", "--min-retention", "0.1"]
    out = tmp_path / "search"
    done = pocketbert("search", "--config", str(toy_config), "--out", str(out), *flags)
    # The presets are wider than the toy teacher: what cannot be cut out of it is not proposed.
    assert done.returncode == 0, done.stderr
    assert "pocketbert run --config" in done.stdout
    assert (out / "best.toml").exists()
