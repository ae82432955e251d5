"""A user's project in the output folder is refused by its path before anything is done to it."""

import json

import pytest

from pocketbert.app.owned import check_out
from pocketbert.base.config_file import load_config
from pocketbert.base.errors import PipelineError
from pocketbert.base.files import tree_digest
from pocketbert.flow import run

PWA = json.dumps({"name": "Shop", "icons": [], "start_url": "/"})
# What a project has of its own under the names that a run gives to its folders.
PROJECT = {
    "student/notes.txt": "mine",
    "bundle/app.js": "mine",
    "bundle/manifest.json": PWA,
    "teacher/training_log.txt": "mine",
    "frozen_teacher/x": "mine",
    "transfer_set/x": "mine",
    "hidden/layers.txt": "mine",
    "reference/thesis.pdf": "mine",
    "artifacts/photo/x.jpg": "mine",
    "verified/list.txt": "mine",
    "benched/list.txt": "mine",
    "checkpoints/student/epoch_9.txt": "mine",
    "checkpoints/student/100/model.pt": "mine",
    "report.html": "<title>About pocketbert</title>",
    "result.json": "{}",
    "search.json": "[]",
    "best.toml": "x = 1",
    "front.svg": "<svg/>",
    "shapes/circle/student/x": "mine",
}


@pytest.mark.parametrize("name", PROJECT)
def test_foreign_file_is_refused_by_its_path_and_stays(tmp_path, name):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PROJECT[name])
    before = tree_digest(tmp_path)
    with pytest.raises(PipelineError, match="pocketbert did not make this") as refused:
        check_out(tmp_path)
    assert str(tmp_path / name.split("/")[0]) in str(refused.value)
    assert tree_digest(tmp_path) == before


def test_run_asks_before_it_starts(tmp_path, monkeypatch):
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "notes.txt").write_text("mine")
    monkeypatch.setattr("pocketbert.flow.load_corpus", lambda *_: pytest.fail("the run began"))
    with pytest.raises(PipelineError, match=r"notes.txt: pocketbert did not make this"):
        run(load_config(None, {}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


def test_rest_of_a_project_is_none_of_our_business(tmp_path):
    for name in ("src/main.py", "manifest.json", "README.md", ".git/config", "shapes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    check_out(tmp_path)
    check_out(tmp_path / "absent")


def test_what_a_run_made_is_ours(toy_run):
    check_out(toy_run)


def test_what_a_killed_run_left_is_ours(tmp_path):
    for name in ("artifacts/.tflite.abcdefgh", "checkpoints/student/.000000200.abcdefgh"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "half").write_text("x")
    step = tmp_path / "checkpoints" / "student" / "000000100"
    step.mkdir()
    for name in ("checkpoint.json", "state.safetensors"):
        (step / name).write_text("x")
    check_out(tmp_path)
