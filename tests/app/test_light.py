"""What a command may cost before it has done anything."""

import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "transformers", "sklearn", "scipy", "accelerate", "datasets", "pandas"}
TOOLCHAINS = {"executorch", "litert_torch", "coremltools", "tflite_support", "torchao"}
TOOLCHAINS |= {"ai_edge_quantizer", "optuna", "matplotlib"}
COMMAND = r"""
import pathlib, re, resource, sys
sys.argv = ["pocketbert", *sys.argv[1:]]
from pocketbert.app.cli.main import main
try:
    main()
except SystemExit:
    pass
kept = resource.getrusage(resource.RUSAGE_SELF)
memory = kept.ru_maxrss
if sys.platform == "linux":  # where that of the process that started this one counts, too
    status = pathlib.Path("/proc/self/status").read_text()
    memory = int(re.search(r"VmHWM:\s+(\d+)", status)[1])
heavy = sys.modules.keys() & {heavy}
print(*heavy, "|", memory // 1024, kept.ru_utime + kept.ru_stime, file=sys.stderr)
"""


def cost(*arguments, stdin=""):
    """Heavy modules that a command imported, its peak memory in MB, its CPU seconds, its output."""
    script = COMMAND.replace("{heavy}", repr(FRAMEWORKS | TOOLCHAINS))
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], input=stdin, capture_output=True, text=True
    )
    heavy, _, figures = done.stderr.splitlines()[-1].partition("|")
    memory, seconds = figures.split()
    scale = 1 if sys.platform == "linux" else 1 / 1024  # macOS counts bytes
    return set(heavy.split()), int(memory) * scale, float(seconds), done.stdout


@pytest.mark.parametrize(
    ("arguments", "most_mb"),
    [
        (("--version",), 60),
        (("--help",), 60),
        (("run", "--help"), 60),
        (("run", "--preset", "huge"), 60),
        (("chat", "nowhere"), 80),
        (("verify", "nowhere"), 80),
        (("diff", "nowhere", "nowhere"), 80),
        (("bench", "nowhere"), 80),
        (("eval", "nowhere", "--data", "x.csv"), 80),
        (("doctor",), 120),
    ],
)
def test_command_that_does_little_imports_no_framework(arguments, most_mb):
    heavy, memory, seconds, _ = cost(*arguments)
    assert heavy == set()
    assert memory < most_mb
    assert seconds < 5  # ten times what it takes on an idle machine


def test_one_answer_in_a_chat_needs_the_runtime_and_no_framework(toy_run):
    heavy, memory, seconds, printed = cost("chat", str(toy_run / "bundle"), stdin="lights off\n")
    assert "lights ·" in printed
    assert heavy == set()
    assert memory < 150
    assert seconds < 10


def test_golden_cases_are_checked_without_a_framework(toy_run):
    heavy, *_ = cost("diff", str(toy_run / "bundle"), str(toy_run / "bundle"))
    assert heavy == set()


def test_budget_notices_a_framework():
    planted = "import sklearn.metrics\n"
    script = COMMAND.replace("{heavy}", repr(FRAMEWORKS))
    done = subprocess.run(
        [sys.executable, "-c", planted + script, "--version"], capture_output=True, text=True
    )
    assert "sklearn" in done.stderr.splitlines()[-1]
