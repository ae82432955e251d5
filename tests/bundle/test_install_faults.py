"""Whatever ends an installation in the middle, the old bundle stays; a reader sees old or new."""

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import toy

from pocketbert.base.files import tree_digest
from pocketbert.bundle.install import install
from pocketbert.bundle.open import open_bundle

START = """
import os, shutil, signal, sys
from pathlib import Path
from pocketbert.base.quiet import quiet
quiet()
from pocketbert.base import files
from pocketbert.bundle.open import open_bundle
from pocketbert.base.errors import PipelineError
from pocketbert.bundle.install import install

new, placed = map(Path, sys.argv[1:3])
bundle = open_bundle(new)

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def attempt():
    try:
        install(bundle, placed)
    except PipelineError as error:
        print(error)
        sys.exit(3)
"""
# Killed before the first file, before each of the others, and around the exchange.
KILLED = f"""{START}
copy, exchange = shutil.copyfile, files._exchange
count = len(bundle.manifest.files) + 1

def copying(at):
    done = []
    def copyfile(source, target):
        if len(done) == at:
            Path(target).write_bytes(b"half")
            end()
        done.append(copy(source, target))
    return copyfile

for at in range(count + 2):
    if (pid := os.fork()) == 0:
        if at < count:
            shutil.copyfile = copying(at)
        elif at == count:
            files._exchange = lambda *_: end()
        else:
            files._exchange = lambda *paths: (exchange(*paths), end())
        attempt()
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (at, status)
    print(open_bundle(placed).name, flush=True)
"""
FULL = f"""{START}
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
attempt()
"""
DENIED = f"""{START}
if os.getuid() == 0:
    os.setuid(65534)  # root may write anywhere
attempt()
"""
READER = f"""{START}
from collections import Counter
seen = Counter()

def told(*_):
    print(dict(seen), flush=True)
    sys.exit()

signal.signal(signal.SIGTERM, told)
print("ready", flush=True)
while True:
    try:
        opened = open_bundle(placed)
    except PipelineError as error:
        seen[f"error {{error}}"] += 1
    else:
        assert opened.replies["weather"][0] == opened.name, opened.replies
        seen[opened.name] += 1
"""


def named(bundle, folder, name):
    """A copy of `bundle` of another name, which one of its replies says, too."""
    copy = shutil.copytree(bundle, folder / name)
    replies = json.loads((copy / "replies.json").read_text(encoding="utf-8"))
    replies["weather"] = [name]
    (copy / "replies.json").write_text(json.dumps(replies), encoding="utf-8")
    manifest = json.loads((copy / "manifest.json").read_text(encoding="utf-8")) | {"name": name}
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    toy.reseal(copy, "replies.json")
    return copy


@pytest.fixture(scope="module")
def pair(toy_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return [named(toy_run / "bundle", folder, name) for name in ("old", "new")]


@pytest.fixture
def placed(pair, tmp_path):
    return install(open_bundle(pair[0]), tmp_path / "place" / "bundle")


def attempt(script, new, placed):
    return subprocess.run(
        [sys.executable, "-c", script, str(new), str(placed)], capture_output=True, text=True
    )


def test_killed_at_every_step_leaves_the_old_one_or_the_new_one(pair, placed):
    done = attempt(KILLED, pair[1], placed)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = [line for line in done.stdout.splitlines() if line in ("old", "new")]
    assert seen[-1] == "new" and set(seen[:-1]) == {"old"} and len(seen) > 8
    install(open_bundle(pair[1]), placed)
    assert [path.name for path in placed.parent.iterdir()] == ["bundle"]  # nothing left aside


def test_full_disk_leaves_the_old_one(pair, placed):
    before = tree_digest(placed)
    done = attempt(FULL, pair[1], placed)
    assert done.returncode == 3 and "File too large, so what was there stays" in done.stdout
    assert tree_digest(placed) == before
    assert [path.name for path in placed.parent.iterdir()] == ["bundle"]


def test_denied_permission_leaves_the_old_one(pair):
    # Not below pytest's own folder, which only its owner may enter.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        new, placed = (shutil.copytree(one, folder / one.name / "bundle") for one in pair[::-1])
        if os.getuid() != 0:
            placed.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
        before = tree_digest(placed)
        done = attempt(DENIED, new, placed)
        placed.parent.chmod(0o755)
        assert done.returncode == 3, done.stderr
        assert "Permission denied, so what was there stays. Make room, or allow" in done.stdout
        assert tree_digest(placed) == before


def test_reader_sees_the_old_one_or_the_new_one(pair, placed):
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(pair[1]), str(placed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout.readline() == "ready\n"
    opened = [open_bundle(one) for one in pair]
    for turn in range(40):
        install(opened[turn % 2], placed)
        time.sleep(0.1 * (turn % 4))  # at once, and when the reader is somewhere in between
    reader.terminate()
    told, wrong = reader.communicate()
    assert wrong == "" and "error" not in told
    assert "'old'" in told and "'new'" in told
