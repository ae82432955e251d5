"""What rows mean together: repeats, intents of one look, too few examples, damaged text.

Whatever is left out is a finding with its line, or an error.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from ..base.errors import DataError
from .rows import Row

LISTED = 10  # intents or lines that a message names
JOINED = re.compile(r"[#|;,+/]")  # what data sets put between the intents of one text
CONTROL = re.compile("[\x80-\x9f]")  # of ISO 8859-1: letters and quotes where cp1252 is meant


def text_key(text: str) -> str:
    """What two texts have in common that a reader takes for one.

    They may differ in case, spacing, normal form and characters that are not seen; BERT drops the
    last, too.
    """
    if not text.isascii():
        text = "".join(c for c in text if unicodedata.category(c) != "Cf")
        # Twice: folding may take a composed letter apart.
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(text.lower().split())


def drop_empty(rows: Iterable[Row]) -> tuple[list[Row], tuple[str, ...]]:
    """Rows with a text of which something can be read, and findings: of others, of damage."""
    kept, findings = [], []
    for row in rows:
        # BERT drops control characters, marks and blanks: no token of the text would be left.
        if all(unicodedata.category(character)[0] in "CMZ" for character in row.text):
            findings.append(f"{row.where}: empty text, left out")
        else:
            kept.append(row)
    return kept, (*findings, *_damaged(kept))


def drop_repeats(rows: Iterable[Row]) -> tuple[list[Row], list[Row], tuple[str, ...]]:
    """Rows that are kept, rows that repeat one of these, and findings.

    Texts that are repeated go, training copies first, so that no part leaks.
    """
    findings, kept, repeats, seen = [], [], [], dict[str, Row]()
    # Test before validation before training: a text in two parts stays where it is measured.
    order = {part: rank for rank, part in enumerate(("test", "validation", "train", None))}
    for row in sorted(rows, key=lambda row: order[row.part]):
        key = text_key(row.text)
        if key not in seen:
            seen[key] = row
            kept.append(row)
        else:
            first = seen[key]
            parts = "" if first.part == row.part else f" in the {first.part} part"
            clash = (
                "" if first.intent == row.intent else f", there as {first.intent or 'out of scope'}"
            )
            repeats.append(row)
            findings.append(f"{row.where}: same text as {first.where}{parts}{clash}, left out")
    return kept, repeats, tuple(findings)


def _damaged(rows: Sequence[Row]) -> list[str]:
    """Traces of a wrong conversion."""
    kinds = (
        ("control characters U+0080 to U+009F", "latin1 was taken for cp1252", CONTROL.search),
        ("the mark U+FFFD of a lost character", "a conversion failed", lambda t: "\ufffd" in t),
    )
    findings = []
    for what, why, is_bad in kinds:
        if bad := [row.where for row in rows if is_bad(row.text)]:
            findings.append(f"{bad[0]} and {len(bad) - 1} more: texts hold {what}: {why}?")
    return findings


def check_intents(rows: Sequence[Row]) -> tuple[str, ...]:
    """Findings of intents that differ in case alone.

    Raises:
        DataError: one number written in two ways, or intents that are several joined.
    """
    first = {row.intent: row.where for row in reversed(rows) if row.intent is not None}
    numbers, looks = dict[float, str](), defaultdict[str, list[str]](list)
    for intent in sorted(first):
        looks[intent.casefold()].append(intent)
        parts = [part.strip() for part in JOINED.split(intent)]
        if len(parts) > 1 and all(part in first for part in parts):
            raise DataError(
                f"{first[intent]}: {intent!r} is several intents in one. Give one intent a text: "
                "split the row, or choose one (several intents a text can't be trained)."
            )
        if re.fullmatch(r"-?\d+(\.\d+)?", intent):
            other = numbers.setdefault(float(intent), intent)
            if other != intent:
                raise DataError(
                    f"{first[intent]}: intents {other!r} and {intent!r} are one number written in "
                    "two ways. Write it in one; pandas keeps whole numbers with astype('Int64')."
                )
    return tuple(
        f"{first[names[1]]}: intents {' and '.join(map(repr, names))} differ in case alone"
        for names in looks.values()
        if len(names) > 1
    )


def check_counts(kept: Sequence[Row], repeats: Sequence[Row], needed: int) -> None:
    """Refuse intents with fewer than `needed` training examples, all at once.

    Raises:
        DataError: names each with its count, and its repeats, which do not count.
    """
    counts = Counter(row.intent for row in kept if row.intent is not None)
    again = Counter(row.intent for row in repeats if row.intent in counts)
    rare = sorted((count, intent) for intent, count in counts.items() if count < needed)
    if not rare:
        return
    where = {row.intent: row.where for row in reversed(kept)}
    named = [
        f"{intent!r} {count}" + (f" (and {again[intent]} repeated)" if again[intent] else "")
        for count, intent in rare[:LISTED]
    ]
    more = f" and {len(rare) - LISTED} more" if len(rare) > LISTED else ""
    raise DataError(
        f"{where[rare[0][1]]}: {len(rare)} intents have fewer than the {needed} training examples "
        f"that are needed: {', '.join(named)}{more}. Add some, or remove these intents."
    )
