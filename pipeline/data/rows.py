"""Rows of labelled text from files, folders and the hub, each with the place it stands at.

It judges single rows only; what rows mean together is for `data.py`.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ..base.config import DataConfig
from ..base.errors import DataError
from ..base.files import clean

BUILT_IN = ("assistant",)
TABLES = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".jsonl", ".json", *TABLES)
# How other data sets call our three parts.
PART_NAMES = {"train": "train", "val": "validation", "validation": "validation"}
PART_NAMES |= {"valid": "validation", "dev": "validation", "test": "test"}


@dataclass(frozen=True)
class Row:
    """One labelled text and where it stands; `part` is None where the source names none."""

    text: str
    intent: str | None  # None: out of scope
    where: str  # "file:line"
    part: str | None = None


def read_source(config: DataConfig) -> Iterator[Row]:
    """Rows of the built-in data, the file, the folder or the hub name that `config` gives."""
    if config.source.startswith("hf:"):
        yield from _read_hub(config.source.removeprefix("hf:"), config)
    elif config.source in BUILT_IN:  # ./assistant names a folder of one's own
        with resources.as_file(resources.files("pocketbert.data") / config.source) as folder:
            yield from _read_folder(folder, config)
    elif Path(config.source).is_dir():
        yield from _read_folder(Path(config.source), config)
    else:
        yield from read_file(Path(config.source), config)


def _read_folder(folder: Path, config: DataConfig) -> Iterator[Row]:
    """Read one file per part: train.jsonl, val.csv, oos_test.jsonl and so on."""
    found = False
    for file in sorted(folder.iterdir()):
        stem = file.stem.removeprefix("oos_")
        if file.suffix not in SUFFIXES or stem not in PART_NAMES:
            continue
        found = True
        in_scope = stem == file.stem
        for row in read_file(file, config, intent_required=in_scope):
            yield Row(row.text, row.intent if in_scope else None, row.where, PART_NAMES[stem])
    if not found:
        raise DataError(
            f"{folder}: no train, validation or test file of kind {', '.join(SUFFIXES)} in it. "
            "Name the parts train.jsonl, validation.jsonl, test.jsonl, or give one file."
        )


def read_file(file: Path, config: DataConfig, *, intent_required: bool = True) -> Iterator[Row]:
    """Rows of one file, by its kind; raises DataError with file and line."""
    suffix = file.suffix.lower()
    if not file.exists():
        raise DataError(
            f"{file}: no such file or folder. Check the path, or use the built-in "
            f"{', '.join(BUILT_IN)}."
        )
    if suffix not in SUFFIXES:
        raise DataError(
            f"{file}: kind {file.suffix or 'without a suffix'!r} is not read. "
            f"Give one of {', '.join(SUFFIXES)}."
        )
    text = read_text(file)
    if suffix == ".json":
        yield from _read_clinc(file, text)
        return
    records = _read_jsonl(file, text) if suffix == ".jsonl" else _read_table(file, text)
    for where, record in records:
        yield _row(where, record, config, intent_required)


def read_unlabeled(source: str, config: DataConfig) -> Iterator[Row]:
    """Raw texts: one a line of a .txt file, the text column of a table, or the built-in data's."""
    if source in BUILT_IN:
        yield from read_source(replace(config, source=source))
        return
    file = Path(source)
    if file.suffix.lower() == ".txt" and file.exists():
        for number, line in enumerate(read_text(file).split("\n"), 1):
            yield Row(clean(line), None, f"{file.name}:{number}")
        return
    if file.suffix.lower() == ".json":
        raise DataError(f"{file}: unlabelled text is read from .txt, .jsonl, .csv or .tsv files.")
    yield from read_file(file, config, intent_required=False)


