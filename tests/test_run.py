import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import pocketbert
from pydantic import TypeAdapter

from pipeline.files import tree_digest
from pipeline.report import RunResult


def result_of(out: Path) -> RunResult:
    """The result a run left on disk."""
    return TypeAdapter(RunResult).validate_json((out / "result.json").read_bytes())


def test_main_run_reaches_what_it_promises(main_run):
    result = result_of(main_run[0])
    kept = result.student.evaluation.accuracy / result.teacher.evaluation.accuracy
    assert kept >= 0.98
    for verdict in result.verdicts.values():
        assert verdict.failures == ()
        assert abs(verdict.evaluation.accuracy - result.student.evaluation.accuracy) <= 0.005
        assert verdict.agreement >= 0.99


def test_same_seed_in_another_folder_gives_the_same_bundle(toy_run, toy_config, tmp_path):
    out = tmp_path / "elsewhere"
    done = pocketbert("run", "--config", str(toy_config), "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert tree_digest(out / "bundle") == tree_digest(toy_run / "bundle")
    for name in ("student", "artifacts"):
        assert tree_digest(out / name) == tree_digest(toy_run / name)


def test_changed_seed_hits_no_stage_of_the_old_one(toy_run, toy_config, tmp_path):
    out = shutil.copytree(toy_run, tmp_path / "build")
    done = pocketbert(
        "run",
        "--config",
        str(toy_config),
        "--out",
        str(out),
        "--seed",
        "5",
        "--targets",
        "coreml",
        "--json",
    )
    assert json.loads(done.stdout)["reused"] == []


def test_killed_run_goes_on_to_the_same_bundle(toy_run, toy_config, tmp_path):
    out = tmp_path / "build"
    command = [
        sys.executable,
        "-m",
        "pipeline",
        "run",
        "--config",
        str(toy_config),
        "--out",
        str(out),
    ]
    for reached in ("teacher", "artifacts"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 300
        while not (out / reached).exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not (out / "bundle").exists()
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert tree_digest(out / "bundle") == tree_digest(toy_run / "bundle")


def test_second_run_on_a_busy_folder_says_so(toy_config, tmp_path):
    from pipeline.cache import lock

    with lock(tmp_path):
        done = pocketbert("run", "--config", str(toy_config), "--out", str(tmp_path))
    assert done.returncode == 2
    assert "another run is at work there" in done.stderr


def test_target_without_its_toolchain_is_reported_as_not_run(toy_config, tmp_path):
    # A stand-in for a platform without coremltools: its import fails.
    script = (
        "import sys; sys.modules['coremltools'] = None\n"
        "sys.argv = ['pocketbert', 'run', '--config', sys.argv[1], '--out', sys.argv[2]]\n"
        "from pipeline.cli import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(toy_config), str(tmp_path / "build")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "not run: coreml: coremltools cannot be imported here" in done.stdout
    manifest = json.loads((tmp_path / "build" / "bundle" / "manifest.json").read_text())
    assert list(manifest["artifacts"]) == ["tflite"]


@pytest.mark.slow
def test_two_full_runs_give_the_same_student_and_artefacts(main_run, tmp_path):
    done = pocketbert("run", "--out", str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
    assert tree_digest(tmp_path / "build" / "bundle") == tree_digest(main_run[0] / "bundle")
