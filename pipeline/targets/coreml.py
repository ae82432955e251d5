"""Core ML: int8 weights, fp16 compute, one fixed length, an `.mlpackage`.

int8 here saves size, not time: Core ML computes in fp16. Flexible lengths convert but lose the
Neural Engine, users report; so the length is fixed.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import torch

from pipeline.contents import Contents
from pipeline.errors import BundleError, TargetUnavailable
from pipeline.graph import LeanBert
from pipeline.inference import Logits
from pipeline.recipes import Recipe
from pipeline.student import Student
from pipeline.targets.base import Artifact, RowRunner, check_recipe
from pipeline.vocabulary import Ids

INPUTS = ("input_ids", "attention_mask")
DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 embedding, fp16 activations",
    "float": "fp16 weights and activations",
}
EVALUATOR = "MIL evaluator, not Apple's runtime"


class CoreML:
    """Weights and embedding in int8 per channel, everything computed in fp16."""

    name = "coreml"
    suffix = ".mlpackage"
    recipes = ("int8", "int8-compat", "float")

    def lower(self, student: Student, out: Path, recipe: Recipe) -> Artifact:
        """Write `coreml.mlpackage`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        coremltools = _import_coremltools()
        length = student.vocabulary.max_length
        path = out / f"{self.name}{self.suffix}"
        model = _convert(coremltools, LeanBert(student.model, length), length, recipe)
        model.short_description = "pocketbert intent classifier"
        model.save(str(path))
        _make_reproducible(path)
        return Artifact(
            target=self.name,
            path=path,
            inputs=INPUTS,
            dtype="int32",
            lengths=(length,),
            dynamic=False,
            vocabulary=len(student.vocabulary),
            recipe=recipe,
            quantization=DESCRIPTIONS[recipe.linear],
            min_runtime="iOS 17",
        )

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into Core ML on macOS, and into an evaluator of the saved package elsewhere."""
        predict, engine = _apple(artifact) if sys.platform == "darwin" else _evaluator(artifact)

        def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
            feed = dict(zip(artifact.inputs, (input_ids, attention_mask), strict=True))
            return np.asarray(predict(feed)["logits"], np.float32)

        return RowRunner(artifact, engine, execute)

    def read(self, artifact: Artifact) -> Contents:
        """Blobs of the weight file. What runs where, Core ML decides on the device."""
        from pipeline.targets.mil import Package

        _import_coremltools()
        return Contents(blobs=Package(artifact.path).blobs(), delegated=0)


def _evaluator(artifact: Artifact) -> tuple[Any, str]:
    from pipeline.targets.mil import Package

    _import_coremltools()  # whose protobuf classes the evaluator reads with
    return Package(artifact.path), EVALUATOR


def _import_coremltools() -> Any:
    try:
        import coremltools
    except ImportError as error:
        raise TargetUnavailable(
            f"coreml: coremltools cannot be imported here ({error}). It has wheels for Linux "
            "x86-64 and macOS; elsewhere choose other --targets."
        ) from error
    return coremltools


def _apple(artifact: Artifact) -> tuple[Any, str]:
    coremltools = _import_coremltools()
    try:
        model = coremltools.models.MLModel(str(artifact.path))
    except RuntimeError as error:
        raise BundleError(f"{artifact.path}: Core ML refuses the package ({error}).") from error
    return model.predict, f"Core ML, coremltools {version('coremltools')}"


def _convert(coremltools: Any, graph: LeanBert, length: int, recipe: Recipe) -> Any:
    from coremltools.optimize import coreml as optimize

    ids = torch.ones(1, length, dtype=torch.int32)
    exported = torch.export.export(graph, (ids, ids.clone()), strict=True).run_decompositions({})
    with np.errstate(over="ignore"):  # coremltools casts float32's range to fp16 on purpose
        model = coremltools.convert(
            exported,
            convert_to="mlprogram",
            minimum_deployment_target=coremltools.target.iOS17,
            compute_precision=coremltools.precision.FLOAT16,
            outputs=[coremltools.TensorType("logits", dtype=np.float32)],
            skip_model_load=True,
        )
    plan = graph.storage_plan(recipe)
    if recipe.linear == "float":
        return model
    int8 = optimize.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", weight_threshold=1
    )
    # By name: the default leaves out small constants, and a classifier of few labels is one.
    config = optimize.OptimizationConfig(
        op_name_configs={
            f"p_{path.replace('.', '_')}_weight_to_fp16": int8
            for path, stored in plan.items()
            if stored == "int8"
        }
    )
    return optimize.linear_quantize_weights(model, config)


def _make_reproducible(path: Path) -> None:
    """Rewrite what differs between runs: map order, random identifiers, the day, file modes."""
    from coremltools.proto import Model_pb2

    file = path / "Data" / "com.apple.CoreML" / "model.mlmodel"
    spec = Model_pb2.Model.FromString(file.read_bytes())
    spec.description.metadata.userDefined.pop("com.github.apple.coremltools.conversion_date", None)
    file.write_bytes(spec.SerializeToString(deterministic=True))
    manifest = json.loads((path / "Manifest.json").read_text(encoding="utf-8"))
    entries = manifest["itemInfoEntries"]
    names = {
        key: str(uuid5(NAMESPACE_URL, entry["path"])).upper() for key, entry in entries.items()
    }
    manifest["itemInfoEntries"] = {
        names[key]: entries[key] for key in sorted(names, key=lambda key: names[key])
    }
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    (path / "Manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    for part in path.rglob("*"):  # some are saved for their owner alone: unreadable to a build
        part.chmod(0o755 if part.is_dir() else 0o644)
