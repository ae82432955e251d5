"""ExecuTorch: int8 linears, int8 or int4 embedding, XNNPACK delegate, any length, one `.pte`."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ...base.errors import TargetUnavailable
from ...base.quiet import hushed
from ...base.recipes import Recipe
from ..base import Artifact, RowRunner, check_recipe, describe_artifact
from ..inspect import Contents, Graph
from . import run

if TYPE_CHECKING:
    from ...models.student import Student

DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 dynamic activations, int8 embedding",
    "int4-embedding": "int8 weights per channel, int8 dynamic activations, int4 embedding",
    "float": "float32 weights and activations",
}


class ExecuTorch:
    """8-bit dynamic activations and per-channel 8-bit weights in linears, 8-bit embedding rows."""

    name = "executorch"
    suffix = ".pte"
    recipes = ("int8", "int4-embedding", "float")

    def lower(self, student: "Student", out: Path, recipe: Recipe) -> Artifact:
        """Write `executorch.pte`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        try:
            with hushed():
                import executorch.exir  # noqa: F401  both are used further down
                import torchao.quantization  # noqa: F401
        except ImportError as error:
            raise TargetUnavailable(
                f"executorch: the toolchain cannot be imported here ({error}). Install "
                "executorch and torchao as pinned, or choose other --targets."
            ) from error
        from ...models.lean import LeanBert
        from .lower import SHORTEST, lower, quantize

        longest = student.vocabulary.max_length
        graph = LeanBert(student.model, longest)
        path = out / f"{self.name}{self.suffix}"
        path.write_bytes(lower(quantize(graph, recipe), longest))
        return describe_artifact(
            self.name,
            path,
            student,
            recipe,
            DESCRIPTIONS[recipe.name],
            inputs=("input_ids", "attention_mask"),
            lengths=(SHORTEST, longest),
            min_runtime=f"executorch {version('executorch')}",
            dtype="int64",
            dynamic=True,
        )

    def prepare(self) -> None:
        """Load the ExecuTorch runtime."""
        run.prepare_runtime()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into the ExecuTorch runtime of this process."""
        return run.load(artifact)

    def read(self, artifact: Artifact) -> Contents:
        """Constants; operators of the plan, and of XNNPACK's graphs. Nothing is run."""
        from .program import read, read_delegate

        program = read(artifact.path)
        inside = [read_delegate(delegate) for delegate in program.delegates]
        graph = Graph(
            delegated=sum(part.count for part in inside),
            int8_products=sum(part.int8_products for part in inside),
            outside=program.kernels,
        )
        return Contents(program.constants, (graph,))
