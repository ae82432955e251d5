"""What two Core ML targets share: int8 weights, packages that are the same whenever made.

`.mlpackage` folders only; what is inside one is evaluated by `mil`.
"""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ...base.errors import TargetUnavailable
from ...models.lean import LeanBert
from ...base.recipes import Recipe
from .evaluator import Package

INPUTS = ("input_ids", "attention_mask")
DESCRIPTIONS = {
    "int8": "int8 weights per channel, int8 embedding, fp16 activations",
    "float": "fp16 weights and activations",
}
EVALUATOR = "MIL evaluator, not Apple's runtime"
MIN_RUNTIME = "iOS 17"


def import_coremltools() -> Any:
    """The toolchain, imported on demand.

    Raises:
        TargetUnavailable: it is not installed.
    """
    try:
        import coremltools
    except ImportError as error:
        raise TargetUnavailable(
            f"coreml: coremltools cannot be imported here ({error}). It has wheels for Linux "
            "x86-64 and macOS; elsewhere choose other --targets."
        ) from error
    return coremltools


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
    return optimize.linear_quantize_weights(model, config)


def open_package(path: Path) -> Package:
    """The package at `path`, ready to be evaluated."""
    import_coremltools()  # whose protobuf classes the evaluator reads with
    return Package(path)


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
