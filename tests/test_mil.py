"""The evaluator of saved Core ML packages, against torch."""

import numpy as np
import pytest
import torch

from pipeline.errors import BundleError
from pipeline.recipes import RECIPES
from pipeline.targets import get_target
from pipeline.targets.mil import OPERATIONS


def arrays(*shapes):
    generator = np.random.default_rng(0)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(("recipe", "share"), [("float", 0.005), ("int8", 0.05)])
def test_package_on_disk_computes_the_student(toy_student, tmp_path, recipe, share):
    target = get_target("coreml")
    runner = target.load(target.lower(toy_student, tmp_path, RECIPES[recipe]))
    texts = ["turn on the lights", "play jazz", "", "is it cold today and will it rain"]
    encoded = toy_student.vocabulary.encode(texts)
    logits = runner.logits(encoded.input_ids, encoded.attention_mask)
    expected = toy_student.logits(texts)
    assert np.abs(logits - expected).max() < share * np.abs(expected).max()


def test_linear():
    x, weight, bias = arrays((4, 8), (6, 8), 6)
    expected = torch.nn.functional.linear(*map(torch.from_numpy, (x, weight, bias))).numpy()
    found = OPERATIONS["linear"]({"x": x, "weight": weight, "bias": bias})
    assert np.allclose(found, expected, atol=1e-5)


def test_layer_norm():
    x, gamma, beta = arrays((4, 8), 8, 8)
    given = {"x": x, "gamma": gamma, "beta": beta, "axes": np.array([-1]), "epsilon": 1e-5}
    expected = torch.nn.functional.layer_norm(
        torch.from_numpy(x), (8,), torch.from_numpy(gamma), torch.from_numpy(beta), 1e-5
    )
    assert np.allclose(OPERATIONS["layer_norm"](given), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("mode", ["EXACT", "TANH_APPROXIMATION"])
def test_gelu(mode):
    (x,) = arrays((4, 8))
    approximate = "none" if mode == "EXACT" else "tanh"
    expected = torch.nn.functional.gelu(torch.from_numpy(x), approximate=approximate).numpy()
    assert np.allclose(OPERATIONS["gelu"]({"x": x, "mode": mode}), expected)


def test_gelu_of_another_mode_is_refused():
    with pytest.raises(BundleError, match="gelu mode SIGMOID"):
        OPERATIONS["gelu"]({"x": np.zeros(1, np.float32), "mode": "SIGMOID_APPROXIMATION"})


@pytest.mark.parametrize("transpose", [False, True])
def test_matmul(transpose):
    x, y = arrays((2, 3, 4), (2, 5, 4) if transpose else (2, 4, 5))
    expected = x @ (y.swapaxes(1, 2) if transpose else y)
    given = {"x": x, "y": y, "transpose_x": False, "transpose_y": transpose}
    assert np.allclose(OPERATIONS["matmul"](given), expected)


def test_softmax():
    (x,) = arrays((2, 3, 4))
    expected = torch.from_numpy(x).softmax(-1).numpy()
    assert np.allclose(OPERATIONS["softmax"]({"x": x, "axis": -1}), expected, atol=1e-6)


def test_slice_by_index():
    (x,) = arrays((4, 5))
    given = {"x": x, "begin": [0, 1], "end": [1, 3], "begin_mask": [True, False]}
    assert np.array_equal(OPERATIONS["slice_by_index"](given), x[:1, 1:3])
    squeezed = given | {"squeeze_mask": [True, False]}
    assert np.array_equal(OPERATIONS["slice_by_index"](squeezed), x[0, 1:3])


def test_gather_outside_the_table_is_refused():
    table = np.zeros((3, 2), np.float32)
    with pytest.raises(BundleError, match="gather index 3 is outside a table of 3"):
        OPERATIONS["gather"]({"x": table, "indices": np.array([3]), "axis": 0})


def test_sums_of_fp16_are_accumulated_wide():
    ones = np.ones((1, 4096), np.float16)
    assert OPERATIONS["linear"]({"x": ones, "weight": ones}).item() == 4096
