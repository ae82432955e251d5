"""The evaluator of saved Core ML packages, against torch."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pocketbert.base.errors import BundleError
from pocketbert.targets import get_target
from pocketbert.targets.coreml.evaluator import OPERATIONS


def arrays(*shapes):
    generator = np.random.default_rng(0)
    return [generator.normal(size=shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize(("recipe", "share"), [("float", 0.005), ("int8", 0.05)])
def test_package_on_disk_computes_the_student(toy_student, lowered, recipe, share):
    runner = get_target("coreml").load(lowered("coreml", recipe))
    texts = ["turn on the lights", "play jazz", "", "is it cold today and will it rain"]
    encoded = toy_student.vocabulary.encode(texts)
    logits = runner.logits(encoded.input_ids, encoded.attention_mask)
    expected = toy_student.logits(texts)
    assert np.abs(logits - expected).max() < share * np.abs(expected).max()


def value_inference(path, inputs):
    """The package by coremltools' own reader, and each operation's own `value_inference`."""
    import coremltools
    from coremltools.converters.mil.frontend.milproto.load import load

    model = coremltools.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load(spec, spec.specificationVersion, file_weights_dir=model.weights_dir)
    function = program.functions["main"]
    for name, value in inputs.items():
        function.inputs[name]._sym_val = SimpleNamespace(val=value)
    for op in function.operations:
        if op.op_type != "const":
            (output,) = op.outputs
            stored = op.op_type.startswith("constexpr_")
            value = op.materialized_val_inference() if stored else op.value_inference()
            output._sym_val = SimpleNamespace(val=value)
    return function.outputs[0].val


@pytest.mark.parametrize("recipe", ["float", "int8"])
def test_second_reader_of_the_package_computes_the_same(toy_student, lowered, recipe):
    artifact = lowered("coreml", recipe)
    runner = get_target("coreml").load(artifact)
    for text in ("turn on the lights", "", "is it cold today and will it rain"):
        encoded = toy_student.vocabulary.encode([text], toy_student.vocabulary.max_length)
        ids, mask = encoded.input_ids.astype(np.int32), encoded.attention_mask.astype(np.int32)
        theirs = value_inference(artifact.path, {"input_ids": ids, "attention_mask": mask})
        ours = runner.logits(ids, mask)
        # Both round to fp16; they do so at other places.
        assert np.abs(ours - theirs).max() < 0.01 * np.abs(ours).max()


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
    plain = {key: value for key, value in given.items() if key != "beta"}
    assert np.allclose(OPERATIONS["layer_norm"](plain) + beta, expected.numpy(), atol=1e-5)


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


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("add", {"x": [1.0, 2.0], "y": [3.0]}, [4.0, 5.0]),
        ("sub", {"x": [1.0, 2.0], "y": [3.0]}, [-2.0, -1.0]),
        ("mul", {"x": [1.0, 2.0], "y": [3.0]}, [3.0, 6.0]),
        ("identity", {"x": [1.0, 2.0]}, [1.0, 2.0]),
        ("reshape", {"x": [1.0, 2.0], "shape": [2, 1]}, [[1.0], [2.0]]),
        ("transpose", {"x": [[1.0, 2.0]], "perm": [1, 0]}, [[1.0], [2.0]]),
        ("expand_dims", {"x": [1.0, 2.0], "axes": [0]}, [[1.0, 2.0]]),
        ("greater_equal", {"x": [1.0, 2.0], "y": [2.0]}, [False, True]),
        ("select", {"cond": [True, False], "a": [1.0, 2.0], "b": [3.0, 4.0]}, [1.0, 4.0]),
        ("gather", {"x": [[1.0], [2.0]], "indices": [1, -2], "axis": 0}, [[2.0], [1.0]]),
    ],
)
def test_operation(name, given, expected):
    found = OPERATIONS[name]({key: np.array(value) for key, value in given.items()})
    assert found.shape == np.shape(expected)
    assert np.array_equal(found, expected)


def test_relu():
    x = np.array([-2.0, -0.0, 0.5], np.float32)
    assert OPERATIONS["relu"]({"x": x}).tolist() == [0.0, 0.0, 0.5]


def test_tanh():
    (x,) = arrays((4, 8))
    assert np.allclose(OPERATIONS["tanh"]({"x": x}), torch.from_numpy(x).tanh().numpy())


@pytest.mark.parametrize(("dtype", "value"), [("fp16", 1.0), ("int32", 1), ("bool", True)])
def test_cast(dtype, value):
    found = OPERATIONS["cast"]({"x": np.array([1.0004], np.float32), "dtype": dtype})
    assert found.item() == value


@pytest.mark.parametrize("name", ["linear", "layer_norm", "gelu", "softmax", "tanh", "matmul"])
def test_operation_in_fp16_is_right_to_its_last_bit_but_one(name):
    x, y, gamma = arrays((8, 8), (8, 8), 8)
    given = {"x": x, "y": y, "weight": y, "gamma": gamma, "beta": gamma}
    given |= {"axes": [-1], "axis": -1, "epsilon": 1e-5, "mode": "EXACT"}
    half = {k: v.astype(np.float16) if isinstance(v, np.ndarray) else v for k, v in given.items()}
    wide = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in half.items()}
    found = OPERATIONS[name](half).astype(np.float16).astype(np.float32)
    exact = OPERATIONS[name](wide)
    assert np.all(np.abs(found - exact) <= np.spacing(np.abs(exact).astype(np.float16)))


def test_every_operation_of_the_evaluator_is_tested():
    source = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in OPERATIONS if f'"{name}"' not in source]
