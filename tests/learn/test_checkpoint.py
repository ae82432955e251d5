"""Only checkpoints are dropped, and only ours."""

from pocketbert.learn.checkpoint import RECORD, clear


def made(folder, step, *more):
    place = folder / f"{step:09}"
    place.mkdir(parents=True)
    for name in (RECORD, "state.safetensors", *more):
        (place / name).write_text("x")
    return place


def test_folder_of_checkpoints_goes_with_them(tmp_path):
    made(tmp_path / "student", 200)
    made(tmp_path / "student", 400)
    clear(tmp_path / "student")
    clear(tmp_path / "student")
    assert not any(tmp_path.iterdir())


def test_what_others_put_there_stays(tmp_path):
    folder = tmp_path / "student"
    made(folder, 200)
    ours_and_theirs = made(folder, 400, "notes.txt")
    (folder / "100").mkdir()
    (folder / "100" / "model.pt").write_text("theirs")
    (folder / "epoch_9.txt").write_text("theirs")
    clear(folder)
    assert sorted(p.name for p in folder.iterdir()) == ["000000400", "100", "epoch_9.txt"]
    assert (ours_and_theirs / "notes.txt").exists()
