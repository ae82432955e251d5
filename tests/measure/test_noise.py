"""Noise that is the same each time, and changes what it says."""

from random import Random

import numpy as np
import pytest

from pocketbert.data.corpus import Part
from pocketbert.measure.noise import NOISES, SAMPLE, Robustness, make_noisy, robustness

TEST = Part(("wake me at 7:30", "turn on the lights", "stop"), (0, 1, 2))


@pytest.mark.parametrize(
    ("kind", "text", "made"),
    [
        ("no spaces", "turn on  the lights", "turnonthelights"),
        ("all capitals", "straße an", "STRASSE AN"),
        ("numbers in words", "wake me at 7:30pm", "wake me at seven thirty pm"),
        (
            "numbers in words",
            "room 215, 1004 or 0049",
            "room two hundred fifteen , one thousand four or zero zero four nine",
        ),
        ("numbers in words", "20 19 100", "twenty nineteen one hundred"),
        ("numbers in words", "no number", "no number"),
        ("one word", "turn on the lights", "lights"),
        ("one word", "", ""),
    ],
)
def test_each_kind_makes_what_it_says(kind, text, made):
    assert NOISES[kind](text, Random(0)) == made


@pytest.mark.parametrize(
    "text", ["", "a", "ab", "turn on the lights in the kitchen", "ﬁ 日本 👩‍👩‍👧‍👦"]
)
def test_typos_change_a_few_letters_of_any_text(text):
    made = NOISES["typos"](text, Random(0))
    assert abs(len(made) - len(text)) <= max(1, len(text) // 8)


def test_noise_is_the_same_each_time_and_leaves_out_what_it_does_not_change():
    noisy = make_noisy(TEST)
    assert noisy == make_noisy(TEST)
    assert noisy != make_noisy(TEST, seed=1)
    assert all(one.text != TEST.texts[one.row] for one in noisy)
    assert [one.row for one in noisy if one.kind == "numbers in words"] == [0]
    assert [one.row for one in noisy if one.kind == "one word"] == [0, 1]


def test_noise_is_made_of_a_sample():
    many = Part(tuple(f"text {number} here" for number in range(1000)), (0,) * 1000)
    capitals = [one for one in make_noisy(many) if one.kind == "all capitals"]
    assert len(capitals) == SAMPLE
    assert capitals[-1].row >= 900


def test_figures_are_of_the_same_texts_before_and_after():
    noisy = make_noisy(TEST)
    clean = 5 * np.eye(3, dtype=np.float32)
    ruined = np.tile(np.array([[0, 0, 1.0]], np.float32), (len(noisy), 1))  # planted
    found = robustness(noisy, ruined, clean, TEST, threshold=2.0)
    assert found["one word"] == Robustness(2, (1.0, 0.0), (1.0, 0.0))
    kept = np.stack([clean[one.row] for one in noisy])
    assert all(
        one.accuracy == (1.0, 1.0) and one.answered == (1.0, 1.0)
        for one in robustness(noisy, kept, clean, TEST, threshold=2.0).values()
    )
