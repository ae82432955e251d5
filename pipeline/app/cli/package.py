"""The command that seals a fine-tuned classifier as it is: parsing and printing only."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ...base.config import AS_IS, SETTINGS, RunConfig
from ...base.errors import GateFailed, InputError
from .console import out, print_json, progress
from .options import Json, OutFolder, takes_settings

# What is heeded of the settings that have a flag: whatever does not train.
HEEDED = (
    *("seed", "processes", "targets", "allow_missing", "recipe", "keep_float"),
    *("data.source", "data.text", "data.intent", "data.out_of_scope", "data.unlabeled"),
    *("data.replies", "student.vocabulary", "student.max_length"),
    *("gates.min_agreement", "gates.max_accuracy_drop"),
)
TRAINED = ("preset", "checkpoint_steps", "teacher", "student", "distill")  # settings and sections


@takes_settings(HEEDED, AS_IS)
def package(
    settings: RunConfig,
    model: Annotated[str, typer.Argument(help="Folder or hub name of a fine-tuned classifier.")],
    out_folder: OutFolder = Path("build"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run every stage again.")] = False,
    as_json: Json = False,
) -> None:
    """Lower, verify and seal a fine-tuned classifier as it is: no distillation, no training."""
    _refuse_training(settings)
    from ...flow import package
    from ..result import to_json
    from .show import runs as show

    asked = replace(settings, teacher=replace(settings.teacher, source=model))
    with progress():
        result = package(asked, out_folder, fresh=fresh)
    if as_json:
        print_json(to_json(result))
    else:
        show.packaged(out, result)
    if result.failures:
        raise GateFailed(f"{len(result.failures)} of the gates failed, so nothing was sealed.")


def _refuse_training(settings: RunConfig) -> None:
    for one in SETTINGS:
        trains = one.path[0] in TRAINED and one.name not in HEEDED
        if trains and one.of(settings) != one.of(AS_IS):
            raise InputError(f"{one.name}: package trains nothing. Leave it out, or use run.")
