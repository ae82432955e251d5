"""Runs killed at random moments: each must go on to the same bundle, byte for byte.

A process that has imported everything forks the runs, so that what is interrupted is the work and
not the imports. A run is killed again and again, at moments spread evenly over a whole one, until
it ends before its time; then its bundle is compared.
"""

from pipeline.quiet import quiet

quiet()  # before any toolchain is imported

import os  # noqa: E402
import random  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from tempfile import TemporaryDirectory  # noqa: E402
from typing import Annotated  # noqa: E402

import toy  # noqa: E402
import typer  # noqa: E402

from pipeline.config import RunConfig, load_config  # noqa: E402
from pipeline.console import err, out, progress  # noqa: E402
from pipeline.files import tree_digest  # noqa: E402
from pipeline.progress import Track, silent  # noqa: E402
from pipeline.run import run  # noqa: E402

TARGETS, TOOLCHAINS = ("coreml",), ("coremltools", "matplotlib.pyplot")  # the quickest to lower
# In the order that a run makes them; what is newest says where it was killed.
STAGES = ("teacher", "transfer_set", "student", "reference", "artifacts", "verified", "benched")


@dataclass(frozen=True)
class Kills:
    """How often runs were killed after which stage, how many ended, and what was wrong."""

    after: Counter[str]
    ended: int
    bad: tuple[str, ...]


def kill_runs(config: RunConfig, count: int, seed: int = 0, track: Track = silent) -> Kills:
    """Kill runs of `config` `count` times in all, and let each end."""
    for name in TOOLCHAINS:
        import_module(name)
    config = replace(config, targets=TARGETS)
    chance = random.Random(seed)
    after, ended, bad = Counter[str](), 0, list[str]()
    with TemporaryDirectory() as scratch:
        begun = time.monotonic()
        assert _ends(config, Path(scratch) / "whole", None)
        span = time.monotonic() - begun
        expected = tree_digest(Path(scratch) / "whole" / "bundle")
        folder = Path(scratch) / "killed"
        for _ in track(range(count), "Kill"):
            while _ends(config, folder, chance.uniform(0, span)):
                ended += 1
                _compare(folder, expected, f"run {ended}, seed {seed}", bad)
            after[_reached(folder)] += 1
        if not _ends(config, folder, None):
            bad.append("the last run does not end")
        _compare(folder, expected, f"the last run, seed {seed}", bad)
    return Kills(after, ended + 1, tuple(bad))


def _ends(config: RunConfig, folder: Path, seconds: float | None) -> bool:
    """Run in a process of its own; kill it after `seconds`. Whether it ended before."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        try:
            run(config, folder)
        except BaseException as error:
            err.print(f"{type(error).__name__}: {error}", markup=False)
            os._exit(1)
        os._exit(0)
    until = None if seconds is None else time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            if status != 0:
                raise SystemExit(f"a run failed with status {status} in {folder}")
            return True
        if until is not None and time.monotonic() >= until:
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


def main(
    kills: Annotated[int, typer.Option(help="In all.")] = 200,
    seed: int = 0,
) -> None:
    """Kill runs at random moments; exit 1 where one does not reach the same bundle."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "bert").mkdir()
        settings = toy.make_settings(folder, toy.make_data(folder), toy.make_bert(folder / "bert"))
        with progress() as track:
            found = kill_runs(load_config(settings, {}), kills, seed, track)
    told = ", ".join(f"{n} after {stage}" for stage, n in sorted(found.after.items()))
    out.print(f"{found.after.total()} kills: {told}; {found.ended} runs ended")
    for one in found.bad[:10]:
        err.print(f"  {one}", markup=False)
    raise SystemExit(bool(found.bad))


if __name__ == "__main__":
    typer.run(main)
