"""Weights of a Hugging Face folder, opened only if they are all there: the one place that decides.

`from_pretrained` gives what is missing random values and says so in a warning. Here it is an error.
"""

import re
from pathlib import Path
from typing import Any

import torch

from ..base.errors import ModelError
from .stock import PreTrainedModel, opening

WRAPPERS = {
    "_orig_mod.": "Save the model without torch.compile's wrapper: model._orig_mod.",
    "module.": "Save the model without the wrapper of DataParallel: model.module.",
}
BODY = re.compile(r"(^|\.)(embeddings\.(?!position_ids)|encoder\.layer\.|transformer\.layer\.)")
ADAPTER = "adapter_config.json"


def load_weights(kind: type[Any], folder: Path, **options: Any) -> PreTrainedModel:
    """Open `folder` as `kind`, in float32, from safetensors alone.

    Raises:
        ModelError: unreadable, incomplete, of another shape than config.json says, or not finite.
    """
    if (folder / ADAPTER).exists():
        raise ModelError(
            f"{folder}: holds an adapter, not a whole model. Merge it (merge_and_unload of peft) "
            "and save the model."
        )
    try:
        with opening():
            model, info = kind.from_pretrained(
                folder,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are named here
                **options,
            )
    except Exception as error:  # transformers, safetensors and torch each raise their own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{folder}: the weights cannot be read ({reason}). "
            "Give a complete folder with model.safetensors; pickled .bin files are not opened."
        ) from error
    unexpected = sorted(map(str, info["unexpected_keys"]))
    _check_shapes(folder, model, sorted(info["mismatched_keys"]))
    _check_missing(folder, model, sorted(info["missing_keys"]), unexpected)
    if odd := [name for name in unexpected if BODY.search(name)]:
        raise ModelError(
            f"{folder}: config.json has no place for {len(odd)} of the weights, first {odd[0]}. "
            "Give the config.json that they were saved with."
        )
    _check_finite(folder, model)
    return model.eval()


def check_one_label(folder: Path, config: Any) -> None:
    """Refuse a head that is not trained to choose one of several labels.

    Raises:
        ModelError: multi-label, or a regression.
    """
    kind = getattr(config, "problem_type", None)
    if kind in ("multi_label_classification", "regression") or config.num_labels < 2:
        raise ModelError(
            f"{folder}: the head is one for {kind or 'a single value'}, and only one label of "
            "several (single_label_classification) is supported. Fine-tune it so."
        )


def _check_shapes(folder: Path, model: PreTrainedModel, mismatched: list[Any]) -> None:
    for name, found, wanted in mismatched:
        if re.search(r"(classifier|out_proj|score)\.(weight|bias)$", name):
            raise ModelError(
                f"{folder}: config.json names {model.config.num_labels} labels and the head has "
                f"{found[0]} rows. Write all of them into id2label, in the order of the rows."
            )
        raise ModelError(
            f"{folder}: {name} has the shape {tuple(found)}, and config.json asks for "
            f"{tuple(wanted)}. Give the config.json that the weights were saved with."
        )


def _check_missing(
    folder: Path, model: PreTrainedModel, missing: list[str], unexpected: list[str]
) -> None:
    if not missing:
        return
    first, total = missing[0], len(model.state_dict())
    alike = next((name for name in unexpected if name.endswith(first)), None)
    remedy = "Save the whole model again with save_pretrained."
    for prefix, words in WRAPPERS.items():
        remedy = words if alike and prefix in alike else remedy
    if all(re.match(r"(classifier|pre_classifier|score)\b", name) for name in missing):
        remedy = "Give the encoder as such (architectures in config.json), or fine-tune it again."
    raise ModelError(
        f"{folder}: lacks {len(missing)} of the {total} weights, first {first}"
        + (f"; it has {alike}" if alike else "")
        + f". {remedy}"
    )


def _check_finite(folder: Path, model: PreTrainedModel) -> None:
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise ModelError(
                f"{folder}: {name} holds NaN or infinite values. Fine-tune it again, in float32 or "
                "bfloat16 if it was float16."
            )
