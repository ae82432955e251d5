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

from pipeline.errors import BundleError, TargetUnavailable
from pipeline.graph import LeanBert
from pipeline.inference import Logits
from pipeline.student import Student
from pipeline.targets.base import Artifact, RowRunner
from pipeline.vocabulary import Ids

INPUTS = ("input_ids", "attention_mask")
SMALLEST_QUANTIZED = 2048  # elements; smaller tensors stay fp16
EVALUATOR = "MIL evaluator, not Apple's runtime"


class CoreML:
    """Weights and embedding in int8 per channel, everything computed in fp16."""

    name = "coreml"
    suffix = ".mlpackage"

    def lower(self, student: Student, out: Path) -> Artifact:
        """Write `coreml.mlpackage`; byte-identical for the same student."""
        coremltools = _import_coremltools()
        length = student.vocabulary.max_length
        path = out / f"{self.name}{self.suffix}"
        model = _convert(coremltools, LeanBert(student.model, length), length)
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
            quantization="int8 weights per channel, int8 embedding, fp16 activations",
            min_runtime="iOS 17",
        )

    def load(self, artifact: Artifact) -> RowRunner:
        """Load into Core ML on macOS, and into an evaluator of the saved package elsewhere."""
        predict, engine = _apple(artifact) if sys.platform == "darwin" else _evaluator(artifact)

        def execute(input_ids: Ids, attention_mask: Ids) -> Logits:
            feed = dict(zip(artifact.inputs, (input_ids, attention_mask), strict=True))
            return np.asarray(predict(feed)["logits"], np.float32)

        return RowRunner(artifact, engine, execute)


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


def _convert(coremltools: Any, graph: LeanBert, length: int) -> Any:
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
    config = optimize.OptimizationConfig(
        global_config=optimize.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int8", weight_threshold=SMALLEST_QUANTIZED
        )
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
