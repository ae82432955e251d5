"""Labelled text in: checked and divided. It knows nothing of models.

Whatever the source, rows end as one `Corpus` of three parts. What had to be left out on the way
is kept as findings that name file and line.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import MinLen
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from sklearn.model_selection import train_test_split

from ..base.config import DataConfig
from ..base.errors import DataError
from .checks import check_counts, check_intents, drop_empty, drop_repeats, text_key
from .records import read_text
from .rows import BUILT_IN, Row, read_file, read_source, read_unlabeled

PARTS = ("train", "validation", "test")
MIN_EXAMPLES = 3  # per intent in training: one is memorised, two cannot be divided


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
    unlabeled: tuple[str, ...] = ()  # the user's own texts, for the teacher to label
    findings: tuple[str, ...] = ()  # rows left out and why, with line numbers

    @property
    def parts(self) -> dict[str, Part]:
        """The three parts by name."""
        return {name: getattr(self, name) for name in PARTS}

    @cached_property
    def keys(self) -> frozenset[str]:
        """`text_key` of every text of the three parts."""
        parts = self.parts.values()
        return frozenset(
            text_key(text) for part in parts for text in (*part.texts, *part.out_of_scope)
        )

    @cached_property
    def labelled_digest(self) -> str:
        """sha256 of all that has a label, or is known to have none: what a teacher can see."""
        return _digest(
            [self.labels, [[p.texts, p.labels, p.out_of_scope] for p in self.parts.values()]]
        )

    @property
    def taught(self) -> tuple[str, ...]:
        """Every text that a student learns from: in scope, out of scope, unlabelled."""
        return (*self.train.texts, *self.train.out_of_scope, *self.unlabeled)

    @cached_property
    def test_digest(self) -> str:
        """sha256 of what figures are measured on, in any order."""
        named = [self.labels[label] for label in self.test.labels]
        inside = sorted(zip(self.test.texts, named, strict=True))
        return _digest([inside, sorted(self.test.out_of_scope)])

    @cached_property
    def digest(self) -> str:
        """sha256 of everything that training can see."""
        return _digest([self.labelled_digest, self.unlabeled])


def load_corpus(config: DataConfig, seed: int = 0) -> Corpus:
    """Read, check and divide the labelled text that `config` names.

    Args:
        config: a built-in name, a file (.jsonl, .json, .csv, .tsv), a folder with one file per
            part, or `hf:NAME` for a data set of the Hugging Face hub.
        seed: of the stratified split, where the source has no parts of its own.

    Raises:
        DataError: nothing usable; names the file, the line, the limit and the remedy.
    """
    source = read_source(config)
    rows, findings = list(source.rows), source.findings
    if config.out_of_scope:
        extra = read_file(Path(config.out_of_scope), config, intent_required=False)
        rows += [replace(row, intent=None) for row in extra.rows]
        findings += extra.findings
    rows, empty = drop_empty(rows)
    rows, repeats, dropped = drop_repeats(rows)
    findings += check_intents(rows) + empty + dropped
    corpus = _assemble(config.source, _divide(rows, repeats, config, seed), findings)
    return _with_unlabeled(corpus, config.unlabeled, config) if config.unlabeled else corpus


def read_labelled(
    file: Path, config: DataConfig, labels: tuple[str, ...]
) -> tuple[Part, tuple[str, ...]]:
    """Read one labelled file, as a part for evaluation against known `labels`.

    Of a file that holds several parts, only the test part is read. Repeated texts stay: that some
    are sent more often is part of what is measured.

    Also returned are the findings: rows left out, with line numbers.

    Raises:
        DataError: unreadable, empty, or an intent that is not among `labels`.
    """
    read = read_file(file, config)
    given = read.rows
    # What a model may have learned from measures nothing.
    if any(row.part == "test" for row in given):
        given = tuple(row for row in given if row.part == "test")
    rows, empty = drop_empty(given)
    if not any(row.intent is not None for row in rows):
        raise DataError(f"{file}: holds no in-scope row; give at least one text with its intent.")
    known = {None, *labels}
    for row in rows:
        if row.intent not in known:
            raise DataError(
                f"{row.where}: intent {row.intent!r} is not one of the bundle's {len(labels)}. "
                "Evaluate on data with the labels that the bundle was trained on."
            )
    return _part(rows, labels), read.findings + empty


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
            read_text(file)
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
        return Path(str(resources.files("pocketbert.data") / config.source / "replies.json"))
    beside = Path(config.source) / "replies.json"
    return beside if config.source and beside.is_file() else None


def _divide(
    rows: list[Row], repeats: list[Row], config: DataConfig, seed: int
) -> dict[str, list[Row]]:
    """Give each row its part: its own, or a stratified share of training (or unassigned) rows."""
    parts: dict[str, list[Row]] = {name: [] for name in PARTS}
    for row in rows:
        if row.part or row.intent is not None:
            parts[row.part or "train"].append(row)
    intents = {row.intent for row in parts["train"] if row.intent is not None}
    missing = [name for name in PARTS[1:] if not any(r.intent is not None for r in parts[name])]
    check_counts(parts["train"], repeats, MIN_EXAMPLES + len(missing))
    if len(intents) < 2:
        raise DataError(
            f"{config.source}: {len(intents)} intent in the training rows, at least 2 are needed. "
            "Check the intent column and the texts, or add rows of another intent."
        )
    shares = {"validation": config.validation_share, "test": config.test_share}
    outside = [row for row in rows if row.part is None and row.intent is None]
    parts["train"], cut = _cut(parts["train"], {name: shares[name] for name in missing}, seed)
    # Out-of-scope rows without a part of their own are divided however the others came.
    outside, cut_outside = _cut(outside, shares, seed)
    parts["train"] += outside
    for name in shares:
        parts[name] += cut.get(name, []) + cut_outside[name]
    return parts


def _cut(
    rows: list[Row], shares: Mapping[str, float], seed: int
) -> tuple[list[Row], dict[str, list[Row]]]:
    """Cut a part for each of `shares`, each a share of all `rows`; what is left comes first."""
    left, cut = 1.0, dict[str, list[Row]]()
    for name, share in shares.items():
        rows, cut[name] = _stratified(rows, share / left, seed)
        left -= share
    return rows, cut


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


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _with_unlabeled(corpus: Corpus, source: str, config: DataConfig) -> Corpus:
    """`corpus` with the texts of `source` that it does not hold yet.

    Those of the validation and test parts above all: what is measured must not be trained on.
    """
    read, given = read_unlabeled(source, config), dict[str, str]()
    for row in read.rows:
        given.setdefault(text_key(row.text), row.text)
    given.pop("", None)
    new = tuple(text for key, text in given.items() if key not in corpus.keys)
    if not new:
        raise DataError(
            f"{source}: none of its {len(given)} texts is new to the data. "
            "Give texts, one a line, that the labelled data lacks."
        )
    known = len(given) - len(new)
    note = f"{Path(source).name}: {known} texts stand in the labelled data, left out"
    findings = corpus.findings + read.findings + ((note,) if known else ())
    return replace(corpus, unlabeled=new, findings=findings)


def sample_rows(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Rows of about `most` texts, the same share of every label.

    A label of which fewer than `MIN_EXAMPLES` would be left keeps all its texts.
    """
    share = max(1, -(-len(labels) // most))
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate(
        [row if len(row) < MIN_EXAMPLES * share else row[::share] for row in rows]
    )


def _name(source: str) -> str:
    """The last part of a path, also of one such as `.`; of a built-in or hub name, all after /."""
    name = Path(source).name
    return Path(source).resolve().name if name in ("", "..") else name


def _assemble(name: str, parts: dict[str, list[Row]], findings: tuple[str, ...]) -> Corpus:
    labels = tuple(sorted({row.intent for row in parts["train"] if row.intent is not None}))
    known = {None, *labels}
    for part in PARTS[1:]:
        for row in parts[part]:
            if row.intent not in known:
                raise DataError(
                    f"{row.where}: intent {row.intent!r} of the {part} part has no training "
                    "example. Add some, or remove the row."
                )
    train, validation, test = (_part(parts[part], labels) for part in PARTS)
    return Corpus(_name(name), labels, train, validation, test, findings=findings)


def _part(rows: list[Row], labels: tuple[str, ...]) -> Part:
    index = {label: i for i, label in enumerate(labels)}
    inside = [(row.text, index[row.intent]) for row in rows if row.intent is not None]
    return Part(
        tuple(text for text, _ in inside),
        tuple(label for _, label in inside),
        tuple(row.text for row in rows if row.intent is None),
    )
