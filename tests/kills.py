"""Runs killed at random moments: each must go on to the same bundle, byte for byte.

A process that has imported everything forks the runs, so that what is interrupted is the work and
not the imports. One run is killed at every moment that matters; others again and again, at moments
spread evenly over a whole one, until they end before their time. Then bundles are compared.
"""

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import os  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Annotated  # noqa: E402

import toy  # noqa: E402
import typer  # noqa: E402

from pocketbert.app.cli.console import err, out, progress  # noqa: E402
from pocketbert.base.config import RunConfig  # noqa: E402
from pocketbert.base.config_file import load_config  # noqa: E402
from pocketbert.base.files import tree_digest  # noqa: E402
from pocketbert.base.progress import track  # noqa: E402
from pocketbert.flow import run  # noqa: E402

TARGETS, TOOLCHAINS = ("coreml",), ("coremltools", "matplotlib.pyplot")  # the quickest to lower
# In the order that a run makes them; what is newest says where it was killed.
STAGES = ("teacher", "transfer_set", "student", "reference", "artifacts", "verified", "benched")
CHECKPOINT = "checkpoints/{}/0*/checkpoint.json"
# Teacher and student half-way, and after every stage; of training, a second time.
MOMENTS = (
    *(CHECKPOINT.format("teacher"), "teacher", "transfer_set"),
    *(CHECKPOINT.format("student"), "checkpoints/student/0000001*", "student"),
    *("reference", "artifacts", "verified", "benched"),
)


@dataclass(frozen=True)
class Kills:
    """How often runs were killed after which stage, how many ended, and what was wrong."""

    after: Counter[str]
    ended: int
    bad: tuple[str, ...]


def kill_runs(config: RunConfig, count: int, seed: int = 0) -> Kills:
    """Kill runs of `config`: once at every moment of `MOMENTS`, then `count` times at random."""
    for name in TOOLCHAINS:
        import_module(name)
    chance = random.Random(seed)
    after, ended, bad = Counter[str](), 0, list[str]()
    with TemporaryDirectory() as scratch:
        begun = time.monotonic()
        assert _ends(config, Path(scratch) / "whole", lambda: False)
        span = time.monotonic() - begun
        expected = tree_digest(Path(scratch) / "whole" / "bundle")
        folder = Path(scratch) / "killed"
        for moment in MOMENTS:
            if _ends(config, folder, lambda pattern=moment: any(folder.glob(pattern))):
                bad.append(f"a run ended before {moment}")
            after[_reached(folder)] += 1
        for _ in track(range(count), "Kill"):
            while _ends(config, folder, _after(chance.uniform(0, span))):
                ended += 1
                _compare(folder, expected, f"run {ended}, seed {seed}", bad)
            after[_reached(folder)] += 1
        _ends(config, folder, lambda: False)
        _compare(folder, expected, f"the last run, seed {seed}", bad)
    return Kills(after, ended + 1, tuple(bad))


def _after(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() >= until


def _ends(config: RunConfig, folder: Path, stop: Callable[[], bool]) -> bool:
    """Run in a process of its own; kill it at `stop`. Whether it ended before."""
    pid = os.fork()
    if pid == 0:
        try:
            run(config, folder)
        except BaseException as error:
            err.print(f"{type(error).__name__}: {error}", markup=False)
            os._exit(1)
        os._exit(0)
    os.setpgid(pid, pid)  # with all that it starts
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if status != 0:
                raise SystemExit(f"a run failed with status {status} in {folder}")
            return True
        if stop():
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return False
        time.sleep(0.001)


def _compare(folder: Path, expected: str, what: str, bad: list[str]) -> None:
    if (found := tree_digest(folder / "bundle")) != expected:
        bad.append(f"{what}: the bundle has digest {found[:12]}…, and {expected[:12]}… is expected")
    shutil.rmtree(folder)


def _reached(folder: Path) -> str:
    made = [name for name in (*STAGES, "bundle") if (folder / name).exists()]
    return made[-1] if made else "the start"


def settings(folder: Path) -> RunConfig:
    """Of a run of seconds in which teacher and student both train, and often keep their state."""
    (folder / "bert").mkdir()
    file = toy.make_settings(folder, toy.make_data(folder), toy.make_bert(folder / "bert"))
    config = load_config(file, {"teacher": {"fine_tune": True, "patience": 9}})
    return replace(config, targets=TARGETS, checkpoint_steps=7)


def main(
    kills: Annotated[int, typer.Option(help="At random moments, besides those that matter.")] = 200,
    seed: int = 0,
) -> None:
    """Kill runs; exit 1 where one does not reach the same bundle."""
    with TemporaryDirectory() as scratch, progress():
        found = kill_runs(settings(Path(scratch)), kills, seed)
    told = ", ".join(f"{n} after {stage}" for stage, n in sorted(found.after.items()))
    out.print(f"{found.after.total()} kills: {told}; {found.ended} runs ended")
    for one in found.bad[:10]:
        err.print(f"  {one}", markup=False)
    raise SystemExit(bool(found.bad))


if __name__ == "__main__":
    typer.run(main)
