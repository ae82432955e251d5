import json
from dataclasses import asdict

import numpy as np
import pytest

from pocketbert.bundle.golden import (
    DECIMALS,
    GOLDEN_CASES,
    LEAST_CASES,
    TORTURE,
    golden_texts,
    make_golden,
)

TEXTS = tuple(f"text {n}" for n in range(500))


@pytest.mark.parametrize(
    ("labels", "cases"), [(2, 200), (100, 200), (200, 100), (1000, len(TORTURE) + LEAST_CASES)]
)
def test_many_labels_have_fewer_cases(labels, cases):
    found = golden_texts(TEXTS, labels)
    assert len(found) == cases <= GOLDEN_CASES
    assert found[: len(TORTURE)] == TORTURE


def test_logits_are_written_with_few_digits(toy_vocabulary):
    logits = np.random.default_rng(0).normal(size=(5, 100)).astype(np.float32) * 4
    cases = make_golden(TEXTS[:5], toy_vocabulary, {"tflite": logits})
    written = json.dumps([asdict(case)["logits"] for case in cases])
    assert len(written) < 5 * 100 * (DECIMALS + 6)
    assert np.allclose([case.logits["tflite"] for case in cases], logits, atol=5.1e-4)
