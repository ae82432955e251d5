"""What is done for one target alone, in whatever process: plain values in and out, and folders."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.numpy import save_file

from ...base.config import Gates
from ...base.files import tree_bytes, write_json
from ...base.recipes import Recipe
from ...measure.gates import run_texts
from ...models.lean import LeanBert
from ...models.student import load_student
from ...targets import get_target
from ...targets.base import Artifact
from ...targets.inspect import examine

ARTIFACT, MEASURED = "artifact.json", "measured.safetensors"


def lower(folder: str, target: str, student: str, recipe: dict[str, Any]) -> None:
    """Lower the student of a folder by `recipe`."""
    asked = TypeAdapter(Recipe).validate_python(recipe)
    opened = load_student(Path(student))
    write_artifact(Path(folder), get_target(target).lower(opened, Path(folder), asked))


def measure(
    folder: str, artifacts: str, student: str, texts: Sequence[str], gates: dict[str, Any]
) -> dict[str, Any]:
    """Have the artefact of the folder `artifacts` answer `texts`; returns what its file holds."""
    artifact, opened = read_artifact(Path(artifacts)), load_student(Path(student))
    target = get_target(artifact.target)
    runner = target.load(artifact)
    stored = examine(
        artifact.target,
        target.read(artifact),
        tree_bytes(artifact.path),
        LeanBert(opened.model, opened.vocabulary.max_length),
        artifact.recipe,
        Gates(**gates),
    )
    logits = run_texts(runner, opened.vocabulary, tuple(texts))
    save_file({"logits": logits}, Path(folder) / MEASURED)
    return {"engine": runner.engine, "stored": asdict(stored)}


def write_artifact(folder: Path, artifact: Artifact) -> None:
    """Describe the artefact in `folder`, which `read_artifact` finds there."""
    write_json(folder / ARTIFACT, {**asdict(artifact), "path": artifact.path.name})


def read_artifact(folder: Path) -> Artifact:
    """The artefact in `folder`."""
    found = TypeAdapter(Artifact).validate_json((folder / ARTIFACT).read_bytes())
    return replace(found, path=folder / found.path)
