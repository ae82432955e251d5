"""Labelled text handed over as objects, kept as files: so a run can be repeated from its folder.

It knows what the objects look like and imports none of the libraries that they come from.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..base.config import DataConfig
from ..base.errors import DataError
from ..base.files import foreign_to_mark, mark, replacing_folder
from .records import PART_NAMES

ACCEPTED = "rows of (text, label), a DataFrame, a Dataset, or a mapping of these by part"


def keep_rows(data: Any, folder: Path, config: DataConfig) -> Path:
    """Write `data` below `folder`, as `config` names the columns: a file, or a folder of parts.

    Raises:
        DataError: objects of another kind, or parts of other names.
        PipelineError: `folder` has rows of its own.
    """
    place = folder / "rows"
    with replacing_folder(place, foreign_to_mark) as new:
        kept = _write_all(data, new, config)
        mark(new)
    return place / kept.relative_to(new)


def _write_all(data: Any, folder: Path, config: DataConfig) -> Path:
    if not isinstance(data, Mapping):
        return _write(data, folder / "data.jsonl", config)
    parts = folder / "data"
    parts.mkdir()
    for name, rows in data.items():
        if name not in PART_NAMES:
            raise DataError(f"data: {name!r} is no part; there are {', '.join(PART_NAMES)}.")
        _write(rows, parts / f"{PART_NAMES[name]}.jsonl", config)
    return parts


def _write(data: Any, file: Path, config: DataConfig) -> Path:
    with file.open("w", encoding="utf-8") as lines:
        for text, label in _pairs(data, config):
            label = config.out_of_scope_label if label is None else label
            row = {config.text: text, config.intent: label}
            lines.write(json.dumps(row, ensure_ascii=True) + "\n")
    return file


def _pairs(data: Any, config: DataConfig) -> Iterator[tuple[str, str | None]]:
    if hasattr(data, "columns") and hasattr(data, "to_dict"):  # a DataFrame
        label = _label_column(list(data.columns), config)
        for text, found in zip(data[config.text], data[label], strict=True):
            yield _checked(text, None if found != found else found)  # NaN: no label
    elif hasattr(data, "column_names") and hasattr(data, "features"):  # a datasets.Dataset
        label = _label_column(data.column_names, config)
        names = getattr(data.features[label], "names", None)
        for text, found in zip(data[config.text], data[label], strict=True):
            unlabelled = found is None or (names and found < 0)  # the hub's mark
            yield _checked(text, None if unlabelled else names[found] if names else found)
    elif isinstance(data, Iterable) and not isinstance(data, (str, bytes)):
        for row in data:
            if not isinstance(row, (tuple, list)) or len(row) != 2:
                raise DataError(f"data: {row!r:.60} is no pair of text and label. Give {ACCEPTED}.")
            yield _checked(*row)
    else:
        raise DataError(f"data: a {type(data).__name__} holds no labelled text. Give {ACCEPTED}.")


def _label_column(columns: list[str], config: DataConfig) -> str:
    """The column of the intent, or `label`, as most data sets call it."""
    label = config.intent if config.intent in columns else "label"
    for column in (config.text, label):
        if column not in columns:
            raise DataError(
                f"data: column {column!r} is missing (found: {', '.join(map(str, columns))}). "
                "Name yours in the settings data.text and data.intent."
            )
    return label


def _checked(text: Any, label: Any) -> tuple[str, str | None]:
    if not isinstance(text, str) or not (label is None or isinstance(label, str)):
        raise DataError(f"data: {text!r:.60}, {label!r:.60}: text and label must be strings.")
    return text, label
