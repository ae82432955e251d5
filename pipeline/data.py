"""Labelled text in: read, divide, check. It knows nothing of models.

Whatever the source, rows end as one `Corpus` of three parts. What had to be left out on the way
is kept as findings that name file and line.
"""

import csv
import hashlib
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from annotated_types import MinLen
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import train_test_split

from pipeline.config import DataConfig
from pipeline.errors import DataError
from pipeline.text import clean

PARTS = ("train", "validation", "test")
BUILT_IN = ("assistant",)
TABLES = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (".jsonl", ".json", *TABLES)
MIN_EXAMPLES = 3  # per intent in training: one is memorised, two cannot be divided
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


@dataclass(frozen=True)
class Part:
    """In-scope texts with label indices of equal length, and out-of-scope texts."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]
    out_of_scope: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """Labelled text in three parts; `labels[i]` names label index i."""

    name: str
    labels: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    findings: tuple[str, ...] = ()  # rows left out and why, with line numbers

    @property
    def parts(self) -> dict[str, Part]:
        """The three parts by name."""
        return {name: getattr(self, name) for name in PARTS}

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that training can see."""
        content = [self.labels, [[p.texts, p.labels, p.out_of_scope] for p in self.parts.values()]]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def load_corpus(config: DataConfig, seed: int = 0) -> Corpus:
    """Read, check and divide the labelled text that `config` names.

    Args:
        config: a built-in name, a file (.jsonl, .json, .csv, .tsv), a folder with one file per
            part, or `hf:NAME` for a data set of the Hugging Face hub.
        seed: of the stratified split, where the source has no parts of its own.

    Raises:
        DataError: nothing usable; names the file, the line, the limit and the remedy.
    """
    rows = list(_read_source(config))
    if config.out_of_scope:
        extra = _read_file(Path(config.out_of_scope), config, intent_required=False)
        rows += [Row(row.text, None, row.where, row.part) for row in extra]
    rows, findings = _clean(rows)
    return _assemble(config.source, _divide(rows, config, seed), findings)


def read_labelled(
    file: Path, config: DataConfig, labels: tuple[str, ...]
) -> tuple[Part, tuple[str, ...]]:
    """Read one labelled file whole, as a part for evaluation against known `labels`.

    Also returned are the findings: rows left out, with line numbers.

    Raises:
        DataError: unreadable, empty, or an intent that is not among `labels`.
    """
    rows, findings = _clean(list(_read_file(file, config)))
    if not any(row.intent is not None for row in rows):
        raise DataError(f"{file}: holds no in-scope row; give at least one text with its intent.")
    for row in rows:
        if row.intent is not None and row.intent not in labels:
            raise DataError(
                f"{row.where}: intent {row.intent!r} is not one of the bundle's {len(labels)}. "
                "Evaluate on data with the labels that the bundle was trained on."
            )
    return _part(rows, labels), findings


def read_replies(config: DataConfig, labels: tuple[str, ...]) -> dict[str, list[str]]:
    """What the chat says for each label and for out of scope: the file given, or a plain default.

    Raises:
        DataError: not a JSON object of lists of texts, or a label that does not exist.
    """
    outside = config.out_of_scope_label
    replies = {label: [f"Understood: {label.replace('_', ' ')}."] for label in labels}
    replies[outside] = ["Sorry, I did not understand that."]
    file = _replies_file(config)
    if file is None:
        return replies
    try:
        given = TypeAdapter(dict[str, Annotated[list[str], MinLen(1)]]).validate_json(
            _read_text(file)
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{file}: {where}: {first['msg']}. "
            "Give an object of intents, each with a list of texts."
        ) from error
    if unknown := sorted(given.keys() - replies.keys()):
        raise DataError(
            f"{file}: {unknown[0]!r} is no intent of the data. "
            f"Use the intents of the data, and {outside!r} for out of scope."
        )
    return replies | given


def _replies_file(config: DataConfig) -> Path | None:
    if config.replies:
        return Path(config.replies)
    if config.source in BUILT_IN:
        return Path(str(resources.files("pipeline") / config.source / "replies.json"))
    beside = Path(config.source) / "replies.json"
    return beside if beside.is_file() else None


# --- reading ---------------------------------------------------------------------------------


def _read_source(config: DataConfig) -> Iterator[Row]:
    if config.source.startswith("hf:"):
        yield from _read_hub(config.source.removeprefix("hf:"), config)
    elif config.source in BUILT_IN:  # ./assistant names a folder of one's own
        with resources.as_file(resources.files("pipeline") / config.source) as folder:
            yield from _read_folder(folder, config)
    elif Path(config.source).is_dir():
        yield from _read_folder(Path(config.source), config)
    else:
        yield from _read_file(Path(config.source), config)


