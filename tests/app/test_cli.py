import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import pocketbert, pocketbert_process

from pocketbert import __version__


def one_line_error(done, *words):
    """The whole of stderr is one line that holds `words`."""
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" …")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("pocketbert: ")
    for word in words:
        assert word in lines[0]


def test_main_run_prints_every_artefact_and_the_next_command(main_run):
    out, printed = main_run
    for name in ("teacher, float", "student, float", "executorch", "tflite-task", "coreml"):
        assert name in printed
    assert "MIL evaluator, not Apple's runtime" in printed
    assert "next     pocketbert chat" in printed
    assert (out / "bundle" / "manifest.json").exists()


def test_main_run_says_each_step_once_and_nothing_else_on_stderr(main_run):
    steps = (main_run[0].parent / "stderr.txt").read_text(encoding="utf-8").splitlines()
    assert steps[0] == "Teacher reads the texts …"
    assert all(step.endswith(" …") for step in steps), steps
    assert len(set(steps)) == len(steps)


def test_recorded_command_makes_the_same_bundle_and_reuses_every_stage(
    toy_run, toy_data, toy_bert, tmp_path
):
    shutil.copytree(toy_run, tmp_path / "build")
    shutil.copy(toy_data, tmp_path)
    shutil.copytree(toy_bert, tmp_path / toy_bert.name)
    manifest = tmp_path / "build" / "bundle" / "manifest.json"
    sealed = manifest.read_bytes()
    program, *command = shlex.split(json.loads(sealed)["provenance"]["command"])
    assert program == "pocketbert"
    shutil.rmtree(tmp_path / "build" / "bundle")
    done = pocketbert(*command, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    reused = {"teacher", "transfer_set", "student", "reference", "artifacts/tflite"}
    reused |= {"artifacts/coreml", "verified/tflite", "verified/coreml"}
    found = set(json.loads(done.stdout)["reused"])
    assert found - {"benched/tflite"} == reused  # which a busy machine measures again
    assert manifest.read_bytes() == sealed


def test_json_of_a_run_is_one_object(toy_run):
    result = json.loads((toy_run / "result.json").read_text(encoding="utf-8"))
    assert result["bundle"] == "bundle"
    assert result["verdicts"]["coreml"]["engine"] == "MIL evaluator, not Apple's runtime"
    assert result["latency"]["coreml"]["reason"].startswith("coreml runs on Apple's systems only")


def test_failed_gate_exits_1_keeps_artefacts_and_seals_nothing(tmp_path, toy_config, toy_run):
    # The gate is planted: no student agrees with itself on more than all texts.
    config = toy_config.read_text() + "min_agreement = 1.0\nmax_accuracy_drop = 0.0\n"
    config = config.replace('["tflite", "coreml"]', '["coreml"]').replace(
        "epochs = 20", "epochs = 1"
    )
    config = config.replace("min_retention = 0.9", "min_retention = 0.999")
    (tmp_path / "strict.toml").write_text(config)
    out = tmp_path / "build"
    done = pocketbert("run", "--config", str(tmp_path / "strict.toml"), "--out", str(out))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "below the required 99.9%" in done.stdout
    assert (out / "student" / "model.safetensors").exists()
    assert not (out / "bundle").exists()
    assert "Not shipped" in (out / "report.html").read_text(encoding="utf-8")


def test_chat_answers_piped_lines_of_any_kind(toy_run):
    lines = [
        "lights off",
        "",
        "🙂🙂",
        "مرحبا كيف الحال",
        "nul\x00byte",
        "x" * 10_000,
        "/stats",
        "/quit",
    ]
    done = pocketbert_process(
        "chat", str(toy_run / "bundle"), "--runtime", "tflite", stdin="\n".join(lines) + "\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "lights ·" in done.stdout
    assert done.stdout.count("tokenise") == 6 + 1  # six answers and the row of /stats
    assert "p99" in done.stdout


def test_verify_accepts_an_untouched_bundle(toy_run):
    done = pocketbert("verify", str(toy_run / "bundle"), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tflite"]["golden_cases"] > 40


def test_eval_reports_every_artefact_on_new_data(toy_run, toy_data):
    done = pocketbert("eval", str(toy_run / "bundle"), "--data", str(toy_data), "--json")
    assert done.returncode == 0, done.stderr
    for audit in json.loads(done.stdout).values():
        assert audit["evaluation"]["accuracy"] > 0.9
        assert audit["agreement"] > 0.98
        assert 0 <= audit["evaluation"]["out_of_scope"]["auroc"] <= 1


def test_doctor_names_what_is_missing_and_how_to_mend_it():
    done = pocketbert("doctor", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert found["lower to ExecuTorch"]["present"]
    assert all(item["present"] or item["remedy"] for item in found.values())


def test_doctor_works_where_torch_is_missing():
    script = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['pocketbert', 'doctor']\n"
        "from pocketbert.app.cli.main import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "✗ lower to ExecuTorch" in done.stdout


def test_version():
    assert pocketbert_process("--version").stdout.strip() == f"pocketbert {__version__}"


@pytest.mark.parametrize("command", ["run", "chat", "verify", "eval", "doctor"])
def test_help_has_an_example(command):
    printed = pocketbert(command, "--help").stdout
    assert f"pocketbert {command}" in printed[printed.index("Example:") :]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--data", "nowhere.jsonl"), ("nowhere.jsonl", "Check the path")),
        (("run", "--preset", "huge"), ("'huge'", "pico, nano, micro, small")),
        (("run", "--config", "nowhere.toml"), ("nowhere.toml", "TOML")),
        (("run", "--epochs", "0"), ("epochs is 0", "1 to")),
        (("run", "--teacher", "./nowhere"), ("./nowhere", "teacher folder")),
        (("run", "--targets", "onnx"), ("onnx", "choose from executorch")),
        (("chat", "nowhere"), ("nowhere", "bundle folder")),
        (("verify", "nowhere"), ("nowhere", "bundle folder")),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(tmp_path: Path, arguments, words):
    if arguments[0] == "run":
        arguments = (*arguments, "--out", str(tmp_path / "build"))
    done = pocketbert(*arguments)
    assert done.returncode == 2
    one_line_error(done, *words)


def test_unknown_runtime_names_those_there_are(toy_run):
    done = pocketbert("chat", str(toy_run / "bundle"), "--runtime", "onnx", stdin="")
    assert done.returncode == 2
    one_line_error(done, "'onnx'", "tflite, coreml")
