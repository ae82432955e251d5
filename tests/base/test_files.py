import subprocess
import sys
from pathlib import Path

import pytest

from pocketbert.base.files import replacing_folder, sha256, tree_bytes, tree_digest


def fill(folder, content="new"):
    (folder / "a").mkdir()
    (folder / "a" / "b.txt").write_text(content)


def test_folder_is_replaced_whole(tmp_path):
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "f") as new:
            fill(new, content)
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_error_inside_leaves_the_old_folder(tmp_path):
    with replacing_folder(tmp_path / "f") as new:
        fill(new, "old")
    with pytest.raises(ValueError), replacing_folder(tmp_path / "f") as new:
        fill(new)
        raise ValueError
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


KILLED = """
import os, signal, sys
from pathlib import Path
from pocketbert.base import files

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

with files.replacing_folder(Path(sys.argv[1])) as new:
    (new / "half").write_text("x")
    if sys.argv[2] == "inside":
        die()
    files._exchange = lambda *_: False  # as on a file system that can't
    rename = Path.rename
    Path.rename = lambda self, to: die() if self.name == "new" else rename(self, to)
"""


def killed(folder, when):
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), when])
    assert done.returncode == -9


def test_killed_writer_leaves_no_half_folder_and_the_next_one_cleans_up(tmp_path):
    killed(tmp_path / "f", "inside")
    assert not (tmp_path / "f").exists()
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_writer_killed_between_two_renames_loses_nothing(tmp_path):
    with replacing_folder(tmp_path / "f") as new:
        fill(new, "old")
    killed(tmp_path / "f", "between")
    assert not (tmp_path / "f").exists()
    with pytest.raises(ValueError), replacing_folder(tmp_path / "f"):
        raise ValueError
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "old"


def test_error_between_two_renames_loses_nothing(tmp_path, monkeypatch):
    with replacing_folder(tmp_path / "f") as new:
        fill(new, "old")
    rename = Path.rename
    monkeypatch.setattr("pocketbert.base.files._exchange", lambda *_: False)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "f") as new:

        def interrupted(self, to):
            if self == new:
                raise KeyboardInterrupt
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", interrupted)
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_folders_of_others_are_left_alone(tmp_path):
    for name in (".f.20240101", ".f.abcdefgh", ".f.2.abcdefgh"):
        (tmp_path / name).mkdir()
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert len(list(tmp_path.iterdir())) == 4


def test_writer_at_work_is_left_alone(tmp_path):
    with replacing_folder(tmp_path / "f") as first:
        fill(first, "first")
        with replacing_folder(tmp_path / "f") as second:
            fill(second, "second")
        assert (tmp_path / "f" / "a" / "b.txt").read_text() == "second"
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_reader_never_finds_nothing(tmp_path):
    """Two folders change places in one step: their name is there at every moment."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path / "f" / "a" / "b.txt")], stdout=subprocess.PIPE
    )
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert reader.stdout.readline() == b"ready\n"
    for _ in range(200):
        with replacing_folder(tmp_path / "f") as new:
            fill(new)
    reader.terminate()
    assert int(reader.communicate()[0].split()[-1]) == 0


READER = """
import os, signal, sys

missing = 0

def end(*_):
    print(missing)
    sys.exit()

signal.signal(signal.SIGTERM, end)
while not os.path.exists(sys.argv[1]):
    pass
print("ready", flush=True)
while True:
    missing += not os.path.exists(sys.argv[1])
"""


def test_tree_digest_sees_names_and_contents(tmp_path):
    fill(tmp_path)
    first = tree_digest(tmp_path)
    assert tree_bytes(tmp_path) == 3
    (tmp_path / "a" / "b.txt").write_text("neW")
    second = tree_digest(tmp_path)
    (tmp_path / "a" / "b.txt").rename(tmp_path / "a" / "c.txt")
    assert len({first, second, tree_digest(tmp_path)}) == 3


def test_sha256_is_the_usual_one(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(tmp_path / "f").startswith("ba7816bf8f01cfea")
