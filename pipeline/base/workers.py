"""Work done side by side, in as many processes of one thread as there are cores.

A call is a function and its plain arguments; what is large passes through files. This process
computes, too. What is computed must not depend on which process does it, nor on how many
there are. Workers are fresh interpreters: the script of a caller is not run again in them.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from . import errors
from .progress import track

# sys.path is handed over, so that a worker finds the modules that this process has found.
COMMAND = "import sys; sys.path[:] = sys.argv[1:]; from {}.base.worker import serve; serve()"
# Read by the libraries while they are imported.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
MEMORY = 1 << 30  # bytes that a worker with a toolchain may take


@dataclass(frozen=True)
class Call:
    """A function that stands in a module, and its arguments, which JSON can hold."""

    function: Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    # The same for this process, where it has loaded already what a worker must load.
    here: Callable[[], Any] | None = None

    def run(self) -> Any:
        """What it returns, computed by this process."""
        return self.here() if self.here else self.function(**self.arguments)


Job = tuple[Call, "Future[Any]"]


def most() -> int:
    """Processes for all cores that this one may use, as far as the memory is enough for them."""
    usable = hasattr(os, "sched_getaffinity")  # not on macOS
    cores = len(os.sched_getaffinity(0)) if usable else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(cores, memory // MEMORY))


class Workers:
    """This process and others of ours; the others are started when there is work for them."""

    def __init__(self, processes: int = 1) -> None:
        """With one process there is none besides this."""
        can_start = bool(sys.executable)  # not where Python is embedded in another program
        self.count = processes if can_start else 1
        self._jobs = SimpleQueue[Job | None]()
        self._started = list[subprocess.Popen[str]]()
        self._threads = list[threading.Thread]()
        self._lock = threading.Lock()
        self._closed = False

    def do_all(self, calls: Sequence[Call], what: str = "") -> list[Any]:
        """What each of `calls` returns, in their order; `what` is shown meanwhile.

        Raises:
            PipelineError: as the function called raises it, or a worker died.
        """
        with self.doing(calls, what) as done:
            return [future.result() for future in done]

    @contextmanager
    def doing(self, calls: Sequence[Call], what: str) -> Iterator[Iterator["Future[Any]"]]:
        """Yield the futures of `calls`, in their order, each once it is done."""
        futures = self._begin(calls, len(calls) - 1)
        try:
            yield self.wait(futures, what)
        finally:
            for future in futures:
                future.cancel()  # what was not begun, where an error ends all

    def submit(self, calls: Sequence[Call]) -> list["Future[Any]"]:
        """Have workers begin with `calls` while this process does something else."""
        return self._begin(calls, len(calls))

    def wait(self, futures: Sequence["Future[Any]"], what: str = "") -> Iterator["Future[Any]"]:
        """Yield each of `futures` once it is done; this process does its share meanwhile."""
        for future in track(futures, what):
            while not future.done():
                try:
                    job = self._jobs.get_nowait()
                except Empty:
                    future.exception()  # waits
                else:
                    if job is not None:
                        _settle(job, Call.run)
            yield future

    def _begin(self, calls: Sequence[Call], needed: int) -> list["Future[Any]"]:
        futures = [Future[Any]() for _ in calls]
        for job in zip(calls, futures, strict=True):
            self._jobs.put(job)
        while len(self._threads) < min(self.count - 1, needed):
            thread = threading.Thread(target=self._feed, daemon=True)
            self._threads.append(thread)
            thread.start()
        return futures

    def close(self) -> None:
        """End the workers, whatever they do."""
        with self._lock:
            self._closed = True
            for worker in self._started:
                worker.kill()
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _feed(self) -> None:
        """Hand jobs to a worker of this thread's own."""
        worker: subprocess.Popen[str] | None = None
        while (job := self._jobs.get()) is not None:
            if worker is None or worker.poll() is not None:
                worker = self._start()
            if worker is not None:
                _settle(job, partial(_ask, worker))
        if worker is not None:
            worker.wait()
            for stream in (worker.stdin, worker.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]

    def _start(self) -> "subprocess.Popen[str] | None":
        package = __name__.split(".", maxsplit=1)[0]
        with self._lock:
            if self._closed:
                return None
            worker = subprocess.Popen(  # noqa: S603  this interpreter, and code of ours
                [sys.executable, "-c", COMMAND.format(package), *sys.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                env={**os.environ, **ONE_THREAD},
                start_new_session=True,  # Ctrl-C is for this process, which then ends the others
            )
            self._started.append(worker)
        return worker


def _settle(job: Job, compute: Callable[[Call], Any]) -> None:
    """Give the future of `job` what `compute` makes of its call."""
    asked, future = job
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(compute(asked))
    except Exception as error:
        future.set_exception(error)


def _ask(worker: "subprocess.Popen[str]", asked: Call) -> Any:
    """What `asked` returns in `worker`."""
    assert worker.stdin is not None and worker.stdout is not None, "it was started with pipes"
    module, name = asked.function.__module__, asked.function.__name__
    line = json.dumps({"module": module, "function": name, "arguments": asked.arguments})
    try:
        worker.stdin.write(line + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
    except BrokenPipeError:
        answer = ""
    if not answer:
        code = worker.wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise errors.PipelineError(
            f"A worker process {how} while it was at work ({module}.{name}); the usual cause is "
            "too little memory. Finished parts are kept: the same command goes on. With "
            "--processes 1 there are no workers."
        )
    return _returned(json.loads(answer))


def _returned(answer: dict[str, Any]) -> Any:
    if "returned" in answer:
        return answer["returned"]
    if kind := answer.get("refused"):
        raise getattr(errors, kind)(answer["message"])
    if known := answer.get("os_error"):
        number, reason, file = known
        raise OSError(number, reason, file) if number else OSError(answer["message"])
    raise RuntimeError(f"in a worker process: {answer['message']}")


_current: ContextVar[Workers | None] = ContextVar("workers", default=None)


def workers() -> Workers:
    """Those of the context; without any, this process alone."""
    return _current.get() or Workers()


@contextmanager
def side_by_side(processes: int | None) -> Iterator[None]:
    """Have `processes` at work within the block, or without a number one a core."""
    made = Workers(processes or most())
    token = _current.set(made)
    try:
        yield
    finally:
        _current.reset(token)
        made.close()
