import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from pocketbert.base.config import with_preset
from pocketbert.base.formats import DEFAULT_TARGETS
from pocketbert.bundle.golden import (
    DECIMALS,
    GOLDEN_CASES,
    TORTURE,
    golden_texts,
    make_golden,
)
from pocketbert.models.cost import int8_bytes

TEXTS = tuple(f"turn on the lights in room {n}" for n in range(500))


@pytest.mark.parametrize(("labels", "cases"), [(2, 200), (34, 200), (150, 45), (1000, 8)])
def test_many_labels_have_fewer_cases(labels, cases):
    found = golden_texts(TEXTS, labels)
    assert len(found) == cases <= GOLDEN_CASES
    odd = [text for text in found if text in TORTURE]
    assert list(found[: len(odd)]) == odd
    assert len(odd) == min(len(TORTURE), cases // 2)


@pytest.mark.parametrize("labels", [2, 34, 150, 1000])
@pytest.mark.parametrize("preset", ["pico", "nano"])
def test_golden_cases_stay_under_a_quarter_of_the_models_bytes(labels, preset, toy_vocabulary):
    spec = with_preset(preset).student
    model = int8_bytes(spec, spec.vocabulary, labels)
    texts = golden_texts(TEXTS, labels)
    chance = np.random.default_rng(0)
    # As the demo's are spread.
    logits = {name: chance.normal(0, 2.7, (len(texts), labels)) for name in DEFAULT_TARGETS}
    cases = make_golden(texts, replace(toy_vocabulary, max_length=64), logits)
    written = json.dumps(
        [asdict(case) for case in cases], ensure_ascii=False, separators=(",", ":")
    )
    assert len(written.encode()) < model / 4, f"{len(written) / model:.0%} of {model:,} bytes"


def test_logits_are_written_with_few_digits(toy_vocabulary):
    logits = np.random.default_rng(0).normal(size=(5, 100)).astype(np.float32) * 4
    cases = make_golden(TEXTS[:5], toy_vocabulary, {"tflite": logits})
    written = json.dumps([asdict(case)["logits"] for case in cases])
    assert len(written) < 5 * 100 * (DECIMALS + 6)
    assert np.allclose([case.logits["tflite"] for case in cases], logits, atol=5.1e-3)
