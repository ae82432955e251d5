"""scripts/setup takes the first Python that fits, and where there is none says how to get one."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "mktemp", "rm")
# What a Python answers: its version, whether it is in range, and whether it has venv.
PYTHON = """#!/usr/bin/env bash
case "$*" in
  --version) echo "Python {version}" ;;
  *version_info*) exit {out_of_range} ;;
  *ensurepip*) exit {no_venv} ;;
  *) echo "$0 $*" >&2; exit 3 ;;
esac
"""
UV = """#!/usr/bin/env bash
[ "$2" = find ] && echo {python}
exit 0
"""


@pytest.fixture
def computer(tmp_path):
    """A folder with scripts/setup, and a PATH with nothing but what it calls."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", tmp_path / "scripts")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def program(file, text):
    file.write_text(text, encoding="utf-8")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def python(computer, name, version, *, no_venv=0):
    minor = int(version.split(".")[1])
    text = PYTHON.format(version=version, out_of_range=int(not 10 <= minor <= 13), no_venv=no_venv)
    return program(computer / "bin" / name, text)


def setup(computer, **environment):
    """Run it until it would make an environment; what it said."""
    done = subprocess.run(
        [computer / "scripts" / "setup"],
        capture_output=True,
        text=True,
        env={"PATH": str(computer / "bin"), **environment},
    )
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.splitlines()


def test_one_with_wheels_for_everything_comes_first(computer):
    python(computer, "python3", "3.13.1")
    python(computer, "python3.13", "3.13.1")
    chosen = python(computer, "python3.11", "3.11.2")
    assert f"setup: this step failed: {chosen} -m venv --clear .venv" in setup(computer)


def test_python_without_venv_is_passed_over(computer):
    python(computer, "python3.11", "3.11.2", no_venv=1)
    chosen = python(computer, "python3.12", "3.12.4")
    assert f"setup: this step failed: {chosen} -m venv --clear .venv" in setup(computer)


@pytest.mark.parametrize("version", [None, "3.9.2", "3.14.0"])
def test_two_lines_say_how_to_get_one(computer, version):
    if version:
        python(computer, "python3", version)
    first, second = setup(computer)
    found = f"Python {version}" if version else "none"
    assert first == f"setup: this needs Python 3.10 to 3.13; here is {found}."
    assert "apt-get install python3-venv" in second and "uv" in second


def test_two_lines_say_that_venv_is_missing(computer):
    python(computer, "python3", "3.11.2", no_venv=1)
    first, second = setup(computer)
    assert first == "setup: Python 3.11.2 has no venv module."
    assert "apt-get install python3-venv" in second


def test_uv_gets_one_where_there_is_none(computer):
    python(computer, "python3", "3.9.2")
    brought = python(computer, "brought", "3.11.9")
    program(computer / "bin" / "uv", UV.format(python=brought))
    assert f"setup: this step failed: {brought} -m venv --clear .venv" in setup(computer)


def test_named_python_is_taken_or_refused(computer):
    python(computer, "python3.11", "3.11.2")
    named = python(computer, "python3.13", "3.13.1")
    assert f"setup: this step failed: {named} -m venv --clear .venv" in setup(
        computer, PYTHON=str(named)
    )
    (line,) = setup(computer, PYTHON="/nowhere/python")
    assert line.startswith("setup: PYTHON=/nowhere/python is not a Python 3.10 to 3.13 with venv.")
