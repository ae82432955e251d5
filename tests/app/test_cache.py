import pytest

from pocketbert.app.cache import Cache, lock
from pocketbert.base.config import DistillConfig, load_config
from pocketbert.base.errors import PipelineError


class Counted:
    """A stage that counts how often it ran."""

    def __init__(self):
        self.runs = 0

    def __call__(self, folder):
        self.runs += 1
        (folder / "out.txt").write_text(f"run {self.runs}")


@pytest.fixture
def stage():
    return Counted()


def test_same_inputs_are_reused(tmp_path, stage):
    for _ in range(2):
        cache = Cache(tmp_path)
        cache.folder("s", {"seed": 1}, stage)
    assert stage.runs == 1
    assert cache.reused == ["s"]


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"seed": 1, "more": 0}, {"config": DistillConfig(epochs=2)}]
)
def test_other_inputs_run_again(tmp_path, stage, other):
    Cache(tmp_path).folder("s", {"seed": 1}, stage)
    Cache(tmp_path).folder("s", other, stage)
    assert stage.runs == 2


def test_other_preset_runs_again(tmp_path, stage):
    for preset in ("nano", "nano", "small"):
        student = load_config(None, {"preset": preset}).student
        Cache(tmp_path).folder("s", {"seed": 1, "student": student}, stage)
    assert stage.runs == 2


def test_changed_input_file_runs_again(tmp_path, stage):
    source = tmp_path / "in"
    source.mkdir()
    for content in ("a", "a", "b"):
        (source / "f").write_text(content)
        Cache(tmp_path / "out").folder("s", {"source": source}, stage)
    assert stage.runs == 2


def test_other_library_version_runs_again(tmp_path, stage):
    Cache(tmp_path).folder("s", {}, stage)
    cache = Cache(tmp_path)
    cache.versions["torch"] = "0.0"
    cache.folder("s", {}, stage)
    assert stage.runs == 2


@pytest.mark.parametrize("damage", ["changed", "added", "removed", "record"])
def test_tampered_outcome_runs_again(tmp_path, stage, damage):
    folder = Cache(tmp_path).folder("s", {}, stage)
    {
        "changed": lambda: (folder / "out.txt").write_text("x"),
        "added": lambda: (folder / "more").write_text("x"),
        "removed": lambda: (folder / "out.txt").unlink(),
        "record": lambda: (folder / "stage.json").write_text("{"),
    }[damage]()
    Cache(tmp_path).folder("s", {}, stage)
    assert stage.runs == 2


def test_fresh_runs_again(tmp_path, stage):
    Cache(tmp_path).folder("s", {}, stage)
    Cache(tmp_path, fresh=True).folder("s", {}, stage)
    assert stage.runs == 2


def test_folder_is_held_by_one_run_at_a_time(tmp_path):
    with lock(tmp_path), pytest.raises(PipelineError, match="another run is at work there"):
        lock(tmp_path)
    lock(tmp_path).release()
