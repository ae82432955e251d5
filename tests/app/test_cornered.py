"""Interrupted, without room, without leave to write: one line, the right exit code, and no loss."""

import os
import signal
import subprocess
import sys

import pytest
from command import pocketbert

from pocketbert.app.cache import lock
from pocketbert.base.files import replacing_folder

KEPT = "pocketbert: interrupted; finished stages are kept, the same command goes on."


def hear_interrupts():
    """In the background of a script, SIGINT is ignored by whoever inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_says_that_finished_stages_are_kept(tmp_path, toy_config, number, code):
    command = [sys.executable, "-m", "pocketbert", "run", "--config", str(toy_config)]
    running = subprocess.Popen(
        [*command, "--out", str(tmp_path / "build")],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    first = running.stderr.readline()
    assert first.endswith(" …\n"), first
    running.send_signal(number)
    _, rest = running.communicate(timeout=600)
    assert running.returncode == code
    assert rest.splitlines()[-1] == KEPT
    assert "Traceback" not in rest


def test_interrupted_chat_promises_nothing(toy_run):
    chatting = subprocess.Popen(
        [sys.executable, "-m", "pocketbert", "chat", str(toy_run / "bundle")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    assert chatting.stdout.readline()
    chatting.send_signal(signal.SIGINT)
    _, said = chatting.communicate(timeout=600)
    assert (chatting.returncode, said) == (130, "pocketbert: interrupted.\n")


# safetensors is written in Rust, and raises an error of its own.
FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import save_file
from pocketbert.app.cli import main as cli
from pocketbert.base.files import replacing_folder

def fill():
    with replacing_folder(Path(sys.argv[1])) as new:
        save_file({"weights": np.zeros(100_000)}, new / "model.safetensors")

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
cli.app = fill
cli.main()
"""


def test_disk_without_room_is_one_line_and_leaves_nothing_half(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "teacher")], capture_output=True, text=True
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("pocketbert: [Errno 27] File too large")
    assert line.endswith("teacher'. Free space or mend permissions.")
    assert not any(tmp_path.iterdir())


def test_disk_that_fills_up_while_a_file_is_written_is_named(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left on device: '.*teacher'"),
        replacing_folder(tmp_path / "teacher"),
    ):
        raise OSError(28, "No space left on device")  # of a write, which knows no path
    with pytest.raises(OSError, match="'other'"), replacing_folder(tmp_path / "teacher"):
        raise OSError(28, "No space left on device", "other")


def test_error_that_only_looks_like_the_systems_stays_itself(tmp_path):
    with pytest.raises(ValueError, match="os error"), replacing_folder(tmp_path / "f"):
        raise ValueError("an os error in words")


@pytest.mark.parametrize("where", ["file/build", "/proc/build"])
def test_folder_that_cannot_be_written_is_one_line(tmp_path, where):
    (tmp_path / "file").write_text("x")
    done = pocketbert("run", "--out", str(tmp_path / where))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert where in line and line.endswith("Choose another --out.")


def test_second_run_in_a_folder_is_one_line(tmp_path):
    with lock(tmp_path):
        done = pocketbert("run", "--out", str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "another run is at work there" in line


def test_nothing_needs_a_home(tmp_path):
    # matplotlib warns of the folder that it has to make for itself.
    script = (
        "from pocketbert.base.quiet import quiet; quiet()\n"
        "from pocketbert.app.report import charts; charts.new_figure(1)"
    )
    bare = {"PATH": os.environ["PATH"], "MPLCONFIGDIR": "/proc/nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=bare, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_marks_say_failed_in_any_terminal(stream):
    script = (
        "from pocketbert.app.cli.console import err, in_any_encoding, out\n"
        "in_any_encoding()\n"
        f"{'out' if stream == 'stdout' else 'err'}.print('✓ ✗ a … b → ü')"
    )
    for encoding, printed in (
        ("ascii", "ok FAILED a ... b -> ?"),
        ("cp1252", "ok FAILED a … b -> ü"),
        ("utf-8", "✓ ✗ a … b → ü"),
    ):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)
        assert getattr(done, stream).decode(encoding).strip() == printed


def test_paths_are_printed_whole_and_next_commands_can_be_pasted(tmp_path, monkeypatch):
    from pocketbert.app.cli.console import Console, argument, shown

    odd = tmp_path / "my build [v2]" / "[bold]x[/]"
    console = Console(width=10_000, no_color=True)
    with console.capture() as captured:
        console.print(f"bundle   {shown(odd)}")
        console.print(f"next     [bold]pocketbert chat {argument(odd)}[/]")
    whole, pasted = captured.get().splitlines()
    assert whole == f"bundle   {odd}"
    assert pasted == f"next     pocketbert chat '{odd}'"


def test_keys_of_a_folder_with_brackets_are_printed_whole(tmp_path):
    folder = tmp_path / "my keys [v2]"
    done = pocketbert("keygen", str(folder))
    assert done.returncode == 0, done.stderr
    assert f"public   {folder / 'public.pem'}\n" in done.stdout
