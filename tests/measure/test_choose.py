"""The smallest recipe that loses little, and why the smaller ones were refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command import pocketbert

from pocketbert.base.config import Gates
from pocketbert.base.recipes import RECIPES
from pocketbert.bundle.manifest import TEXT
from pocketbert.measure import choose as choosing
from pocketbert.measure.choose import Trial, candidates, choose, explain
from pocketbert.measure.gates import over_parts, probe_texts
from pocketbert.models.student import load_student
from pocketbert.targets import get_target


def test_candidates_grow_from_the_smallest_and_end_in_float():
    found = list(candidates(("int8", "int4-embedding", "float"), 2, 128, ("pooler",)))
    assert [recipe.name for recipe in found] == ["int4-embedding", *["int8"] * 4, "float"]
    assert [recipe.keep_float for recipe in found[1:5]] == [
        ("pooler",),
        ("pooler", "classifier"),
        ("pooler", "classifier", "layers.1"),
        ("pooler", "classifier", "layers.1", "layers.0"),
    ]
    assert next(candidates(("int8", "int4-embedding"), 2, 48, ())).name == "int8"


class Lossy:
    """A target whose int4 embedding answers label 0 for every text: the planted fault."""

    def __init__(self, lower):
        self.real = get_target("tflite")
        self.name, self.recipes = "lossy", self.real.recipes
        self.read, self.lower = self.real.read, lower

    def load(self, artifact):
        runner = self.real.load(artifact)
        if artifact.recipe.name == "int4-embedding":
            logits = runner.logits
            runner.logits = lambda ids, mask: logits(ids, mask) * 0 + np.array([9.0, 0, 0])
        return runner


@pytest.fixture(scope="module")
def lower(tmp_path_factory):
    """Lower a student by a recipe, for real; the same recipe again is a copy of that file."""
    made = {}

    def to_tflite(student, out, recipe):
        if recipe not in made:
            folder = tmp_path_factory.mktemp("lowered")
            made[recipe] = get_target("tflite").lower(student, folder, recipe)
        path = shutil.copy(made[recipe].path, out)
        return replace(made[recipe], path=Path(path))

    return to_tflite


@pytest.fixture(scope="module")
def chosen(toy_run, toy_corpus, tmp_path_factory):
    student = load_student(toy_run / "student")

    def run(target, gates):
        folder = tmp_path_factory.mktemp("chosen")
        probes = probe_texts(toy_corpus, student.vocabulary)
        expected = over_parts(toy_corpus, probes, student.logits)
        return choose(target, student, expected, toy_corpus, gates, (), folder)

    return run


def test_recipe_that_ruins_accuracy_is_refused_and_the_next_one_taken(chosen, lower):
    artifact = chosen(Lossy(lower), Gates())
    assert artifact.recipe.name == "int8" and artifact.path.exists()
    first, second = artifact.reason.split("; ")
    assert first.startswith("int4-embedding") and "agrees 33.3%: refused" in first
    assert second.startswith("int8") and second.endswith("taken")


def test_recipe_that_is_stored_otherwise_is_refused(chosen, lower):
    # Planted: int4 is asked for, and int8 comes out.
    def lower_to_int8(student, out, recipe):
        return lower(student, out, RECIPES["int8"] if recipe.name == "int4-embedding" else recipe)

    target = Lossy(lower_to_int8)
    artifact = chosen(target, Gates())
    first, second = artifact.reason.split("; ")
    assert "refused (lossy: embedding.weight is stored as int8" in first
    assert second.startswith("int8") and second.endswith("taken")


def test_recipe_that_errs_on_odd_texts_is_refused(chosen, lower):
    # Planted: what it loses on validation is allowed, and the logits are not the student's.
    loose = replace(Gates(), max_recipe_loss=1.0, min_agreement=0.0)
    artifact = chosen(Lossy(lower), loose)
    assert (
        artifact.recipe.name == "int8" and "odd or long texts get other logits" in artifact.reason
    )


def test_limit_decides(chosen, lower, monkeypatch):
    monkeypatch.setattr(choosing, "probe_failures", lambda *_: [])
    loose = replace(Gates(), max_recipe_loss=1.0, min_agreement=0.0)
    assert chosen(Lossy(lower), loose).recipe.name == "int4-embedding"


def test_auto_on_the_command_line_records_why(toy_config, toy_run, tmp_path):
    out = shutil.copytree(toy_run, tmp_path / "build")  # whose student is reused
    flags = ("--config", str(toy_config), "--targets", "tflite", "--recipe", "auto")
    done = pocketbert("run", "--out", str(out), *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    manifest = json.loads((tmp_path / "build/bundle/manifest.json").read_text(encoding="utf-8"))
    assert manifest["artifacts"]["tflite"]["reason"].endswith("taken")


def test_reason_is_as_short_as_a_manifest_takes_it():
    # As 12 layers given up one by one, each refused for what the file holds.
    failure = f"tflite: {'14 matrix products run outside the fast kernels, ' * 4}none may. Lower it"
    recipes = [replace(RECIPES["int8"], keep_float=(f"layers.{i}",)) for i in range(12)]
    refused = [Trial(recipe, 10**6, 0.1, 0.9, (failure,), False) for recipe in recipes]
    taken = Trial(RECIPES["float"], 10**6, 0.0, 1.0, (), True)
    for trials in ([*refused, taken], [refused[0], taken], [taken]):
        reason = explain(trials)
        assert len(reason) <= TEXT
        assert reason.endswith("taken") and "Lower it" not in reason
    assert explain([*refused, taken]).count("refused") > 3
    assert " more refused; " in explain([*refused, taken])
