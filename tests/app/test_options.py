import ast
import re
from pathlib import Path

import pytest
from typer import BadParameter
from typer.testing import CliRunner

from pocketbert.app.cli import runs
from pocketbert.app.cli.main import app
from pocketbert.app.cli.options import to_bytes, to_seconds
from pocketbert.base.config import SETTINGS

PIPELINE = Path(runs.__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("30m", 1800), (" 2 h ", 7200)]
)
def test_durations_are_read(text, seconds):
    assert to_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("2MB", 2_000_000), ("900KB", 900_000), ("1.5 MB", 1_500_000), ("12", 12)]
)
def test_sizes_are_read(text, size):
    assert to_bytes(text) == size


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5d", "1e3"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(BadParameter, match="write 90s, 30m or 2h"):
        to_seconds(text)


@pytest.mark.parametrize("text", ["", "small", "2 parsecs"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(BadParameter, match="write 900KB or 2MB"):
        to_bytes(text)


FLAGS = {one.name: one.declared.flag for one in SETTINGS if one.declared.flag}


def helped(command):
    return CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "120"}).stdout


def test_run_has_a_flag_for_every_setting_that_declares_one():
    printed = helped("run")
    for flag in (*FLAGS.values(), "--set", "--config"):
        assert f"{flag} " in printed


def test_search_has_the_flags_that_it_heeds():
    printed = helped("search")
    for name, flag in FLAGS.items():
        if flag != "--min-retention":  # which is the search's own
            assert (f"{flag} " in printed) == (name in runs.SEARCHED), name


@pytest.mark.parametrize("command", ["chat", "verify", "install", "eval", "bench", "diff"])
def test_every_command_that_opens_a_bundle_takes_a_key(command):
    assert "--key" in helped(command)


# What both `run` and `package` read. The rest trains, or belongs to one other command.
SHARED = (
    *("data/*.py", "models/*.py", "targets/**/*.py", "bundle/[!c]*.py", "measure/gates.py"),
    *("measure/choose.py", "measure/host.py", "app/cache.py", "app/owned.py", "base/[!c]*.py"),
    *("app/stages/ship.py", "app/stages/judge.py", "app/stages/package.py"),
)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
OTHER_COMMAND = re.compile(r"(pocketbert \w+|pip) [^.]*")  # a remedy that says whose the flag is


def strings_in(source):
    """The strings of `source` that are no docstrings, nor parts of them."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone
    ]


def shared_strings(but=()):
    """The strings of each file that both `run` and `package` read."""
    files = [file for pattern in SHARED for file in sorted(PIPELINE.glob(pattern))]
    return {
        file.name: strings_in(file.read_text(encoding="utf-8"))
        for file in files
        if file.name not in but
    }


def flags_in(strings):
    """The flags that `strings` name as those of the command that is running."""
    return {flag for text in strings for flag in FLAG.findall(OTHER_COMMAND.sub("", text))}


def telling_of_a_student(strings):
    """Those of `strings` that are for people, and speak of a student."""
    return [text for text in strings if " " in text and re.search(r"\bstudent\b", text, re.I)]


def test_what_package_prints_names_flags_that_it_has():
    printed = helped("package")
    named = {name: flags_in(strings) for name, strings in shared_strings().items()}
    assert "--float" in named["gates.py"]
    lacking = {
        name: {flag for flag in flags if f"{flag} " not in printed} for name, flags in named.items()
    }
    assert not {name: flags for name, flags in lacking.items() if flags}
    planted = strings_in('f"{x}: too low. Use a larger --preset, or pocketbert run --teacher."')
    assert flags_in(planted) == {"--preset"}


def test_package_speaks_of_no_student_since_it_has_none():
    # judge.py: besides what package calls, the stage of the two models, which belongs to run.
    told = {n: telling_of_a_student(found) for n, found in shared_strings({"judge.py"}).items()}
    assert not {name: texts for name, texts in told.items() if texts}
    assert not telling_of_a_student([helped("package")])
    planted = strings_in(
        'def f():\n    """Of the student."""\n    return f"{x}: the student\'s {y}"'
    )
    assert telling_of_a_student(planted) == [": the student's "]
