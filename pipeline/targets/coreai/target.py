"""Core AI: int8 weights, float32 compute, a function each for 8, 16, 32 … tokens, an `.aimodel`.

int8 here saves size, not time. Apple recommends float16 for speed; its runtime on Linux computes
that 100 times slower, so that no file could be judged on every test text.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from ...base.recipes import Recipe
from ..base import Artifact, RowRunner, check_recipe, describe_artifact, lengths_up_to
from ..inspect import Contents
from . import run

if TYPE_CHECKING:
    from ...models.student import Student

INPUTS = ("input_ids", "attention_mask")
DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 embedding, float32 activations",
    "int8-compat": "int8 weights per channel, int8 embedding, float32 activations",
    "int4-embedding": "int8 weights per channel, int4 embedding, float32 activations",
    "float": "float32 weights and activations",
}
MIN_RUNTIME = "iOS 27"


class CoreAI:
    """Weights and embedding in int8 per channel, everything computed in float32."""

    name = "coreai"
    suffix = ".aimodel"
    recipes = ("int8", "int8-compat", "int4-embedding", "float")

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Write `coreai.aimodel`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        run.import_runtime()
        from ...models.lean import LeanBert
        from . import convert, program

        convert.import_toolchain()
        lengths = lengths_up_to(student.vocabulary.max_length)
        graph = convert.quantize(LeanBert(student.model, lengths[-1]), recipe)
        path = out / f"{self.name}{self.suffix}"
        program.save(convert.convert(graph, INPUTS, lengths), path)
        return describe_artifact(
            self.name,
            path,
            student,
            recipe,
            DESCRIPTIONS[recipe.name],
            inputs=INPUTS,
            lengths=lengths,
            min_runtime=MIN_RUNTIME,
        )

    def prepare(self) -> None:
        """Load Core AI's runtime."""
        run.import_runtime()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into Core AI's runtime."""
        return run.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Constants of the program. What runs where, Core AI decides on the device."""
        return run.read(artifact)
