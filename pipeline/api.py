"""The verbs of the public API that put rooms together. `pocketbert` itself names all of it."""

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from .app.folders import GIVEN
from .base.config_file import load_config, merge
from .base.errors import InputError, NotRun
from .base.events import Listener, listening
from .base.extras import explained
from .base.formats import TARGETS
from .base.recipes import RECIPES, check_parts
from .targets import get_target
from .targets.base import Artifact

if TYPE_CHECKING:
    from .app.result import RunResult
    from .models.student import Student

AnyPath: TypeAlias = str | PathLike[str]


def run(
    data: Any = None,
    teacher: Any = None,
    preset: str | None = None,
    out: AnyPath = "build",
    *,
    settings: AnyPath | Mapping[str, Any] | None = None,
    fresh: bool = False,
    on_event: Listener | None = None,
) -> "RunResult | NotRun":
    """Do what `pocketbert run` does: from labelled text to a sealed bundle in the folder `out`.

    The bundle is sealed only when every gate holds; the result lists the failures otherwise. One
    run at a time works in a folder, and one in a process: it sets torch to one thread meanwhile.

    Args:
        data: a path or a name as for `--data`; or rows of (text, label), a pandas `DataFrame`, a
            `datasets.Dataset`; or a mapping of these by part: train, validation, test. A label
            of None is out of scope.
        teacher: as for `--teacher`; or a pair of a Hugging Face model and its tokenizer; or a pair
            of a function and its labels. The function takes a list of texts and returns a row a
            text, with a logit or a probability a label.
        preset: of shape and training.
        out: the folder of the run. What `data` and `teacher` hand over is kept there.
        settings: a TOML file, or the same as nested mappings; see docs/configuration.md.
        fresh: run every stage again.
        on_event: called with every event, in the thread of the caller.

    The result is a `NotRun` in a process that only helped to train.

    Raises:
        PipelineError: data, teacher or settings that cannot be used.
        MissingExtra: what trains is not installed.
    """
    file = None if settings is None or isinstance(settings, Mapping) else Path(settings)
    overrides: dict[str, Any] = dict(settings) if isinstance(settings, Mapping) else {}
    if preset is not None:
        overrides["preset"] = preset
    config, folder = load_config(file, overrides), Path(out)
    with explained():
        from .data.given_rows import keep_rows
        from .flow import run
        from .models.function import answering, keep_labels
        from .models.given_model import keep_model

        if data is not None:
            source = _named(data) or keep_rows(data, folder / GIVEN, config.data)
            overrides = merge(overrides, {"data": {"source": str(source)}})
        asked: AbstractContextManager[None] = nullcontext()
        if teacher is not None:
            if function := _function(teacher):
                source, asked = keep_labels(function[1], folder / GIVEN), answering(function[0])
            else:
                source = _named(teacher) or keep_model(teacher, folder / GIVEN)
            overrides = merge(overrides, {"teacher": {"source": str(source)}})
        with asked, listening(on_event) if on_event else nullcontext():
            return run(load_config(file, overrides), folder, fresh=fresh)


def lower(
    student: "Student | AnyPath",
    target: str,
    *,
    out: AnyPath,
    recipe: str = "int8",
    keep_float: tuple[str, ...] = (),
) -> Artifact:
    """Quantize and lower `student` to the file `out`, or the folder that an `.mlpackage` is.

    Nothing is judged: `run` holds an artefact against its student before it ships.

    Args:
        student: or the folder that one was saved in.
        target: one of the formats: executorch, tflite and so on.
        out: a file there is replaced, a folder is not.
        recipe: how weights are stored; see docs/configuration.md.
        keep_float: parts of the student that the recipe leaves alone.

    Raises:
        ValueError: no such target, recipe or part.
        TargetUnavailable: the toolchain is not installed, or the target lacks the recipe.
        InputError: `out` is a folder, or is to lie in none.
    """
    for what, name, known in (("target", target, TARGETS), ("recipe", recipe, RECIPES)):
        if name not in known:
            raise ValueError(f"{what} is {name!r}; choose one of {', '.join(known)}")
    path = Path(out)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: {'is a folder' if path.is_dir() else 'lies in no folder'}.")
    with explained():
        from .models.student import load_student

        opened = load_student(Path(student)) if isinstance(student, str | PathLike) else student
        check_parts(keep_float, opened.model.config.num_hidden_layers)
        with TemporaryDirectory(dir=path.parent) as aside:
            asked = replace(RECIPES[recipe], keep_float=keep_float)
            made = get_target(target).lower(opened, Path(aside), asked)
            os.replace(made.path, path)  # noqa: PTH105  folders, too
    return replace(made, path=path)


def _function(given: Any) -> tuple[Any, Any] | None:
    """A function and its labels; None for anything else. Models can be called, too."""
    if not isinstance(given, tuple) or len(given) != 2:
        return None
    function, labels = given
    return (function, labels) if callable(function) and not hasattr(function, "config") else None


def _named(given: Any) -> str | None:
    """A path or a name as text; None for anything else."""
    return os.fspath(given) if isinstance(given, str | PathLike) else None
