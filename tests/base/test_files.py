import os
import subprocess
import sys
from pathlib import Path

import pytest

from pocketbert.base import files
from pocketbert.base.errors import PipelineError
from pocketbert.base.files import (
    clean_up,
    refuse_other_file,
    remove_marked,
    replacing_file,
    replacing_folder,
    sha256,
    tree_bytes,
    tree_digest,
)


def OURS(_):  # noqa: N802  everything there is
    return None


def fill(folder, content="new"):
    (folder / "a").mkdir()
    (folder / "a" / "b.txt").write_text(content)


def test_folder_is_replaced_whole(tmp_path):
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "f", OURS) as new:
            fill(new, content)
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_error_inside_leaves_the_old_folder(tmp_path):
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new, "old")
    with pytest.raises(ValueError), replacing_folder(tmp_path / "f", OURS) as new:
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

with files.replacing_folder(Path(sys.argv[1]), lambda _: None) as new:
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
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_writer_killed_between_two_renames_loses_nothing(tmp_path):
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new, "old")
    killed(tmp_path / "f", "between")
    assert not (tmp_path / "f").exists()
    with pytest.raises(ValueError), replacing_folder(tmp_path / "f", OURS):
        raise ValueError
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "old"


def test_error_between_two_renames_loses_nothing(tmp_path, monkeypatch):
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new, "old")
    rename = Path.rename
    monkeypatch.setattr("pocketbert.base.files._exchange", lambda *_: False)
    with pytest.raises(KeyboardInterrupt), replacing_folder(tmp_path / "f", OURS) as new:

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
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new)
    assert len(list(tmp_path.iterdir())) == 4


def test_all_that_killed_writers_left_can_be_removed(tmp_path):
    for name in ("f", "g"):
        killed(tmp_path / name, "inside")
    (tmp_path / ".h.abcdefgh").mkdir()  # of somebody else
    with replacing_folder(tmp_path / "at work") as new:
        clean_up(tmp_path)
        assert new.exists()
        assert len(list(tmp_path.iterdir())) == 2


def test_writer_at_work_is_left_alone(tmp_path):
    with replacing_folder(tmp_path / "f", OURS) as first:
        fill(first, "first")
        with replacing_folder(tmp_path / "f", OURS) as second:
            fill(second, "second")
        assert (tmp_path / "f" / "a" / "b.txt").read_text() == "second"
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_reader_never_finds_nothing(tmp_path):
    """Two folders change places in one step: their name is there at every moment."""
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(tmp_path / "f" / "a" / "b.txt")], stdout=subprocess.PIPE
    )
    with replacing_folder(tmp_path / "f", OURS) as new:
        fill(new)
    assert reader.stdout.readline() == b"ready\n"
    for _ in range(200):
        with replacing_folder(tmp_path / "f", OURS) as new:
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


def test_folder_of_others_is_refused_before_the_work_and_stays(tmp_path):
    fill(tmp_path)
    refused = pytest.raises(PipelineError, match=r"b.txt: pocketbert did not make this")
    with refused, replacing_folder(tmp_path / "a"):
        pytest.fail("the work began")
    assert (tmp_path / "a" / "b.txt").read_text() == "new"


def test_file_put_there_during_the_work_is_not_lost(tmp_path):
    with pytest.raises(PipelineError, match=r"mine.txt"), replacing_folder(tmp_path / "f") as new:
        fill(new)
        (tmp_path / "f").mkdir()
        (tmp_path / "f" / "mine.txt").write_text("mine")
    assert (tmp_path / "f" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("there", ["file", "link"])
def test_what_is_no_folder_is_refused(tmp_path, there):
    if there == "file":
        (tmp_path / "f").write_text("x")
    else:
        (tmp_path / "f").symlink_to(tmp_path / "nowhere")
    with pytest.raises(PipelineError, match="did not make this"), replacing_folder(tmp_path / "f"):
        pytest.fail("the work began")


def test_folder_that_only_a_file_manager_was_in_counts_as_empty(tmp_path):
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / ".DS_Store").write_text("x")
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert (tmp_path / "f" / "a" / "b.txt").exists()


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_files_have_the_mode_of_every_new_file(tmp_path, umask):
    # Planted: a writer that lets nobody but the owner read, as that of safetensors.
    before = os.umask(umask)
    try:
        with replacing_folder(tmp_path / "f") as new:
            fill(new)
            (new / "a" / "b.txt").chmod(0o600)
        with replacing_file(tmp_path / "f" / "c") as file:
            file.write_text("x")
    finally:
        os.umask(before)
    for file in (tmp_path / "f" / "a" / "b.txt", tmp_path / "f" / "c"):
        assert file.stat().st_mode & 0o777 == 0o666 & ~umask


def test_all_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    flushed, exchange = list[int](), files._exchange
    fsync = os.fsync

    def noting(handle):
        flushed.append(os.fstat(handle).st_ino)
        fsync(handle)

    def exchanging(content, folder):
        inodes = {p.stat().st_ino for p in (content, *content.rglob("*"))}
        assert inodes <= set(flushed)
        return exchange(content, folder)

    monkeypatch.setattr(os, "fsync", noting)
    monkeypatch.setattr(files, "_exchange", exchanging)
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert flushed[-1] == tmp_path.stat().st_ino


def test_file_that_is_being_replaced_leaves_nothing_in_its_folder(tmp_path):
    # What a killed writer leaves would be a file that no manifest names.
    folder = tmp_path / "bundle"
    folder.mkdir()
    with replacing_file(folder / "f") as file:
        assert not any(folder.iterdir())
        file.write_text("x")
    assert (folder / "f").read_text() == "x" and len(list(tmp_path.iterdir())) == 1


def test_system_that_exchanges_nothing_still_replaces(tmp_path, monkeypatch):
    # As on Windows, where ctypes finds no library without a name.
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: pytest.fail("no such library"))
    for content in ("old", "new"):
        with replacing_folder(tmp_path / "f", OURS) as new:
            fill(new, content)
    assert (tmp_path / "f" / "a" / "b.txt").read_text() == "new"


def test_other_file_is_not_overwritten(tmp_path):
    page = tmp_path / "report.html"
    refuse_other_file(page, "ours")
    page.write_text("theirs")
    with pytest.raises(PipelineError, match=r"report.html: pocketbert did not make this"):
        refuse_other_file(page, "ours")
    page.write_text("it is ours")
    refuse_other_file(page, "ours")


def test_folder_removed_half_way_keeps_its_mark(tmp_path, monkeypatch):
    for name in ("a", "mark", "z"):
        (tmp_path / name).touch()
    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("shutil.rmtree", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        remove_marked(tmp_path, "mark")
    assert [file.name for file in tmp_path.iterdir()] == ["mark"]
