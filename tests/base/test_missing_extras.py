"""What each extra promises: a bundle is asked without anything that only training needs."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PROJECT = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def plain(name):
    """A distribution's name, as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(texts, found=frozenset()):
    """Distributions that requirements bring, with all that those require."""
    for text in texts:
        one = Requirement(text)
        if plain(one.name) in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        try:
            further = requires(one.name) or []
        except ImportError:
            further = []  # not installed, so not to be imported either
        found = needed(further, found | {plain(one.name)})
    return found


def modules_of_others(distributions):
    """Top-level modules that only other distributions than these bring."""
    owners = packages_distributions()
    own = {*distributions, "pocketbert"}
    return {module for module, names in owners.items() if not {plain(n) for n in names} & own}


ONLY = """
import sys
others = set({others!r})
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in others:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = ["pocketbert", *sys.argv[1:]]
from pocketbert.app.cli.main import main
main()
"""


def with_only(texts, *arguments, stdin=""):
    """Run the command where nothing but what `texts` bring can be imported."""
    script = ONLY.format(others=sorted(modules_of_others(needed(texts))))
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], input=stdin, capture_output=True, text=True
    )


def test_bundle_is_asked_with_the_runtime_alone(toy_run):
    texts = [*PROJECT["dependencies"], *EXTRAS["tflite"]]
    done = with_only(texts, "chat", str(toy_run / "bundle"), stdin="dim the lights\n")
    assert done.returncode == 0, done.stderr
    assert "lights ·" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("--help",), ("doctor",), ("keygen", "keys"), ("diff", "BUNDLE", "BUNDLE")]
)
def test_command_works_without_any_extra(toy_run, tmp_path, arguments):
    places = {"BUNDLE": str(toy_run / "bundle"), "keys": str(tmp_path / "keys")}
    done = with_only(PROJECT["dependencies"], *(places.get(word, word) for word in arguments))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("run", "--out", "OUT"), "train"),
        (("report", "OUT"), "train"),
        (("eval", "BUNDLE", "--data", "DATA"), "train"),
        (("chat", "BUNDLE"), "tflite"),
    ],
)
def test_missing_extra_is_one_line(toy_run, toy_data, tmp_path, arguments, extra):
    places = {"BUNDLE": str(toy_run / "bundle"), "DATA": str(toy_data), "OUT": str(tmp_path)}
    done = with_only(PROJECT["dependencies"], *(places.get(word, word) for word in arguments))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"pip install 'pocketbert[{extra}]'" in done.stderr


def test_only_toolchains_are_pinned():
    for name in ("tflite", "executorch", "hub"):
        assert not any("==" in text.partition(";")[0] for text in EXTRAS[name])
    assert not any("==" in text.partition(";")[0] for text in PROJECT["dependencies"])


def test_all_brings_every_extra_that_runs_something():
    (everything,) = EXTRAS["all"]
    apart = {"all", "test", "minilm", "coreai"}  # the last has wheels for newer systems only
    assert Requirement(everything).extras == {*EXTRAS} - apart
