import json
from dataclasses import replace

import extras
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from pocketbert.base.config import PRESETS, StudentSpec
from pocketbert.models.cost import int8_bytes, multiply_adds
from pocketbert.models.lean import LeanBert


def counted(spec: StudentSpec, labels: int, tokens: int) -> int:
    """Multiply-adds that PyTorch's own counter sees in the lean graph."""
    config = BertConfig(
        vocab_size=100,
        hidden_size=spec.hidden,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.hidden // 32,
        intermediate_size=4 * spec.hidden,
        max_position_embeddings=spec.max_length,
        num_labels=labels,
    )
    graph = LeanBert(BertForSequenceClassification(config), spec.max_length)
    ids = torch.zeros(1, tokens, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        graph(ids, torch.ones_like(ids))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("tokens", [5, 32])
def test_multiply_adds_are_those_of_the_lean_graph(layers, tokens):
    spec = StudentSpec(layers=layers, hidden=64)
    assert multiply_adds(spec, 7, tokens) == counted(spec, 7, tokens)


def test_counted_bytes_are_near_those_of_real_artefacts(main_run):
    out, _ = main_run
    made = json.loads((out / "result.json").read_text())
    spec = PRESETS["nano"][0]
    counted_bytes = int8_bytes(spec, spec.vocabulary, made["labels"])
    for name in ("executorch", "coreml", "tflite", *["tflite-task"] * extras.TFLITE_SUPPORT):
        stored = made["verdicts"][name]["stored"]
        size = stored["size_bytes"] - stored["bytes_by_part"]["vocabulary"]
        assert counted_bytes == pytest.approx(size, rel=0.05)


def test_narrow_embedding_is_smaller_and_costs_work():
    plain = StudentSpec(embedding=None)
    narrow = replace(plain, embedding=64)
    assert int8_bytes(replace(plain, embedding=128), 8000, 10) == int8_bytes(plain, 8000, 10)
    assert int8_bytes(narrow, 8000, 10) < int8_bytes(plain, 8000, 10) - 400_000
    assert multiply_adds(narrow, 10, 16) == multiply_adds(plain, 10, 16) + 16 * 64 * 128


def test_pico_takes_a_megabyte_at_most():
    spec = PRESETS["pico"][0]
    assert int8_bytes(spec, spec.vocabulary, 150) <= 1_000_000
