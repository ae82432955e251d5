"""The wheel holds the whole package and nothing else, and works where only it is installed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools.build_meta import build_wheel; print(build_wheel(sys.argv[1]))"


def build(source, wheels):
    """The wheel of the project in `source`."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(wheels)], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return wheels / done.stdout.splitlines()[-1]


def shipped(wheel):
    """Names in the wheel, without its metadata."""
    return {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}


@pytest.fixture
def source(tmp_path):
    """A copy of what the wheel is built from: building writes beside it."""
    folder = tmp_path / "source"
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def ours(source):
    """What the wheel should hold: all of the package's files, under its import name."""
    files = (file for file in (source / "pipeline").rglob("*") if file.is_file())
    return {f"pocketbert/{file.relative_to(source / 'pipeline').as_posix()}" for file in files}


def test_wheel_holds_every_file_of_the_package(source, tmp_path):
    wheel = build(source, tmp_path)
    assert shipped(wheel) == ours(source)
    assert any(name.endswith("native/executorch_runner.cpp") for name in shipped(wheel))


def test_planted_package_that_is_not_listed_is_missing(source, tmp_path):
    project = source / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(re.sub(r'^ *"pocketbert\.bundle",\n', "", text, flags=re.M), "utf-8")
    missing = ours(source) - shipped(build(source, tmp_path))
    assert missing and all(name.startswith("pocketbert/bundle/") for name in missing)


@pytest.mark.slow
def test_wheel_works_in_an_empty_environment_and_another_folder(source, tmp_path, toy_config):
    wheel, home, elsewhere = build(source, tmp_path), tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    limits = ("--constraint", str(ROOT / "constraints.txt"))

    def call(program, *arguments, **kwargs):
        done = subprocess.run(
            [home / "bin" / program, *arguments],
            cwd=elsewhere,
            capture_output=True,
            text=True,
            **kwargs,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", home], check=True)
    call("python", "-m", "pip", "install", "--quiet", *limits, "torch==2.13.0")
    call("python", "-m", "pip", "install", "--quiet", *limits, f"{wheel}[train]")
    call("pocketbert", "run", "--config", str(toy_config))
    assert (elsewhere / "build" / "report.html").exists()
    assert "lights" in call("pocketbert", "chat", "build/bundle", input="turn on the lights\n")
