import gc

import pytest

from pocketbert.app.cache import Cache, lock
from pocketbert.base import versions
from pocketbert.base.config import DistillConfig
from pocketbert.base.config_file import load_config
from pocketbert.base.errors import PipelineError
from pocketbert.base.events import StageBegun, StageEnded, StageReused, listening
from pocketbert.base.versions import ROOMS


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


@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_tampered_outcome_runs_again(tmp_path, stage, damage):
    folder = Cache(tmp_path).folder("s", {}, stage)
    {
        "changed": lambda: (folder / "out.txt").write_text("x"),
        "removed": lambda: (folder / "out.txt").unlink(),
    }[damage]()
    Cache(tmp_path).folder("s", {}, stage)
    assert stage.runs == 2


def test_fresh_runs_again(tmp_path, stage):
    Cache(tmp_path).folder("s", {}, stage)
    Cache(tmp_path, fresh=True).folder("s", {}, stage)
    assert stage.runs == 2


def test_folder_is_held_by_one_run_at_a_time(tmp_path):
    with (
        lock(tmp_path),
        pytest.raises(PipelineError, match="another run is at work there"),
        lock(tmp_path),
    ):
        pass
    gc.disable()  # the lock goes with its block, not when somebody collects it
    try:
        with lock(tmp_path):
            pass
        with lock(tmp_path):
            pass
    finally:
        gc.enable()


def test_lock_is_let_go_when_the_run_fails(tmp_path):
    with pytest.raises(ValueError), lock(tmp_path):
        raise ValueError
    with lock(tmp_path):
        pass


def test_changed_code_runs_again_and_that_of_a_later_room_does_not(tmp_path, stage, monkeypatch):
    # Planted: `git pull` with another loss or another gate.
    code = {"learn": "1", "measure": "1"}
    monkeypatch.setattr("pocketbert.app.cache.code_digest", code.__getitem__)

    def runs():
        for room in code:
            Cache(tmp_path).folder(room, {}, stage, room=room)
        return stage.runs

    assert runs() == runs() == 2
    code["measure"] = "2"
    assert runs() == 3
    code["learn"] = "2"
    assert runs() == 4


def test_code_is_known_up_to_a_room(tmp_path, monkeypatch):
    package = tmp_path / "package"
    for room in (*ROOMS[:-1], "app/stages", "app/cli"):
        (package / room).mkdir(parents=True)
        (package / room / "x.py").write_text("1")
    monkeypatch.setattr(versions, "__file__", str(package / "base" / "versions.py"))
    digest = versions.code_digest.__wrapped__
    before = digest("learn"), digest("measure")
    (package / "app" / "cli" / "x.py").write_text("2")
    assert (digest("learn"), digest("measure")) == before
    (package / "targets" / "x.py").write_text("2")
    assert digest("learn") == before[0] and digest("measure") != before[1]
    (package / "app" / "stages" / "x.py").write_text("2")
    assert digest("learn") != before[0]


def test_outcome_that_is_for_once_runs_again(tmp_path):
    # As a verdict with failures, or what was measured on a busy machine.
    made = []

    def make(folder):
        made.append(folder)
        return len(made) > 1

    for _ in range(3):
        Cache(tmp_path).folder("s", {}, make)
    assert len(made) == 2


@pytest.mark.parametrize("litter", [".DS_Store", "._out.txt", "Thumbs.db", "desktop.ini"])
def test_file_manager_that_looked_on_changes_nothing(tmp_path, stage, litter):
    source = tmp_path / "in"
    source.mkdir()
    for _ in range(2):
        folder = Cache(tmp_path / "out").folder("s", {"source": source}, stage)
        (folder / litter).write_text("x")
        (source / litter).write_text("x")
    assert stage.runs == 1


def test_file_counts_by_its_content(tmp_path, stage):
    file = tmp_path / "f"
    for content in ("a", "a", "b"):
        file.write_text(content)
        Cache(tmp_path / "out").folder("s", {"source": file}, stage)
    assert stage.runs == 2
    with pytest.raises(OSError, match="absent"):
        Cache(tmp_path / "out").folder("s", {"source": tmp_path / "absent"}, stage)


def test_files_of_others_in_a_stage_are_refused_and_stay(tmp_path, stage):
    theirs = tmp_path / "s" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_text("years")
    with pytest.raises(PipelineError, match=r"thesis.txt: pocketbert did not make this"):
        Cache(tmp_path).folder("s", {}, stage)
    assert theirs.read_text() == "years" and stage.runs == 0


def test_file_that_a_user_put_beside_ours_is_refused_and_stays(tmp_path, stage):
    folder = Cache(tmp_path).folder("s", {}, stage)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(PipelineError, match=r"notes.txt: pocketbert did not make this"):
        Cache(tmp_path, fresh=True).folder("s", {}, stage)
    assert (folder / "notes.txt").read_text() == "mine"


def test_stages_tell_whether_they_are_computed_or_reused(tmp_path, stage):
    events = []
    with listening(events.append):
        for _ in range(2):
            Cache(tmp_path).folder("s", {}, stage)
    begun, ended, reused = events
    assert (begun, reused) == (StageBegun("s"), StageReused("s"))
    assert isinstance(ended, StageEnded) and ended.seconds >= 0