def read_text(file: Path) -> str:
    """Text of a UTF-8 file, a byte order mark taken off; raises DataError otherwise."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: byte {error.start} is not UTF-8. Convert it, for example with "
            f"iconv -f latin1 -t utf-8."
        ) from error
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}. Check the path and its permissions.") from error


def _read_jsonl(file: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # split("\n"), not splitlines(): U+2028 may stand inside a JSON string.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file.name}:{number}"
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{where}: not a JSON object ({error}). Write one object a line."
            ) from error
        if not isinstance(record, dict):
            raise DataError(f"{where}: {type(record).__name__} where an object is needed.")
        yield where, record


def _read_table(file: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # StringIO, not splitlines(): U+2028 and U+0085 may stand inside a field.
    lines = io.StringIO(text, newline="")
    reader = csv.DictReader(lines, delimiter=TABLES[file.suffix.lower()], strict=True)
    try:
        for record in reader:
            if None in record:
                raise DataError(
                    f"{file.name}:{reader.line_num}: has more fields than the "
                    f"{len(reader.fieldnames or ())} columns. Quote the field that holds the mark."
                )
            yield f"{file.name}:{reader.line_num}", record
    except csv.Error as error:
        raise DataError(f"{file.name}:{reader.line_num}: {error}. Quote the field.") from error


def _read_clinc(file: Path, text: str) -> Iterator[Row]:
    """Read CLINC150's own layout: lists of [text, intent] by part (Larson et al. 2019)."""
    try:
        splits = json.loads(text)
        pairs = [(name, i, *pair) for name, rows in splits.items() for i, pair in enumerate(rows)]
        for name, index, utterance, intent in pairs:
            stem = name.removeprefix("oos_")
            out_of_scope = stem != name or intent == "oos"
            where = f"{file.name}:{name}[{index}]"
            row = _checked(where, str(utterance), "" if out_of_scope else str(intent))
            yield replace(row, part=PART_NAMES[stem])
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise DataError(
            f"{file}: not CLINC150's layout of train, val and test lists of [text, intent] "
            f"({error}). Give other data as .jsonl or .csv."
        ) from error


def _read_hub(name: str, config: DataConfig) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"hf:{name}: the datasets package is missing. pip install 'pocketbert[hub]'."
        ) from error
    path, _, subset = name.partition(":")
    try:
        loaded = datasets.load_dataset(path, subset or None)
    except Exception as error:  # the hub client raises its own kinds, network ones among them
        raise DataError(
            f"hf:{name}: could not be loaded ({error}). "
            "Check the name and the network, or give a file."
        ) from error
    for split, table in loaded.items():
        names = getattr(table.features.get(config.intent), "names", None)
        for index, record in enumerate(table):
            where, label = f"{name}:{split}[{index}]", record.get(config.intent)
            if names and (label is None or label < 0):
                continue  # the hub's mark of an unlabelled row
            if names:
                record = {**record, config.intent: names[label]}
            row = _row(where, record, config, True)
            yield replace(row, part=PART_NAMES.get(str(split)))


def _row(where: str, record: Mapping[str, Any], config: DataConfig, intent_required: bool) -> Row:
    for column in (config.text, config.intent)[: 2 if intent_required else 1]:
        if record.get(column) is None:
            found = ", ".join(str(key) for key in record) or "none"
            raise DataError(
                f"{where}: column {column!r} is missing (found: {found}). "
                "Name yours with --text-column and --intent-column."
            )
    intent = str(record.get(config.intent, "")).strip()
    out_of_scope = intent in ("", config.out_of_scope_label)
    if intent_required and not intent:
        raise DataError(
            f"{where}: the intent is empty. Give out-of-scope rows the intent "
            f"{config.out_of_scope_label!r}."
        )
    return _checked(where, str(record[config.text]), "" if out_of_scope else intent)


def _checked(where: str, text: str, intent: str) -> Row:
    """A row of clean text; an empty `intent` means out of scope."""
    if not intent.isprintable():
        raise DataError(
            f"{where}: intent {intent!r} holds a control character. "
            "Use letters, digits, spaces and punctuation: label files have one intent a line."
        )
    return Row(clean(text), intent or None, where)
