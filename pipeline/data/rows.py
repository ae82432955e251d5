"""Rows of labelled text from files, folders and the hub, each with the place it stands at.

It judges single rows only; what rows mean together is for `checks` and `corpus`.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ..base.config import DataConfig
from ..base.errors import DataError
from ..base.files import clean
from .records import OUTSIDE, PART_NAMES, SUFFIXES, Record, read_records, read_text

BUILT_IN = ("assistant",)
BESIDE = ("replies.json",)  # read elsewhere
TYPE_WORDS = {list: "a list", dict: "an object", bool: "true or false", int: "a number"}
TYPE_WORDS |= {float: "a number with a point"}


@dataclass(frozen=True)
class Row:
    """One labelled text and where it stands; `part` is None where the source names none."""

    text: str  # empty: to be left out and reported
    intent: str | None  # None: out of scope
    where: str  # "file:line"
    part: str | None = None


@dataclass(frozen=True)
class Rows:
    """Rows of a source, and what of it is not used as it stands."""

    rows: tuple[Row, ...]
    findings: tuple[str, ...] = ()


def read_source(config: DataConfig) -> Rows:
    """Rows of the built-in data, the file, the folder or the hub name that `config` gives."""
    if config.source.startswith("hf:"):
        return _read_hub(config.source.removeprefix("hf:"), config)
    if config.source in BUILT_IN:  # ./assistant names a folder of one's own
        with resources.as_file(resources.files("pocketbert.data") / config.source) as folder:
            return replace(_read_folder(folder, config), findings=())
    if Path(config.source).is_dir():
        return _read_folder(Path(config.source), config)
    return read_file(Path(config.source), config)


def _read_folder(folder: Path, config: DataConfig) -> Rows:
    """Read one file per part: train.jsonl, val.csv, oos_test.jsonl and so on."""
    rows, findings, unread = list[Row](), list[str](), list[str]()
    for file in sorted(folder.iterdir()):
        stem = file.stem.removeprefix(OUTSIDE)
        if file.suffix.lower() not in SUFFIXES or stem not in PART_NAMES:
            unread += [file.name] if file.is_file() and file.name[0] not in "._" else []
            continue
        in_scope = stem == file.stem
        found = read_file(file, config, intent_required=in_scope)
        findings += found.findings
        rows += [
            replace(row, intent=row.intent if in_scope else None, part=PART_NAMES[stem])
            for row in found.rows
        ]
    if not rows:
        raise DataError(
            f"{folder}: no train, validation or test file of kind {', '.join(SUFFIXES)} in it. "
            "Name the parts train.jsonl, validation.jsonl, test.jsonl, or give one file."
        )
    if unread := [name for name in unread if name not in BESIDE]:
        names = ", ".join(unread[:5]) + (" and others" if len(unread) > 5 else "")
        findings.append(f"{folder.name}: {names} not read: the name says no part")
    return Rows(tuple(rows), tuple(findings))


def read_file(file: Path, config: DataConfig, *, intent_required: bool = True) -> Rows:
    """Rows of one file, by its kind; raises DataError with file and line."""
    found = read_records(file, config)
    rows = (_row(record, config, intent_required) for record in found.records)
    return Rows(tuple(rows), found.findings)


def read_unlabeled(source: str, config: DataConfig) -> Rows:
    """Raw texts: one a line of a .txt file, the text column of a table, or the built-in data's."""
    if source in BUILT_IN:
        return read_source(replace(config, source=source))
    file = Path(source)
    if file.suffix.lower() == ".txt" and file.exists():
        lines = enumerate(read_text(file).split("\n"), 1)
        return Rows(tuple(Row(clean(line), None, f"{file.name}:{n}") for n, line in lines))
    if file.suffix.lower() == ".json":
        raise DataError(f"{file}: unlabelled text is read from .txt, .jsonl, .csv or .tsv files.")
    return read_file(file, config, intent_required=False)


def _read_hub(name: str, config: DataConfig) -> Rows:
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
    rows, findings = list[Row](), list[str]()
    for split, table in loaded.items():
        names = getattr(table.features.get(config.intent), "names", None)
        unlabelled = 0
        for index, record in enumerate(table):
            label = record.get(config.intent)
            if names and (label is None or label < 0):  # the hub's mark of an unlabelled row
                unlabelled += 1
                continue
            values = {**record, config.intent: names[label]} if names else record
            where = f"{name}:{split}[{index}]"
            rows.append(_row(Record(where, values, PART_NAMES.get(str(split))), config, True))
        if unlabelled:
            findings.append(f"{name}:{split}: {unlabelled} rows have no label, left out")
    return Rows(tuple(rows), tuple(findings))


def _row(record: Record, config: DataConfig, intent_required: bool) -> Row:
    where, values = record.where, record.values
    required = intent_required and not record.out_of_scope
    _check_columns(where, values, (config.text, config.intent)[: 2 if required else 1])
    text = _text(where, values[config.text])
    if not text.strip():  # whatever its intent: the last rows of a spreadsheet have none
        return Row("", None, where, record.part)
    intent = _intent(where, values.get(config.intent)) if intent_required else ""
    if required and not intent:
        raise DataError(
            f"{where}: the intent is empty. Give out-of-scope rows the intent "
            f"{config.out_of_scope_label!r}."
        )
    outside = record.out_of_scope or intent in ("", config.out_of_scope_label)
    return Row(clean(text), None if outside else intent, where, record.part)


def _check_columns(where: str, values: Iterable[str], columns: tuple[str, ...]) -> None:
    for column in columns:
        if column not in values:
            found = ", ".join(map(str, values)) or "none"
            raise DataError(
                f"{where}: column {column!r} is missing (found: {found[:200]}). "
                "Name yours with --text-column and --intent-column."
            )


def _text(where: str, value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise DataError(
        f"{where}: the text is {TYPE_WORDS.get(type(value), type(value).__name__)}. Give a string."
    )


def _intent(where: str, value: Any) -> str:
    """The intent in normal form C: two labels of one look are one key to Swift."""
    if isinstance(value, list):
        raise DataError(
            f"{where}: the intent is a list. Give one intent a text: split the row, or choose one "
            "(several intents a text, multi-label, can't be trained)."
        )
    if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int))):
        raise DataError(
            f"{where}: the intent is {TYPE_WORDS.get(type(value), type(value).__name__)}. "
            "Give a string or a whole number."
        )
    intent = unicodedata.normalize("NFC", str("" if value is None else value).strip())
    if not intent.isprintable():
        raise DataError(
            f"{where}: intent {intent!r} holds a control character. "
            "Use letters, digits, spaces and punctuation: label files have one intent a line."
        )
    return intent
