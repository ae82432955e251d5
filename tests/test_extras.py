"""A run says what it did not run, and CI accepts no excuse for what was set up."""

import os
import subprocess
import sys
from pathlib import Path

import extras
import pytest

HERE = Path(extras.__file__).parent
CONFTEST = """
from pathlib import Path
import extras
extras.FOLDER = Path(__file__).parent
def pytest_terminal_summary(terminalreporter):
    extras.report(terminalreporter)
"""
TESTS = """
import extras
def test_on_a_phone(): extras.not_run("no phone here", extra="phone")
def test_on_another_phone(): extras.not_run("no phone here", extra="phone")
def test_of_arithmetic(): assert 1 + 1 == 2
"""


@pytest.fixture
def run(tmp_path):
    """Runs these tests where `status` is what scripts/phone left; what pytest printed."""

    def run(status, **environment):
        (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        (tmp_path / "test_phones.py").write_text(TESTS, encoding="utf-8")
        (tmp_path / f"phone.{status}").write_text("phone: plug one in\n", encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", str(tmp_path)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "CI": "", "PYTHONPATH": str(HERE), **environment},
        )

    return run


@pytest.mark.parametrize("ci", ["", "true"])
def test_what_could_not_be_set_up_is_named_before_the_closing_line(run, ci):
    done = run("failed", CI=ci)
    *_, title, first, second, closing = done.stdout.splitlines()
    assert done.returncode == 0
    assert extras.TITLE in title
    assert first.split() == ["set-up", "phone:", "plug", "one", "in"]
    assert second.split() == ["2", "tests", "no", "phone", "here"]
    assert "1 passed, 2 skipped" in closing


def test_planted_excuse_fails_in_ci_where_the_set_up_succeeded(run):
    assert run("ready").returncode == 0
    done = run("ready", CI="true")
    assert done.returncode == 1 and "2 failed, 1 passed" in done.stdout
    assert "scripts/phone succeeded, and still: no phone here" in done.stdout


def test_every_skip_goes_through_extras():
    for file in HERE.rglob("*.py"):
        if file.name not in ("extras.py", Path(__file__).name):
            text = file.read_text(encoding="utf-8")
            assert "pytest.skip(" not in text and "importorskip" not in text, file.name
