"""Records out of files of every kind that is read, each with the place it stands at.

It knows columns, quotes, encodings and the shapes of JSON that other tools write; what a text or an
intent may be is for `rows`.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..base.config import DataConfig
from ..base.errors import DataError

TABLES = (".csv", ".tsv")
SUFFIXES = (".jsonl", ".json", *TABLES)
# How other data sets call our three parts.
PART_NAMES = {"train": "train", "val": "validation", "validation": "validation"}
PART_NAMES |= {"valid": "validation", "dev": "validation", "test": "test"}
OUTSIDE = "oos_"  # before the name of a part: texts that belong to no intent
DELIMITERS = (",", ";", "\t")  # Excel writes the second where the comma is the decimal mark
MARKS = {  # longest first: UTF-32's begins with that of UTF-16
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
LONGEST_FIELD = 2**31 - 1  # csv's own limit of 131,072 is below what users paste


@dataclass(frozen=True)
class Record:
    """One row of a file; `part` is None where the file names none."""

    where: str  # "file:line"
    values: Mapping[str, Any]
    part: str | None = None
    out_of_scope: bool = False  # by the name of the list it stands in


@dataclass(frozen=True)
class Records:
    """All rows of a file, and what of it is not used as it stands."""

    records: tuple[Record, ...]
    findings: tuple[str, ...] = ()


def read_records(file: Path, config: DataConfig) -> Records:
    """Every row of `file`, by its kind.

    Raises:
        DataError: missing, of another kind, of another encoding, or damaged; with file and line.
    """
    suffix = file.suffix.lower()
    if not file.exists():
        raise DataError(
            f"{file}: no such file or folder. Check the path, or use the built-in assistant."
        )
    if suffix not in SUFFIXES:
        raise DataError(
            f"{file}: kind {file.suffix or 'without a suffix'!r} is not read. "
            f"Give one of {', '.join(SUFFIXES)}."
        )
    text = read_text(file)
    if suffix == ".jsonl":
        return Records(tuple(_read_jsonl(file, text)))
    return _read_json(file, text, config) if suffix == ".json" else _read_table(file, text, config)


def read_text(file: Path) -> str:
    """Text of a UTF-8 file, or of UTF-16 and UTF-32 where a byte order mark says so.

    Raises:
        DataError: unreadable, or of another encoding.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror}. Check the path and its permissions.") from error
    encoding = next((name for mark, name in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file}: byte {error.start} is not {encoding.removesuffix('-sig').upper()}. "
            "Save it as UTF-8, or convert it from its own encoding, for example that of Windows "
            "in Western Europe: iconv -f cp1252 -t utf-8."
        ) from error
    if text.startswith(("ÿþ", "þÿ")):
        raise DataError(
            f"{file}: was UTF-16, and somebody converted it from another encoding. "
            "Give the original file, which is read as it is."
        )
    if encoding == "utf-8" and "\0" in text[:1000]:
        raise DataError(
            f"{file}: every other byte is zero, so it is UTF-16 without a mark. "
            "Convert it: iconv -f utf-16le -t utf-8."
        )
    return text.replace("\r\n", "\n") if file.suffix.lower() == ".jsonl" else text


def _read_jsonl(file: Path, text: str) -> Iterator[Record]:
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
        yield Record(where, record)


# --- tables ----------------------------------------------------------------------------------


def _read_table(file: Path, text: str, config: DataConfig) -> Records:
    columns = (config.text, config.intent)
    quoted = file.suffix.lower() == ".csv"  # a .tsv has no quotes, by convention
    mark = _delimiter(text, columns) if quoted else "\t"
    rows = _rows(file, text, mark, quoted=quoted)
    _, header = next(rows, (0, []))
    header = [name.strip() for name in header]
    if twice := [name for name in columns if header.count(name) > 1]:
        raise DataError(f"{file.name}: two columns are called {twice[0]!r}. Rename one.")
    records = list[Record]()
    for line, row in rows:
        if len(row) > len(header):
            remedy = "Quote the field that holds" if quoted else "Take out"
            raise DataError(
                f"{file.name}:{line}: has more fields than the {len(header)} columns. "
                f"{remedy} the mark."
            )
        row += [""] * (len(header) - len(row))
        records.append(Record(f"{file.name}:{line}", dict(zip(header, row, strict=True))))
    if quoted:
        _check_quotes(records, header, columns, mark)
    marked = sum(_is_quoted(record.values.get(config.text, "")) for record in records)
    note = f"{file.name}: {marked} texts begin and end with a quotation mark, which is kept: "
    return Records(tuple(records), (note + "a .tsv has no quoting",) if marked > 0 else ())


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"'


