"""TFLite for own apps: dynamic int8 per channel, one signature for each of four lengths.

The shortest signature that fits is the largest saving of latency there is: dynamic lengths do not
convert. The 2023 Task Library would answer wrongly with this recipe, so the file makes it refuse.
"""

from importlib.metadata import version
from pathlib import Path

from torch import Tensor, nn

from ..inspect import Contents
from ...models.lean import LeanBert
from ...base.recipes import Recipe
from ...models.student import Student
from . import convert as litert
from ..base import Artifact, RowRunner, check_recipe, describe

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

    def lower(self, student: Student, out: Path, recipe: Recipe) -> Artifact:
        """Write `tflite.tflite`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        lengths = litert.lengths_up_to(student.vocabulary.max_length)
        graph = litert.lean(student)
        model = litert.convert(
            {
                f"length_{length}": (_Signature(graph), litert.sample_inputs(INPUTS, length))
                for length in lengths
            }
        )
        from .flatbuffer import tidy

        path = out / f"{self.name}{self.suffix}"
        quantized = litert.quantize(model, graph, recipe, dynamic=recipe.dynamic)
        path.write_bytes(tidy(quantized, refuse_old_runtimes=recipe.dynamic))
        return Artifact(
            target=self.name,
            path=path,
            inputs=INPUTS,
            dtype="int32",
            lengths=lengths,
            dynamic=False,
            vocabulary=len(student.vocabulary),
            recipe=recipe,
            quantization=describe(DESCRIPTIONS[recipe.name], recipe),
            min_runtime=f"litert {version('ai-edge-litert')}",
        )

    def prepare(self) -> None:
        """Load LiteRT."""
        litert.import_interpreter()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into LiteRT's interpreter."""
        return litert.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Buffers and plan of the file."""
        return litert.read(artifact)


class _Signature(nn.Module):
    """One signature; a module of its own, since litert-torch keys signatures by module.

    The key of what it returns becomes the name of the output, by which apps ask for it.
    """

    def __init__(self, graph: LeanBert) -> None:
        super().__init__()
        self.lean = graph

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        return {"logits": self.lean(input_ids, attention_mask)}
