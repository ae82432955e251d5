"""TFLite for own apps: dynamic int8 per channel, one signature for each length 8, 16, 32 and so on.

The shortest signature that fits is the largest saving of latency there is: dynamic lengths do not
convert. The 2023 Task Library would answer wrongly with this recipe, so the file makes it refuse.
"""

from importlib.metadata import version
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
    "int8": "int8 weights per channel, int8 dynamic activations, int8 embedding",
    "int8-compat": "int8 weights per channel, int8 embedding, float activations",
    "int4-embedding": "int8 weights per channel, int8 dynamic activations, int4 embedding",
    "float": "float32 weights and activations",
}


class TFLite:
    """Per-channel int8 weights and embedding, activations quantized on the fly."""

    name = "tflite"
    suffix = ".tflite"
    recipes = ("int8", "int8-compat", "int4-embedding", "float")

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Write `tflite.tflite`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        from . import convert
        from .flatbuffer import tidy

        lengths = lengths_up_to(student.vocabulary.max_length)
        graph = convert.lean(student)
        model = convert.convert(
            {
                f"length_{length}": (
                    convert.Signature(graph),
                    convert.sample_inputs(INPUTS, length),
                )
                for length in lengths
            }
        )
        path = out / f"{self.name}{self.suffix}"
        quantized = convert.quantize(model, graph, recipe, dynamic=recipe.dynamic)
        path.write_bytes(tidy(quantized, refuse_old_runtimes=recipe.dynamic))
        return describe_artifact(
            self.name,
            path,
            student,
            recipe,
            DESCRIPTIONS[recipe.name],
            inputs=INPUTS,
            lengths=lengths,
            min_runtime=f"litert {version('ai-edge-litert')}",
        )

    def prepare(self) -> None:
        """Load LiteRT."""
        run.import_interpreter()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into LiteRT's interpreter."""
        return run.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Buffers and plan of the file."""
        return run.read(artifact)
