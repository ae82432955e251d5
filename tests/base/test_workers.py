import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import work

from pocketbert.base.errors import PipelineError, TargetUnavailable
from pocketbert.base.progress import showing
from pocketbert.base.workers import Call, Workers, most, side_by_side, workers


@pytest.fixture
def two():
    with side_by_side(2):
        yield workers()


def gone(pid: int) -> bool:
    """Whether a process ends within seconds; a zombie of nobody's has ended."""
    for _ in range(500):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[
                2
            ] in ("Z", "X"):
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def when_written(file: Path) -> int:
    """The process that `work.stall` names in `file`."""
    for _ in range(3000):
        if file.exists() and (said := file.read_text()):
            return int(said)
        time.sleep(0.02)
    raise AssertionError(f"{file} was not written")


def test_work_is_done_by_this_process_and_others_and_comes_back_in_order(two):
    calls = [Call(work.say, {"text": f"text {i}"}) for i in range(20)]
    assert two.do_all(calls) == [f"TEXT {i}" for i in range(20)]
    done_by = {*two.do_all([Call(work.pid, {"seconds": 0.3})] * 8)}
    assert os.getpid() in done_by
    assert len(done_by) == 2


def test_without_a_context_or_with_one_process_there_is_no_other():
    assert {*workers().do_all([Call(work.pid)] * 3)} == {os.getpid()}
    with side_by_side(1):
        assert {*workers().do_all([Call(work.pid)] * 3)} == {os.getpid()}


def test_what_this_process_has_loaded_already_is_used_in_it():
    assert Workers().do_all([Call(work.fail, here=lambda: 7)]) == [7]


def test_progress_counts_every_call(two):
    seen = []

    def show(items, what):
        for item in items:
            yield item
            seen.append(what)

    with showing(show):
        two.do_all([Call(work.pid)] * 5, "Work")
    assert seen == ["Work"] * 5


def elsewhere(pool: Workers, call: Call):
    """What a worker, not this process, makes of `call`."""
    (future,) = pool.submit([call])
    return future.result()


def test_worker_has_one_thread_and_this_process_path(two):
    count, *path = elsewhere(two, Call(work.threads))
    assert count == "1"
    assert path == sys.path


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (work.refuse, TargetUnavailable, "x: is missing. Choose another."),
        (work.fail, RuntimeError, "KeyError: 'planted'"),
    ],
)
def test_what_a_worker_raises_is_raised_here(two, function, kind, text):
    with pytest.raises(kind, match=text):
        elsewhere(two, Call(function))


def test_full_disk_in_a_worker_is_the_error_of_the_system(two):
    with pytest.raises(OSError, match="No space left") as found:
        elsewhere(two, Call(work.fill, {"file": "x"}))
    assert (found.value.errno, found.value.filename) == (28, "x")


def test_error_ends_all_and_what_was_not_begun_is_not_done(two, tmp_path):
    calls = [Call(work.refuse), *[Call(work.pid, {"seconds": 0.01})] * 500]
    with pytest.raises(TargetUnavailable):
        two.do_all(calls)
    begun = time.monotonic()
    two.do_all([Call(work.pid)])
    assert time.monotonic() - begun < 3


def test_worker_that_is_killed_is_one_clear_error_and_another_takes_its_place(two, tmp_path):
    (future,) = two.submit([Call(work.stall, {"file": str(tmp_path / "pid")})])
    os.kill(when_written(tmp_path / "pid"), signal.SIGKILL)
    with pytest.raises(PipelineError, match=r"killed by signal 9 while .*--processes 1"):
        future.result()
    assert elsewhere(two, Call(work.say, {"text": "on"})) == "ON"


def test_no_worker_outlives_the_block(tmp_path):
    with pytest.raises(KeyboardInterrupt), side_by_side(2):
        workers().submit([Call(work.stall, {"file": str(tmp_path / "pid")})])
        worker = when_written(tmp_path / "pid")
        raise KeyboardInterrupt
    assert gone(worker)


SCRIPT = """
    import signal, sys
    # A shell has what it starts in the background ignore Ctrl-C, the tests among it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.path.insert(0, {tests!r})
    import work
    from pocketbert.base.workers import Call, side_by_side, workers
    print("begun", flush=True)
    with side_by_side(2):
        workers().do_all([Call(work.stall, {{"file": f"{{sys.argv[1]}}/{{i}}"}}) for i in range(2)])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signal_to_a_script_without_a_guard_leaves_no_process(tmp_path, number):
    """A script whose code stands at the top, as in a notebook: it runs once, and ends whole."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).format(tests=str(Path(work.__file__).parent)))
    running = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    found = [when_written(tmp_path / name) for name in ("0", "1")]
    running.send_signal(number)
    printed, _ = running.communicate(timeout=60)
    assert printed == "begun\n"
    assert running.returncode != 0
    assert all(map(gone, found))


def test_there_are_as_many_as_cores_where_memory_is_enough(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {*range(64)}, raising=False)
    sizes = {"SC_PHYS_PAGES": 5 << 18, "SC_PAGE_SIZE": 1 << 12}  # 5 GB
    monkeypatch.setattr(os, "sysconf", sizes.get)
    assert most() == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3})
    assert most() == 2
