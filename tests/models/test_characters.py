"""The table of characters says what the tokenizer does: read as docs/bundle.md tells, it agrees."""

import json
from bisect import bisect_right
from dataclasses import asdict
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pocketbert.bundle.golden import TORTURE
from pocketbert.models.characters import characters
from pocketbert.models.vocabulary import SPECIAL, Vocabulary


def in_ranges(ranges):
    firsts = [first for first, _ in ranges]

    def found(c):
        place = bisect_right(firsts, c) - 1
        return place >= 0 and c <= ranges[place][1]

    return found


def reader_of(table):
    """As a phone reads the table."""
    drop, space, alone = (in_ranges(table[name]) for name in ("drop", "space", "alone"))
    replace = {first: tuple(rest) for first, *rest in table["replace"]}

    def letters(code):
        if not table["hangul"] or not 0xAC00 <= code <= 0xD7A3:
            return () if drop(code) else replace.get(code, (code,))
        initial, rest = divmod(code - 0xAC00, 588)
        vowel, final = divmod(rest, 28)
        made = (0x1100 + initial, 0x1161 + vowel, 0x11A7 + final)
        return made if final else made[:2]

    def words(text):
        made, word = [], ""
        for code in (new for character in text for new in letters(ord(character))):
            if space(code) or alone(code):
                made += [word, chr(code) if alone(code) else ""]
                word = ""
            else:
                word += chr(code)
        return [word for word in [*made, word] if word]

    return words


def expected(vocabulary, text):
    tokenizer = vocabulary.tokenizer
    normalized = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


SETTINGS = {
    "uncased": {"lowercase": True},
    "cased": {"lowercase": False},
    "uncased with accents": {"lowercase": True, "strip_accents": False},
    "cased without accents": {"lowercase": False, "strip_accents": True},
    "ideographs together": {"lowercase": True, "split_chinese": False},
}


@pytest.fixture(scope="module", params=SETTINGS)
def reader(request):
    vocabulary = Vocabulary(SPECIAL, **SETTINGS[request.param])
    made = asdict(characters(**vocabulary.settings))
    table = json.loads(json.dumps(made))  # as it is written
    return reader_of(table), partial(expected, vocabulary)


def test_every_code_point_between_letters(reader):
    made, wanted = reader
    every = range(0, 0x110000, 64)
    empty = range(0x40000, 0xE0000, 64)  # planes without a character: some of each do
    for first in (c for c in every if c not in empty or c % 0x4000 == 0):
        text = "".join(f"a{chr(c)}a " for c in range(first, first + 64) if not 0xD800 <= c < 0xE000)
        assert made(text) == wanted(text), hex(first)


@pytest.mark.parametrize("text", TORTURE)
def test_torture(reader, text):
    made, wanted = reader
    assert made(text) == wanted(text)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(text=st.text(max_size=40))
def test_any_text(reader, text):
    made, wanted = reader
    assert made(text) == wanted(text)
