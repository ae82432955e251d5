"""Core ML: int8 weights, fp16 compute, one fixed length, an `.mlpackage`.

int8 here saves size, not time: Core ML computes in fp16. Flexible lengths convert but lose the
Neural Engine, users report; so the length is fixed.
"""

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..inspect import Contents
from ...base.errors import BundleError
from ...models.lean import LeanBert
from ...models.batches import Logits
from ...base.recipes import Recipe
from ...models.student import Student
from . import package as mlpackage
from ..base import Artifact, RowRunner, check_recipe, describe
from ...models.vocabulary import Ids


class CoreML:
    """Weights and embedding in int8 per channel, everything computed in fp16."""

    name = "coreml"
    suffix = ".mlpackage"
    recipes = ("int8", "int8-compat", "float")

    def lower(self, student: Student, out: Path, recipe: Recipe) -> Artifact:
        """Write `coreml.mlpackage`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        coremltools = mlpackage.import_coremltools()
        length = student.vocabulary.max_length
        path = out / f"{self.name}{self.suffix}"
        model = _convert(coremltools, LeanBert(student.model, length), length, recipe)
        model.short_description = "pocketbert intent classifier"
        model.save(str(path))
        mlpackage.make_reproducible(path)
        return Artifact(
            target=self.name,
            path=path,
            inputs=mlpackage.INPUTS,
            dtype="int32",
            lengths=(length,),
            dynamic=False,
            vocabulary=len(student.vocabulary),
            recipe=recipe,
            quantization=describe(mlpackage.DESCRIPTIONS[recipe.linear], recipe),
            min_runtime=mlpackage.MIN_RUNTIME,
        )

    def prepare(self) -> None:
        """Load coremltools, which reaches Core ML on macOS."""
        mlpackage.import_coremltools()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into Core ML on macOS, and into an evaluator of the saved package elsewhere."""
        if sys.platform == "darwin":
            predict, engine = _apple(artifact)
        else:
            predict, engine = mlpackage.open_package(artifact.path), mlpackage.EVALUATOR

        def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
            feed = dict(zip(artifact.inputs, (input_ids, attention_mask), strict=True))
            return np.asarray(predict(feed)["logits"], np.float32)

        return RowRunner(artifact, engine, execute, real=sys.platform == "darwin")

    def read(self, artifact: Artifact) -> Contents:
        """Blobs of the weight file. What runs where, Core ML decides on the device."""
        return Contents(
            blobs=mlpackage.open_package(artifact.path).blobs(), delegated=None, int8_products=None
        )


def _apple(artifact: Artifact) -> tuple[Any, str]:
    coremltools = mlpackage.import_coremltools()
    try:
        model = coremltools.models.MLModel(str(artifact.path))
    except RuntimeError as error:
        raise BundleError(f"{artifact.path}: Core ML refuses the package ({error}).") from error
    return model.predict, f"Core ML, coremltools {version('coremltools')}"


def _convert(coremltools: Any, graph: LeanBert, length: int, recipe: Recipe) -> Any:
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
    return mlpackage.quantize(model, graph, recipe)
