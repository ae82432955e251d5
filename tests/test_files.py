import subprocess
import sys

import pytest

from pipeline.files import replacing_folder, sha256, tree_bytes, tree_digest


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


def test_killed_writer_leaves_no_half_folder_and_the_next_one_cleans_up(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from pipeline.files import replacing_folder\n"
        "with replacing_folder(Path(sys.argv[1])) as new:\n"
        "    (new / 'half').write_text('x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "f")])
    assert killed.returncode == -9
    assert not (tmp_path / "f").exists()
    with replacing_folder(tmp_path / "f") as new:
        fill(new)
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


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
