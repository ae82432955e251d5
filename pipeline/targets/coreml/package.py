"""What two Core ML targets share to lower a student: int8 weights, reproducible packages."""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import torch

from ...base.quiet import hushed
from ...base.recipes import Recipe
from ...models.lean import LeanBert

INPUTS = ("input_ids", "attention_mask")
DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 embedding, fp16 activations",
    "float": "fp16 weights and activations",
}
MIN_RUNTIME = "iOS 17"


@hushed()
def convert(coremltools: Any, graph: LeanBert, length: int, recipe: Recipe) -> Any:
    """Convert `graph` for texts of `length` tokens, its weights stored as `recipe` asks."""
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
    return quantize(model, graph, recipe)


def quantize(model: Any, graph: LeanBert, recipe: Recipe) -> Any:
    """Store the weights of a converted `graph` as `recipe` asks, one scale a channel."""
    from coremltools.optimize import coreml as optimize

    if recipe.linear == "float":
        return model
    int8 = optimize.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", weight_threshold=1
    )
    # By name: the default leaves out small constants, and a classifier of few labels is one.
    config = optimize.OptimizationConfig(
        op_name_configs={
            f"p_{path.replace('.', '_')}_weight_to_fp16": int8
            for path, stored in graph.storage_plan(recipe).items()
            if stored == "int8"
        }
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # a row of zeros: 0/0 is stored as 0
        return optimize.linear_quantize_weights(model, config)


def make_reproducible(path: Path) -> None:
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
