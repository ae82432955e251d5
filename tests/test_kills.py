"""A small, seeded part of scripts/kills: a killed run goes on to the same bundle."""

import subprocess
import sys
from pathlib import Path

import kills


def test_killed_runs_reach_the_same_bundle():
    script = Path(kills.__file__)  # forks, which a process with threads had better not
    done = subprocess.run(
        [sys.executable, str(script), "--kills", "2"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(kills.MOMENTS) + 2} kills:" in done.stdout


def test_planted_difference_is_found(tmp_path):
    (tmp_path / "killed" / "bundle").mkdir(parents=True)
    (tmp_path / "killed" / "bundle" / "manifest.json").write_text("{}", encoding="utf-8")
    bad = []
    kills._compare(tmp_path / "killed", "0" * 64, "run 1", bad)
    assert len(bad) == 1 and "000000000000… is expected" in bad[0]
