"""Test texts as they arrive in practice: mistyped, run together, shouted, dictated, cut to a word.

What a model makes of them is shown and decides nothing: how noisy its users are, nobody here knows.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np

from ..base.arrays import Logits
from ..data.corpus import Part

SAMPLE = 100  # test texts, about, from which each kind is made
LETTERS_A_TYPO = 8
ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@dataclass(frozen=True)
class Noisy:
    """A test text after noise of one kind."""

    kind: str
    row: int  # in the test part
    text: str


@dataclass(frozen=True)
class Robustness:
    """Figures on texts before and after noise of one kind."""

    texts: int
    accuracy: tuple[float, float]
    answered: tuple[float, float]  # share whose highest logit reaches the threshold


def make_noisy(test: Part, seed: int = 0) -> tuple[Noisy, ...]:
    """An even sample of the in-scope texts of `test`, with noise of each kind that changes them.

    Numbers are spelled in English.
    """
    random = Random(seed)  # noqa: S311 - not for secrets: what is drawn follows from the seed
    rows = range(0, len(test.texts), max(1, len(test.texts) // SAMPLE))
    made = (
        Noisy(kind, row, change(test.texts[row], random))
        for kind, change in NOISES.items()
        for row in rows
    )
    return tuple(one for one in made if one.text != test.texts[one.row])


def robustness(
    noisy: tuple[Noisy, ...], logits: Logits, clean: Logits, test: Part, threshold: float
) -> Mapping[str, Robustness]:
    """Figures by kind of noise.

    Args:
        logits: of each of `noisy` (texts, labels).
        clean: of the test texts (texts, labels).
        threshold: below which a text is not answered.
    """
    labels, figures = np.array(test.labels), {}
    for kind in dict.fromkeys(one.kind for one in noisy):
        places = [place for place, one in enumerate(noisy) if one.kind == kind]
        rows = [noisy[place].row for place in places]
        pair = clean[rows], logits[places]
        right = [float((one.argmax(1) == labels[rows]).mean()) for one in pair]
        answered = [float((one.max(1) >= threshold).mean()) for one in pair]
        figures[kind] = Robustness(len(rows), (right[0], right[1]), (answered[0], answered[1]))
    return figures


def _mistype(text: str, random: Random) -> str:
    """A letter dropped, doubled or swapped with the next one, about every eight letters."""
    letters = list(text)
    for _ in range(max(1, len(text) // LETTERS_A_TYPO)):
        place = random.randrange(max(1, len(letters) - 1))
        pair = letters[place : place + 2]
        letters[place : place + 2] = random.choice((pair[1:], [*pair[:1], *pair], pair[::-1]))
    return "".join(letters)


def _spell_numbers(text: str, _: Random) -> str:
    """As speech recognition may write it: 7:30 becomes seven thirty."""
    apart = re.sub(r"(?<=\d)[:.,](?=\d)", " ", text)
    return " ".join(re.sub(r"\d+", lambda found: f" {_spelled(found[0])} ", apart).split())


def _spelled(digits: str) -> str:
    number = int(digits) if len(digits) <= 4 else -1
    if digits[0] == "0" or number < 0:
        return " ".join(ONES[int(digit)] for digit in digits)
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    unit, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = f" {_spelled(str(number % unit))}" if number % unit else ""
    return f"{ONES[number // unit]} {name}{rest}"


def _longest_word(text: str, _: Random) -> str:
    return max(text.split(), key=len, default="")


NOISES: Mapping[str, Callable[[str, Random], str]] = {
    "typos": _mistype,
    "no spaces": lambda text, _: "".join(text.split()),
    "all capitals": lambda text, _: text.upper(),
    "numbers in words": _spell_numbers,
    "one word": _longest_word,
}