def _read_folder(folder: Path, config: DataConfig) -> Iterator[Row]:
    """Read one file per part: train.jsonl, val.csv, oos_test.jsonl and so on."""
    found = False
    for file in sorted(folder.iterdir()):
        stem = file.stem.removeprefix("oos_")
        if file.suffix not in SUFFIXES or stem not in PART_NAMES:
            continue
        found = True
        in_scope = stem == file.stem
        for row in _read_file(file, config, intent_required=in_scope):
            yield Row(row.text, row.intent if in_scope else None, row.where, PART_NAMES[stem])
    if not found:
        raise DataError(
            f"{folder}: no train, validation or test file of kind {', '.join(SUFFIXES)} in it. "
            "Name the parts train.jsonl, validation.jsonl, test.jsonl, or give one file."
        )


def _read_file(file: Path, config: DataConfig, *, intent_required: bool = True) -> Iterator[Row]:
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
    text = _read_text(file)
    if suffix == ".json":
        yield from _read_clinc(file, text)
        return
    records = _read_jsonl(file, text) if suffix == ".jsonl" else _read_table(file, text)
    for where, record in records:
        yield _row(where, record, config, intent_required)


def _read_text(file: Path) -> str:
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


# --- checking and dividing ---------------------------------------------------------------------


def _clean(rows: Iterable[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Drop empty and repeated texts, training copies first, so that no part leaks."""
    findings, kept, seen = [], [], dict[str, Row]()
    # Test before validation before training: a text in two parts stays where it is measured.
    order = {part: rank for rank, part in enumerate(("test", "validation", "train", None))}
    for row in sorted(rows, key=lambda row: order[row.part]):
        key = " ".join(row.text.lower().split())
        if not key:
            findings.append(f"{row.where}: empty text, left out")
        elif key not in seen:
            seen[key] = row
            kept.append(row)
        else:
            first = seen[key]
            parts = "" if first.part == row.part else f" in the {first.part} part"
            clash = (
                "" if first.intent == row.intent else f", there as {first.intent or 'out of scope'}"
            )
            findings.append(f"{row.where}: same text as {first.where}{parts}{clash}, left out")
    return kept, tuple(findings)


def _divide(rows: list[Row], config: DataConfig, seed: int) -> dict[str, list[Row]]:
    """Give each row its part: its own, or a stratified share of training (or unassigned) rows."""
    parts: dict[str, list[Row]] = {name: [] for name in PARTS}
    for row in rows:
        if row.part or row.intent is not None:
            parts[row.part or "train"].append(row)
    counts = Counter(row.intent for row in parts["train"] if row.intent is not None)
    missing = [name for name in PARTS[1:] if not any(r.intent is not None for r in parts[name])]
    needed = MIN_EXAMPLES + len(missing)
    for intent, count in sorted(counts.items()):
        if count < needed:
            where = next(row.where for row in parts["train"] if row.intent == intent)
            raise DataError(
                f"{where}: intent {intent!r} has {count} training examples, {needed} are needed. "
                "Add some, or remove the intent."
            )
    if len(counts) < 2:
        raise DataError(
            f"{config.source}: {len(counts)} intent in the training rows, at least 2 are needed. "
            "Check the intent column, or add rows of another intent."
        )
    shares = {"validation": config.validation_share, "test": config.test_share}
    left = 1.0  # of the rows that are divided; a share is of all of them, whatever went before
    for name in missing:
        kept, taken = _stratified(parts["train"], shares[name] / left, seed)
        parts["train"], parts[name] = kept, parts[name] + taken
        left -= shares[name]
    # Out-of-scope rows without a part of their own are divided however the others came.
    outside, left = [row for row in rows if row.part is None and row.intent is None], 1.0
    for name, share in shares.items():
        outside, taken = _stratified(outside, share / left, seed)
        parts[name] += taken
        left -= share
    parts["train"] += outside
    return parts


def _stratified(rows: list[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    by_intent = defaultdict[str | None, list[Row]](list)
    for row in rows:
        by_intent[row.intent].append(row)
    kept, taken = list[Row](), list[Row]()
    for group in by_intent.values():
        if len(group) < 2:  # only out-of-scope rows can be so few; they stay in training
            kept += group
            continue
        # No part is left empty, and training keeps what an intent needs where it has it.
        spare = max(1, len(group) - MIN_EXAMPLES)
        size = min(max(1, round(len(group) * share)), spare, len(group) - 1)
        left, right = train_test_split(group, test_size=size, random_state=seed)
        kept, taken = kept + left, taken + right
    return kept, taken


def _assemble(name: str, parts: dict[str, list[Row]], findings: tuple[str, ...]) -> Corpus:
    labels = tuple(sorted({row.intent for row in parts["train"] if row.intent is not None}))
    for part in PARTS[1:]:
        for row in parts[part]:
            if row.intent is not None and row.intent not in labels:
                raise DataError(
                    f"{row.where}: intent {row.intent!r} of the {part} part has no training "
                    "example. Add some, or remove the row."
                )
    train, validation, test = (_part(parts[part], labels) for part in PARTS)
    return Corpus(Path(name).name, labels, train, validation, test, findings)


def _part(rows: list[Row], labels: tuple[str, ...]) -> Part:
    index = {label: i for i, label in enumerate(labels)}
    inside = [(row.text, index[row.intent]) for row in rows if row.intent is not None]
    return Part(
        tuple(text for text, _ in inside),
        tuple(label for _, label in inside),
        tuple(row.text for row in rows if row.intent is None),
    )
