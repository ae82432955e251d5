"""Tidying makes a `.tflite` smaller, and changes no bit of what it answers."""

import shutil
from functools import partial

import flatbuffers
import numpy as np
import pytest
import toy
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from pocketbert.base.config import Gates
from pocketbert.base.errors import BundleError
from pocketbert.base.recipes import RECIPES
from pocketbert.bundle.golden import TORTURE
from pocketbert.bundle.open import open_bundle
from pocketbert.measure.gates import probe_failures, run_texts
from pocketbert.models.student import load_student
from pocketbert.targets import get_target
from pocketbert.targets.tflite import convert
from pocketbert.targets.tflite.flatbuffer import IDENTIFIER, tidy

LENGTHS = (8, 32)


@pytest.fixture(scope="module")
def quantize(toy_student):
    """The toy student as the quantizer leaves it."""
    graph = convert.lean(toy_student)
    inputs = ("input_ids", "attention_mask")
    model = convert.convert(
        {f"of_{n}": (convert.Signature(graph), convert.sample_inputs(inputs, n)) for n in LENGTHS}
    )
    return partial(convert.quantize, model, graph)


def answers(model, vocabulary, delegates):
    """Logits of every signature of `model` for random ids, some masked out."""
    resolver = (
        OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    chance = np.random.default_rng(0)
    rows = []
    for length in LENGTHS:
        runner = interpreter.get_signature_runner(f"of_{length}")
        for _ in range(20):
            ids = chance.integers(0, len(vocabulary), (1, length), dtype=np.int32)
            mask = (np.arange(length) < chance.integers(2, length)).astype(np.int32)[None]
            rows.append(runner(input_ids=ids, attention_mask=mask)["logits"][0])
    return np.stack(rows)


@pytest.mark.parametrize("delegates", [True, False])
@pytest.mark.parametrize(
    ("recipe", "dynamic"), [("int8", True), ("int8", False), ("int4-embedding", True)]
)
def test_tidying_changes_no_bit_of_a_logit(quantize, toy_vocabulary, recipe, dynamic, delegates):
    before = quantize(RECIPES[recipe], dynamic=dynamic)
    after = tidy(before, refuse_old_runtimes=dynamic)
    expected, found = (answers(model, toy_vocabulary, delegates) for model in (before, after))
    assert len(np.unique(expected, axis=0)) == len(expected)
    assert expected.tobytes() == found.tobytes()


def looked_up(model):
    """The tensors that every signature looks up: int8 rows, and the scales of these rows."""
    for graph in model.subgraphs:
        kinds = [model.operatorCodes[o.opcodeIndex].builtinCode for o in graph.operators]
        table, scales = (
            graph.tensors[operator.inputs[1]]
            for kind, operator in zip(kinds, graph.operators, strict=True)
            if kind == schema.BuiltinOperator.EMBEDDING_LOOKUP
        )
        yield table, scales


def test_scales_are_stored_once_and_without_zero_points(quantize, toy_student):
    content = tidy(quantize(RECIPES["int8"], dynamic=True), refuse_old_runtimes=True)
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    pairs = list(looked_up(model))
    assert len(pairs) == len(LENGTHS)
    for table, _ in pairs:
        assert (*table.quantization.scale, *table.quantization.zeroPoint) == (1, 0)
    ((rows, factors),) = {(table.buffer, scales.buffer) for table, scales in pairs}
    weight = convert.lean(toy_student).embedding.weight.numpy()
    stored = model.buffers[rows].data.view(np.int8).reshape(weight.shape)
    scales = model.buffers[factors].data.view(np.float32)[:, None]
    assert scales.shape == (len(weight), 1)
    assert (np.abs(stored * scales - weight) <= 0.501 * scales).all()


def with_scales_of_other_rows(file):
    model = schema.ModelT.InitFromPackedBuf(file.read_bytes(), 0)
    buffer = model.buffers[next(looked_up(model))[1].buffer]
    buffer.data = buffer.data.view(np.float32)[::-1].copy().view(np.uint8)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), IDENTIFIER)
    file.write_bytes(bytes(builder.Output()))


def test_scales_of_other_rows_are_refused(toy_run, tmp_path):
    """Planted: every row points where it should, and has another's length."""
    copy = shutil.copytree(toy_run / "bundle", tmp_path / "bundle")
    student = load_student(toy_run / "student")
    expected = student.logits(TORTURE)

    def failures(bundle):
        runner = get_target("tflite").load(bundle.artifacts["tflite"].artifact)
        found = run_texts(runner, student.vocabulary, TORTURE)
        return probe_failures("tflite", found, expected, Gates().max_probe_error)

    bundle = open_bundle(copy)
    bundle.load("tflite")
    assert failures(bundle) == []
    with_scales_of_other_rows(copy / "tflite.tflite")
    toy.reseal(copy, "tflite.tflite")
    planted = open_bundle(copy)
    (failure,) = failures(planted)
    assert "odd or long texts get other logits than from the float model" in failure
    with pytest.raises(BundleError, match=r"tflite gives golden text .* logits that differ"):
        planted.load("tflite")
