"""Core ML: int8 weights, fp16 compute, one fixed length, an `.mlpackage`.

int8 here saves size, not time: Core ML computes in fp16. Flexible lengths convert but lose the
Neural Engine, users report; so the length is fixed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ...base.recipes import Recipe
from ..base import Artifact, RowRunner, check_recipe, describe_artifact
from ..inspect import Contents, Graph
from . import run

if TYPE_CHECKING:
    from ...models.student import Student


class CoreML:
    """Weights and embedding in int8 per channel, everything computed in fp16."""

    name = "coreml"
    suffix = ".mlpackage"
    recipes = ("int8", "int8-compat", "float")

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Write `coreml.mlpackage`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        from ...models.lean import LeanBert
        from . import package

        coremltools = run.import_coremltools()
        length = student.vocabulary.max_length
        path = out / f"{self.name}{self.suffix}"
        model = package.convert(coremltools, LeanBert(student.model, length), length, recipe)
        model.short_description = "pocketbert intent classifier"
        model.save(str(path))
        package.make_reproducible(path)
        return describe_artifact(
            self.name,
            path,
            student,
            recipe,
            package.DESCRIPTIONS[recipe.linear],
            inputs=package.INPUTS,
            lengths=(length,),
            min_runtime=package.MIN_RUNTIME,
        )

    def prepare(self) -> None:
        """Load coremltools, which reaches Core ML on macOS."""
        run.import_coremltools()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into Core ML on macOS, and into an evaluator of the saved package elsewhere."""
        return run.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Blobs of the weight file. What runs where, Core ML decides on the device."""
        blobs = run.open_package(artifact.path).blobs()
        return Contents(blobs, (Graph(delegated=None, int8_products=None),))
