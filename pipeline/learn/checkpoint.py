"""The state of training on disk, whole or absent: tensors as safetensors, all else as JSON.

Accelerate's own checkpoints hold optimizer and random numbers as pickles, which can run code when
they are read; so what it prepared is written here.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ..base.errors import ModelError
from ..base.files import clean_up, first_beyond, remove_marked, replacing_folder, write_json

RECORD = "checkpoint.json"
TENSORS = "state.safetensors"


@dataclass(frozen=True)
class Checkpoints:
    """Where the state of training is kept, so that a killed run goes on, and how often."""

    folder: Path
    every: int  # steps
    settings: Mapping[str, Any] = field(default_factory=dict)  # plain; others are refused


@dataclass
class State:
    """All that training changes; optimizer and schedule as Accelerate prepared them."""

    modules: Mapping[str, nn.Module]
    optimizer: Any
    schedule: Any
    tally: dict[str, Any]  # plain values, by name


def foreign(folder: Path) -> Path | None:
    """The first file in `folder`, that of one step, that no training left there."""
    return first_beyond(folder, {RECORD, TENSORS} if (folder / RECORD).is_file() else ())


def is_step(folder: Path) -> bool:
    """Whether `folder` has the name of a checkpoint."""
    return folder.name.isdigit()


def clear(folder: Path) -> None:
    """Remove the checkpoints in `folder`, and `folder` once it is empty."""
    if not folder.is_dir():
        return
    clean_up(folder)
    _drop(folder, None)
    with suppress(OSError):  # it holds something else, which stays
        folder.rmdir()


def _drop(folder: Path, before: int | None) -> None:
    """Remove the checkpoints of steps before `before`, or all of them."""
    for old in filter(is_step, folder.iterdir()):
        if (before is None or int(old.name) < before) and foreign(old) is None:
            remove_marked(old, RECORD)


def last(checkpoints: Checkpoints | None) -> Path | None:
    """The newest checkpoint; each is a folder named after its step, whole or absent."""
    if checkpoints is None or not checkpoints.folder.is_dir():
        return None
    return max(filter(is_step, checkpoints.folder.iterdir()), default=None)


def newest(checkpoints: Checkpoints | None, settings: Mapping[str, Any]) -> Path | None:
    """The newest checkpoint, made with `settings`, plain values.

    Raises:
        ModelError: it was made with others, or cannot be read.
    """
    found = last(checkpoints)
    if found is None:
        return None
    try:
        made_with = dict(_record(found)["settings"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _unreadable(found, error) from error
    for key, value in settings.items():
        if made_with.get(key) != value:
            raise ModelError(
                f"{found}: this checkpoint was made with {key} {made_with.get(key)!r}, and now it "
                f"is {value!r}. Go on with the earlier settings, or delete {found.parent} to start "
                "over."
            )
    return found


def save(
    accelerator: Accelerator, folder: Path, step: int, state: State, settings: Mapping[str, Any]
) -> None:
    """Write the checkpoint of `step`, whole or not at all, then drop those before.

    Every process calls this, and the main one writes.
    """
    if accelerator.is_main_process:
        with replacing_folder(folder / f"{step:09}", foreign) as new:
            moments, groups = _split(state.optimizer.state_dict())
            save_file(_tensors(state.modules) | moments, new / TENSORS)
            scaler = accelerator.scaler.state_dict() if accelerator.scaler else None
            record = {
                "settings": settings,
                "tally": state.tally,
                "groups": groups,
                "schedule": state.schedule.state_dict(),
                "scaler": scaler,
            }
            write_json(new / RECORD, record)
        _drop(folder, step)
    accelerator.wait_for_everyone()


def restore(accelerator: Accelerator, folder: Path, state: State) -> None:
    """Give `state` what the checkpoint in `folder` holds.

    Raises:
        ModelError: it cannot be read, or is of another module.
    """
    try:
        record, tensors = _record(folder), load_file(folder / TENSORS)
        for name, module in state.modules.items():
            module.load_state_dict(_below(tensors, name))
        state.optimizer.load_state_dict(_joined(tensors, record["groups"]))
        state.schedule.load_state_dict(record["schedule"])
        state.tally.update(record["tally"])
        if accelerator.scaler:
            accelerator.scaler.load_state_dict(record["scaler"])
    except Exception as error:  # torch, safetensors and json each raise their own
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> ModelError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return ModelError(
        f"{folder}: the checkpoint cannot be read ({reason}). Delete it to start over."
    )


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return record


def _tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(f"{name}."): value
        for key, value in tensors.items()
        if key.startswith(f"{name}.")
    }


def _split(optimizer: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """What an optimizer knows of each parameter, and its groups, which are plain."""
    moments = {
        f"optimizer.{parameter}.{name}": value.contiguous()
        for parameter, values in optimizer["state"].items()
        for name, value in values.items()
    }
    return moments, optimizer["param_groups"]


def _joined(tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]) -> dict[str, Any]:
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in _below(tensors, "optimizer").items():
        parameter, name = key.split(".", 1)
        moments.setdefault(int(parameter), {})[name] = value
    return {"state": moments, "param_groups": groups}
