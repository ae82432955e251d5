"""ExecuTorch with Core ML inside: a `.pte` whose whole graph is one package for Core ML.

For iOS apps that use ExecuTorch's API and want Apple's hardware. The embedded package is what
`coreml` makes, int8 embedding included: ExecuTorch's own switch for int8 leaves the table in fp16.
Calls after the ExecuTorch documentation (Core ML backend).
"""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ...base.arrays import Ids, Logits
from ...base.errors import BundleError, TargetUnavailable
from ...base.files import tree_digest, write_json
from ...base.quiet import hushed
from ...base.recipes import Recipe
from ...models.lean import LeanBert
from ...models.student import Student
from ..base import Artifact, RowRunner, check_recipe, describe_artifact
from ..coreml import package
from ..coreml import run as coreml
from ..coreml.evaluator import Package
from ..inspect import Contents, Graph
from . import program, run

FOLDER = "lowered_module"  # which the delegate's data unfolds to


class ExecuTorchCoreML:
    """Weights and embedding in int8 per channel, everything computed in fp16 by Core ML."""

    name = "executorch-coreml"
    suffix = ".pte"
    recipes = ("int8", "int8-compat", "float")

    def lower(self, student: Student, out: Path, recipe: Recipe) -> Artifact:
        """Write `executorch-coreml.pte`; byte-identical for the same student and recipe."""
        check_recipe(self.name, self.recipes, recipe)
        length = student.vocabulary.max_length
        path = out / f"{self.name}{self.suffix}"
        path.write_bytes(_lower(LeanBert(student.model, length), length, recipe))
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
        """Load ExecuTorch, and off a Mac coremltools, which the evaluator reads with."""
        if sys.platform == "darwin":
            run.prepare_runtime()
        else:
            coreml.import_coremltools()

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into ExecuTorch on macOS; elsewhere evaluate the package that the file embeds."""
        if sys.platform == "darwin":
            return run.load(artifact)
        embedded, _ = _embedded(artifact.path)
        (output,) = embedded.outputs

        def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
            feed = dict(zip(artifact.inputs, (input_ids, attention_mask), strict=True))
            return np.asarray(embedded(feed)[output], np.float32)

        return RowRunner(artifact, coreml.EVALUATOR, execute, untimed=coreml.UNTIMED)

    def read(self, artifact: Artifact) -> Contents:
        """Blobs of the embedded weight file; operators inside and outside of it."""
        embedded, outside = _embedded(artifact.path)
        graph = Graph(delegated=embedded.operations, int8_products=None, outside=outside)
        return Contents(embedded.blobs(), (graph,))


def _embedded(path: Path) -> tuple[Package, dict[str, int]]:
    """The package in the `.pte` at `path`, and the operators outside it."""
    _import_toolchain()
    try:
        found = program.read(path)
        (delegate,) = found.delegates
    except Exception as error:  # the reader of a damaged file raises what its parsers happen to
        raise BundleError(f"{path}: not a readable .pte ({error}). Lower it again.") from error
    with TemporaryDirectory() as scratch:
        return coreml.open_package(_unpack(delegate, scratch)), found.kernels


def _import_toolchain() -> Any:
    """coremltools, and ExecuTorch's Core ML backend imported beside it."""
    coremltools = coreml.import_coremltools()
    try:
        with hushed():
            import executorch.backends.apple.coreml.executorchcoreml
            import executorch.exir  # noqa: F401  all this is used further down
    except ImportError as error:
        raise TargetUnavailable(
            f"executorch-coreml: the toolchain cannot be imported here ({error}). Install "
            "executorch and coremltools as pinned, or choose other --targets."
        ) from error
    return coremltools


def _lower(graph: LeanBert, length: int, recipe: Recipe) -> bytes:
    coremltools = _import_toolchain()
    from executorch.backends.apple.coreml.compiler import CoreMLBackend
    from executorch.backends.apple.coreml.partition import CoreMLPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    ids = torch.ones(1, length, dtype=torch.int32)
    exported = torch.export.export(graph, (ids, ids.clone()), strict=True)
    specs = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=coremltools.target.iOS17,
        compute_precision=coremltools.precision.FLOAT16,
    )
    # coremltools casts float32's range to fp16 on purpose.
    with warnings.catch_warnings(), np.errstate(over="ignore"):
        warnings.simplefilter("ignore")
        edge = to_edge_transform_and_lower(
            exported,
            partitioner=[CoreMLPartitioner(compile_specs=specs, lower_full_graph=True)],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
    (delegate,) = edge.exported_program().graph_module.children()
    delegate._processed_bytes = _repack(
        delegate.processed_bytes,
        lambda model: package.quantize(model, graph, recipe),
    )
    buffer: bytes = edge.to_executorch().buffer
    return buffer


def _repack(delegate: bytes, quantize: Callable[[Any], Any]) -> bytes:
    """The delegate's data with its package quantized, and the same whenever made."""
    import coremltools
    from executorch.backends.apple.coreml import executorchcoreml

    with TemporaryDirectory() as scratch:
        given = _unpack(delegate, scratch)
        model = coremltools.models.MLModel(str(given), skip_model_load=True)
        # Written anew, so that debug handles stay behind: of no use on a phone.
        made = Path(scratch) / "new" / FOLDER / given.name
        quantize(model).save(str(made))
        package.make_reproducible(made)
        metadata = json.loads((given.parent / "metadata.json").read_text(encoding="utf-8"))
        # Core ML's compiled model is cached under this name: another for any other content.
        metadata["identifier"] = f"executorch_{tree_digest(made)}"
        write_json(made.parent / "metadata.json", metadata)
        packed: bytes = executorchcoreml.flatten_directory_contents(str(made.parent))
        return packed


def _unpack(delegate: bytes, scratch: str) -> Path:
    """The package in the delegate's data, written below the folder `scratch`."""
    from executorch.backends.apple.coreml import executorchcoreml

    if not executorchcoreml.unflatten_directory_contents(delegate, scratch):
        raise BundleError("The .pte embeds no Core ML package. Lower it again.")
    return Path(scratch) / FOLDER / "model.mlpackage"
