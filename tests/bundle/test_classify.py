from dataclasses import replace

import pytest

from pocketbert.bundle.classify import ChatEngine, Classifier
from pocketbert.bundle.open import open_bundle


@pytest.fixture(scope="module")
def bundle(toy_run):
    return open_bundle(toy_run / "bundle")


@pytest.fixture(scope="module")
def runner(bundle):
    return bundle.load("tflite")


def engine(bundle, runner, *clock):
    return ChatEngine(Classifier(bundle, "tflite", runner, *clock))


def with_threshold(bundle, threshold):
    sealed = bundle.artifacts["tflite"]
    calibration = replace(sealed.calibration, threshold=threshold)
    return replace(bundle, artifacts={"tflite": replace(sealed, calibration=calibration)})


def test_known_text_gets_its_intent(bundle, runner):
    answer = engine(bundle, runner).answer("dim the kitchen lights")
    assert answer.intent == "lights"
    assert answer.reply == "Understood: lights."
    assert answer.confidence > 0.5


def test_text_below_the_threshold_is_not_understood(bundle, runner):
    answer = engine(with_threshold(bundle, 1e9), runner).answer("dim the lights")
    assert answer.intent is None
    assert answer.nearest == "lights"
    assert answer.reply == "Sorry, I did not understand that."


@pytest.mark.parametrize("text", ["", "   ", "\x00", "\u200b"])
def test_text_without_a_token_is_not_understood(bundle, runner, text):
    assert engine(with_threshold(bundle, -1e9), runner).answer(text).intent is None


@pytest.mark.parametrize("text", ["x" * 10_000, "🙂" * 50, "مرحبا", "\ud800", "a\x00b", "[CLS]"])
def test_any_text_gets_a_normal_answer(bundle, runner, text):
    answer = engine(bundle, runner).answer(text)
    assert answer.reply and 0 <= answer.confidence <= 1


def test_times_come_from_the_injected_clock(bundle, runner):
    ticks = iter([1.0, 1.002, 1.007])
    answer = engine(bundle, runner, lambda: next(ticks)).answer("rain today")
    assert answer.tokenize_ms == pytest.approx(2)
    assert answer.inference_ms == pytest.approx(5)


def test_replies_take_turns(bundle, runner):
    replies = {"lights": ("one", "two")}
    chat = engine(replace(bundle, replies=replies), runner)
    said = [chat.answer("dim the kitchen lights").reply for _ in range(3)]
    assert said == ["one", "two", "one"]