def _rows(
    file: Path, text: str, delimiter: str, *, quoted: bool
) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line on which it begins."""
    csv.field_size_limit(LONGEST_FIELD)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    # StringIO, not splitlines(): U+2028 and U+0085 may stand inside a field.
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{file.name}:{line}: the row that begins here does not end as it should "
                f"({error}). Close its quotation mark, and double those inside a field."
            ) from error
        if row:
            yield line, row


def _delimiter(text: str, columns: tuple[str, str]) -> str:
    """The mark that parts the header into the columns that are asked for; else the comma."""
    header = text.partition("\n")[0].strip()
    for mark in DELIMITERS:
        if columns[0] in [name.strip(' "') for name in header.split(mark)]:
            return mark
    return DELIMITERS[0]


def _check_quotes(
    records: list[Record], header: list[str], columns: tuple[str, str], mark: str
) -> None:
    """Refuse a text that has swallowed rows, because a quotation mark in it was never closed."""
    if not {*columns} <= {*header}:
        return
    intents = {record.values[columns[1]] for record in records} - {""}
    for record in records:
        *lines, last = record.values[columns[0]].split("\n")
        at, place = header.index(columns[0]), header.index(columns[1])
        for number, line in enumerate((*lines, last) if lines else ()):
            # Of the first line the columns before the text are gone, of the last those behind it.
            start = at if number == 0 else 0
            end = at + 1 if number == len(lines) else len(header)
            fields = [field.strip(' \r"') for field in line.split(mark)]
            fits = len(fields) == end - start and start <= place < end
            if fits and fields[place - start] in intents:
                raise DataError(
                    f"{record.where}: the text that begins here runs over {len(lines) + 1} lines "
                    f"and holds the intent {fields[place - start]!r}: a quotation mark is not "
                    "closed. Close it, or double it where it belongs to the text."
                )


# --- JSON of other tools ---------------------------------------------------------------------


def _read_json(file: Path, text: str, config: DataConfig) -> Records:
    """CLINC150's layout and its kin: lists of pairs or objects, by part or without.

    Also `intents` with `tag` and `patterns`, as chat bots of many tutorials have it.
    """
    try:
        loaded = json.loads(text)
    except ValueError as error:
        raise DataError(
            f"{file}: not JSON ({error}). Give .jsonl for one object a line."
        ) from error
    if isinstance(loaded, list):
        return Records(tuple(_entries(file, "", loaded, config)))
    if isinstance(loaded, dict) and _are_tags(loaded.get("intents")):
        return _read_tags(file, loaded["intents"], config)
    if not isinstance(loaded, dict) or not all(_names_part(name) for name in loaded):
        found = ", ".join(map(str, loaded)) if isinstance(loaded, dict) else type(loaded).__name__
        raise DataError(
            f"{file}: its shape is not known (found: {found[:100]}). Give lists called "
            "train, val and test of [text, intent] as CLINC150 has them, one list of objects, or "
            "write the objects one a line as .jsonl."
        )
    return Records(
        tuple(
            record for name, rows in loaded.items() for record in _entries(file, name, rows, config)
        )
    )


def _names_part(name: str) -> bool:
    return name.removeprefix(OUTSIDE) in PART_NAMES


def _entries(file: Path, name: str, rows: Any, config: DataConfig) -> Iterator[Record]:
    """Records of one list; `name` is that of its part, where it has one."""
    stem = name.removeprefix(OUTSIDE)
    if not isinstance(rows, list):
        raise DataError(f"{file}: {name} is no list. Give a list of [text, intent] or of objects.")
    for index, row in enumerate(rows):
        where = f"{file.name}:{name}[{index}]"
        if isinstance(row, list) and len(row) == 2:
            row = {config.text: row[0], config.intent: row[1]}
        if not isinstance(row, dict):
            raise DataError(
                f"{where}: is no [text, intent] and no object. Write every entry as one of these."
            )
        yield Record(where, row, PART_NAMES.get(stem), stem != name)


def _are_tags(intents: Any) -> bool:
    return isinstance(intents, list) and all(
        isinstance(one, dict) and isinstance(one.get("patterns"), list) and "tag" in one
        for one in intents
    )


def _read_tags(file: Path, intents: list[dict[str, Any]], config: DataConfig) -> Records:
    records = tuple(
        Record(
            f"{file.name}:intents[{i}].patterns[{j}]",
            {config.text: pattern, config.intent: one["tag"]},
        )
        for i, one in enumerate(intents)
        for j, pattern in enumerate(one["patterns"])
    )
    said = sum("responses" in one for one in intents)
    note = f"{file.name}: responses of {said} intents are not read; give them with --replies"
    return Records(records, (note,) if said else ())
