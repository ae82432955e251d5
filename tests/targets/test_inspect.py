"""A stored weight is known by its values, whatever its bits."""

import numpy as np
import pytest

from pocketbert.targets.inspect import PRODUCT, _cosine, match

GENERATOR = np.random.default_rng(0)
WEIGHTS = {
    name: GENERATOR.normal(size=(48, 64)).astype(np.float32) for name in ("query", "key", "value")
}


def identify(blob, weights):
    return match([blob], weights).get(0)


def quantized(weight, bits):
    top = 2 ** (bits - 1) - 1
    scale = np.abs(weight).max(1, keepdims=True) / top
    return np.round(weight / scale).astype(np.int8)


def packed(values, first_low):
    nibbles = values.astype(np.uint8) & 15
    first, second = nibbles[:, ::2], nibbles[:, 1::2]
    return (first | second << 4 if first_low else first << 4 | second).tobytes()


@pytest.mark.parametrize(
    ("storage", "store"),
    [
        ("float32", lambda w: w.tobytes()),
        ("float16", lambda w: w.astype(np.float16).tobytes()),
        ("int8", lambda w: quantized(w, 8).tobytes()),
        ("int4", lambda w: packed(quantized(w, 4), True)),
        ("int4", lambda w: packed(quantized(w, 4), False)),
        ("int4", lambda w: packed(quantized(w, 4) + 8, True)),
    ],
)
def test_weight_is_known_in_every_storage(storage, store):
    for name, weight in WEIGHTS.items():
        assert identify(store(weight), WEIGHTS) == (name, storage)


def test_other_bytes_of_the_same_size_are_no_weight():
    noise = GENERATOR.integers(-128, 127, (48, 64)).astype(np.int8)
    assert identify(noise.tobytes(), WEIGHTS) is None
    assert identify(quantized(-WEIGHTS["key"], 8).tobytes(), WEIGHTS) is None


def test_shuffled_rows_are_no_weight():
    assert identify(quantized(WEIGHTS["key"], 8)[::-1].tobytes(), WEIGHTS) is None


def test_weight_is_told_from_one_much_like_it():
    """Planted: a student deeper than its teacher cuts a layer twice: cosine .957."""
    first = WEIGHTS["query"]
    second = first + 0.3 * GENERATOR.normal(size=first.shape).astype(np.float32)
    alike = {"layers.0": first, "layers.1": second}
    assert _cosine(first, second) > 0.9
    for name, weight in alike.items():
        assert identify(quantized(weight, 8).tobytes(), alike) == (name, "int8")
        assert identify(packed(quantized(weight, 4), True), alike) == (name, "int4")


def test_weights_alike_to_the_last_bit_are_each_stored_once():
    """Planted: what int8 rounds off is more than these two differ by."""
    first = WEIGHTS["query"]
    second = first + 1e-5 * GENERATOR.normal(size=first.shape).astype(np.float32)
    alike = {"layers.0": first, "layers.1": second}
    blobs = [quantized(weight, 8).tobytes() for weight in (second, first)]
    assert {path for path, _ in match(blobs, alike).values()} == {*alike}


def test_weight_stored_twice_in_place_of_another_is_seen():
    """Planted: the other layer's blob is a copy, and both weights are much alike."""
    first = WEIGHTS["query"]
    second = first + 0.3 * GENERATOR.normal(size=first.shape).astype(np.float32)
    blob = quantized(first, 8).tobytes()
    found = match([blob, blob], {"layers.0": first, "layers.1": second})
    assert [path for path, _ in found.values()] == ["layers.0", "layers.0"]


@pytest.mark.parametrize(
    "name",
    [
        "aten::linear",
        "aten::addmm",
        "aten::mm.out",
        "aten::bmm",
        "aten::convolution",
        "torchao::linear_8bit",
        "FULLY_CONNECTED",
        "BATCH_MATMUL",
        "CONV_2D",
    ],
)
def test_matrix_product_is_known_by_every_name(name):
    assert PRODUCT.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "aten::slice_copy",
        "dim_order_ops::_to_dim_order_copy",
        "quantized_decomposed::embedding_byte",
        "prims::convert_element_type",
        "EMBEDDING_LOOKUP",
        "RESHAPE",
        "CAST",
    ],
)
def test_other_operator_is_no_matrix_product(name):
    assert not PRODUCT.search(name)


def test_rows_of_zeros_are_right_where_both_are_and_wrong_where_one_is():
    weight = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    weight[:12] = 0
    stored = np.round(weight * 40)
    assert _cosine(stored, weight) > 0.99
    stored[:12] = 1  # planted
    assert _cosine(stored, weight) < 0.5
