"""Figures of a bundle on labelled text where its float student is gone, unreadable or another."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pocketbert.app.cli.main import app
from pocketbert.base.config import DataConfig
from pocketbert.base.errors import BundleError, ModelError, NotRun
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import audit
from pocketbert.measure.audit import evaluate_bundle


@pytest.fixture
def build(toy_run, tmp_path):
    """A run's bundle and student, in which a test may damage things."""
    for name in ("bundle", "student"):
        shutil.copytree(toy_run / name, tmp_path / name)
    return tmp_path


def no_permission(_):
    raise PermissionError(13, "Permission denied")


def damage(name, content):
    return lambda build, patch: (build / "student" / name).write_bytes(content)


FAULTS = {
    "no weights": (
        lambda build, patch: (build / "student" / "model.safetensors").unlink(),
        (ModelError, r"student/model.safetensors: No such file or directory\. Make it readable"),
    ),
    "of another user": (  # as root may read it, the refusal is planted
        lambda build, patch: patch.setattr(audit, "sha256", no_permission),
        (ModelError, r"student/model.safetensors: Permission denied\. Make it readable"),
    ),
    "another student": (
        damage("model.safetensors", b"of a later run"),
        (BundleError, r"another model than the bundle's\. Name the one"),
    ),
    "damaged settings": (damage("config.json", b"{"), (ModelError, "not a readable model")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_student_beside_the_bundle_that_cannot_be_used_is_said_and_no_failure(
    build, toy_data, monkeypatch, fault
):
    plant, (kind, words) = FAULTS[fault]
    bundle = open_bundle(build / "bundle")
    plant(build, monkeypatch)
    outcomes, _ = evaluate_bundle(bundle, toy_data, DataConfig(), None)
    for outcome in outcomes.values():
        assert outcome.evaluation.accuracy > 0.9
        assert isinstance(outcome.agreement, NotRun)
        assert re.search(words, outcome.agreement.reason)
    with pytest.raises(kind, match=words):  # named, it is asked for
        evaluate_bundle(bundle, toy_data, DataConfig(), build / "student")


def test_command_line_prints_the_reason_once(build, toy_data: Path):
    (build / "student" / "model.safetensors").unlink()
    done = CliRunner(env={"COLUMNS": "300"}).invoke(
        app, ["eval", str(build / "bundle"), "--data", str(toy_data)]
    )
    assert done.exit_code == 0, done.output
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("not run:"))
    assert "model.safetensors: No such file or directory. Make it readable, or name" in line
