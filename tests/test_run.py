import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from command import pocketbert, pocketbert_process

from pocketbert.app.result import read_result
from pocketbert.base.errors import NotRun
from pocketbert.base.files import tree_digest


def test_main_run_reaches_what_it_promises(main_run):
    result = read_result(main_run[0])
    kept = result.student.evaluation.accuracy / result.teacher.evaluation.accuracy
    assert kept >= 0.98
    # tflite-support and Core AI have no wheels for some Pythons.
    made = {name: v for name, v in result.verdicts.items() if not isinstance(v, NotRun)}
    assert result.verdicts.keys() - made.keys() <= {"tflite-task", "coreai"}
    for verdict in made.values():
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


def killed_when(command: list[str], reached: Callable[[], bool]) -> None:
    """Run `command` and kill it once `reached`."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_two_processes_reach_the_accuracy_of_one(toy_run, toy_config, tmp_path):
    out = tmp_path / "build"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [
            *[*launch, "-m", "pocketbert", "run", "--config", str(toy_config)],
            *["--targets", "coreml", "--out", str(out)],
        ],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bundle   ") == 1
    assert done.stderr.count("Student learns") == 1
    assert "FutureWarning" not in done.stderr
    one, two = read_result(toy_run), read_result(out)
    assert two.student.evaluation.accuracy == pytest.approx(
        one.student.evaluation.accuracy, abs=0.03
    )
    # Both shared the work: each hid words by numbers of its own, so the weights differ.
    weights = [(folder / "student" / "model.safetensors") for folder in (out, toy_run)]
    assert weights[0].read_bytes() != weights[1].read_bytes()
    assert tree_digest(out / "teacher") == tree_digest(toy_run / "teacher")


def test_teacher_in_the_output_folder_is_refused(toy_run, toy_config):
    teacher = str(toy_run / "teacher")
    flags = ("--config", str(toy_config), "--teacher", teacher, "--out", str(toy_run))
    done = pocketbert("run", *flags)
    assert done.returncode == 2
    assert "lies in the output folder" in done.stderr
    assert (toy_run / "teacher" / "model.safetensors").exists()


def test_checkpoint_of_other_settings_is_refused_by_name(toy_config, tmp_path):
    config = tmp_path / "slow.toml"
    text = toy_config.read_text().replace("epochs = 20", "epochs = 400")
    config.write_text("checkpoint_steps = 5\n" + text)
    command = [sys.executable, "-m", "pocketbert", "run", "--config", str(config), "--out"]
    out = tmp_path / "build"
    checkpoints = out / "checkpoints" / "student"
    killed_when([*command, str(out)], lambda: any(checkpoints.glob("0*/checkpoint.json")))
    done = pocketbert("run", "--config", str(config), "--out", str(out), "--epochs", "300")
    assert done.returncode == 2
    assert "made with distill.epochs 400, and now it is 300" in done.stderr
    assert any(checkpoints.iterdir())


def test_second_run_on_a_busy_folder_says_so(toy_config, tmp_path):
    from pocketbert.app.cache import lock

    with lock(tmp_path):
        done = pocketbert("run", "--config", str(toy_config), "--out", str(tmp_path))
    assert done.returncode == 2
    assert "another run is at work there" in done.stderr


def test_target_without_its_toolchain_is_reported_as_not_run(toy_config, toy_run, tmp_path):
    # A stand-in for a platform without coremltools: its import fails. The student is reused.
    out = shutil.copytree(toy_run, tmp_path / "build")
    shutil.rmtree(out / "artifacts" / "coreml")
    shutil.rmtree(out / "bundle")
    script = (
        "import sys; sys.modules['coremltools'] = None\n"
        "sys.argv = ['pocketbert', 'run', '--processes', '1', '--allow-missing', *sys.argv[1:]]\n"
        "from pocketbert.app.cli.main import main; main()\n"
    )
    flags = ("--config", str(toy_config), "--out", str(out))
    done = subprocess.run(
        [sys.executable, "-c", script, *flags],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "not run: coreml: coremltools cannot be imported here" in done.stdout
    manifest = json.loads((out / "bundle" / "manifest.json").read_text())
    assert list(manifest["artifacts"]) == ["tflite"]


@pytest.mark.slow
def test_two_full_runs_give_the_same_student_and_artefacts(main_run, tmp_path):
    done = pocketbert_process("run", "--out", str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
    assert tree_digest(tmp_path / "build" / "bundle") == tree_digest(main_run[0] / "bundle")
