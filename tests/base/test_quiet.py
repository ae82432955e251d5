"""A host program keeps its environment, log levels and stderr, and hears nothing of ours."""

import logging
import os
import subprocess
import sys
import warnings

from pocketbert.base.quiet import AT_IMPORT, ENVIRONMENT, LOUD, hushed

NOISE = "import logging; logging.getLogger('torchao').warning('planted')"


def output(script, *arguments):
    """What a program prints that uses us as a library, without `quiet`."""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=clean
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_block_leaves_all_as_it_was(monkeypatch):
    for name in AT_IMPORT:
        monkeypatch.delenv(name, raising=False)
    levels, filters = {name: logging.getLogger(name).level for name in LOUD}, warnings.filters[:]
    with hushed():
        assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"
        assert not logging.getLogger("torchao").isEnabledFor(logging.WARNING)
    assert not any(name in os.environ for name in AT_IMPORT)
    assert {name: logging.getLogger(name).level for name in LOUD} == levels
    assert warnings.filters == filters


def test_value_that_the_host_program_chose_stays(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "1")
    with hushed():
        assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"


def test_noise_is_heard_outside_of_the_block():
    assert output(NOISE)[1] == "planted\n"
    assert output(f"from pocketbert.base.quiet import hushed\nwith hushed():\n    {NOISE}")[1] == ""


# Stderr is counted by a pipe at its descriptor: what C++ writes counts, too.
LOWER = """
import os, sys
from pathlib import Path
from pocketbert.base.quiet import ENVIRONMENT
from pocketbert.base.recipes import RECIPES
from pocketbert.models.student import load_student
from pocketbert.targets import get_target
student = load_student(Path(sys.argv[1]))
get_target("tflite").lower(student, Path(sys.argv[2]), RECIPES["int8"])
get_target("executorch").prepare()
assert not ENVIRONMENT.keys() & os.environ.keys()
"""


def test_library_lowers_a_student_without_a_line(toy_student, tmp_path):
    toy_student.save(tmp_path)
    assert output(LOWER, str(tmp_path), str(tmp_path)) == ("", "")
