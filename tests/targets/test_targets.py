"""One parity helper for every target, and a test for each way a format silently ruins a model."""

import io
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path

import extras
import flatbuffers
import numpy as np
import pytest
from sharing import shared
from toy import perturb
from transformers import BertConfig, BertForSequenceClassification

from pocketbert.base.config import PRESETS, DistillConfig, Gates, StudentSpec
from pocketbert.base.errors import BundleError, InputError, PipelineError, TargetUnavailable
from pocketbert.base.files import tree_bytes
from pocketbert.base.formats import DEFAULT_TARGETS, TARGETS
from pocketbert.base.recipes import RECIPES
from pocketbert.learn.cut import cut_student, fold
from pocketbert.learn.distill import distill
from pocketbert.measure.gates import run_texts
from pocketbert.models import lean as graph
from pocketbert.models.lean import LeanBert
from pocketbert.models.student import load_student
from pocketbert.targets import get_target
from pocketbert.targets.executorch import program as pte
from pocketbert.targets.executorch.profile import is_int8_product, time_operators
from pocketbert.targets.inspect import examine

LIMIT_BYTES = 1_600_000
FULLY_CONNECTED = 9  # in schema.fbs of TensorFlow Lite


def artifact_of(bundle, name):
    extras.need_wheels_of(name)
    return bundle.artifacts[name].artifact


def runner_of(bundle, name):
    return get_target(name).load(artifact_of(bundle, name))


def agreement_with(student, runner, texts):
    logits = run_texts(runner, student.vocabulary, texts)
    return (logits.argmax(1) == student.logits(texts).argmax(1)).mean()


# --- all of them -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEFAULT_TARGETS)
def test_artefact_agrees_with_the_student_in_its_runtime(bundle, student, texts, name):
    sample = texts[::4] if name == "coreml" else texts
    assert agreement_with(student, runner_of(bundle, name), sample) >= 0.99


@pytest.mark.parametrize("name", DEFAULT_TARGETS)
def test_artefact_is_small(bundle, student, name):
    path = artifact_of(bundle, name).path
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) or path.stat().st_size
    vocabulary = sum(len(piece.encode()) + 1 for piece in student.vocabulary.pieces)
    assert size <= LIMIT_BYTES + (vocabulary if name == "tflite-task" else 0)


@pytest.mark.parametrize("name", DEFAULT_TARGETS)
def test_padding_changes_nothing(bundle, student, name):
    runner = runner_of(bundle, name)
    short, long = (student.vocabulary.encode(["wake me at 7"], n) for n in (None, 64))
    logits = [runner.logits(e.input_ids, e.attention_mask) for e in (short, long)]
    assert np.array_equal(*logits)


@pytest.mark.parametrize("name", DEFAULT_TARGETS)
def test_every_length_is_answered(bundle, student, name):
    runner = runner_of(bundle, name)
    lengths = (2, 3, 15, 16, 17, 32, 33, 63, 64)
    for length in lengths:
        texts = ["go " * (length - 2)]
        encoded = student.vocabulary.encode(texts)
        assert encoded.input_ids.shape == (1, length)
        logits = runner.logits(encoded.input_ids, encoded.attention_mask)
        assert np.abs(logits - student.logits(texts)).max() < 1.0


@pytest.mark.parametrize("name", DEFAULT_TARGETS)
def test_id_out_of_range_is_refused_before_the_runtime_sees_it(bundle, name):
    runner, size = runner_of(bundle, name), artifact_of(bundle, name).vocabulary
    for bad in (-1, size, 2**40):
        with pytest.raises(InputError, match=f"holds {bad}"):
            runner.logits(np.array([[2, bad, 3]]), np.ones((1, 3), np.int64))


def contents_of(name, student, folder, recipe):
    extras.need_wheels_of(name)
    return stored_in(get_target(name).lower(student, folder, recipe), student)


def stored_in(artifact, student):
    graph = LeanBert(student.model, student.vocabulary.max_length)
    read, size = get_target(artifact.target).read(artifact), tree_bytes(artifact.path)
    return examine(artifact.target, read, size, graph, artifact.recipe, Gates())


# What the default recipe stores, every run examines.
@pytest.mark.parametrize(
    ("name", "recipe", "keep_float"),
    [
        ("executorch", "int4-embedding", ("classifier", "layers.0.attention")),
        ("executorch", "float", ()),
        ("tflite", "int8-compat", ("embedding",)),
        ("tflite", "int4-embedding", ("classifier", "layers.0.attention")),
        ("tflite", "float", ()),
        ("tflite-task", "int8", ("classifier", "layers.0.attention")),
        ("coreml", "int8-compat", ("classifier", "layers.0.attention")),
        ("coreml", "float", ()),
        ("coreai", "int8-compat", ("classifier", "layers.0.attention")),
        ("coreai", "int4-embedding", ("layers.0.feed_forward",)),
        ("coreai", "float", ()),
        ("executorch-coreml", "int8", ("classifier", "layers.0.attention")),
        ("executorch-coreml", "float", ()),
    ],
)
def test_every_weight_is_found_in_the_file_as_its_recipe_asks(
    toy_student, lowered, tmp_path, name, recipe, keep_float
):
    extras.need_wheels_of(name)
    if keep_float:
        asked = replace(RECIPES[recipe], keep_float=keep_float)
        found = contents_of(name, toy_student, tmp_path, asked)
    else:
        found = stored_in(lowered(name, recipe), toy_student)
    assert found.failures == ()
    assert sum(found.bytes_by_part.values()) == found.size_bytes
    assert min(found.bytes_by_part.values()) >= 0


def test_activations_of_the_other_recipe_are_caught(bundle, student, toy_student, lowered):
    # Planted: the weights are the same in both; only what they are multiplied with differs.
    def failure_of(artifact, student, recipe):
        graph = LeanBert(student.model, student.vocabulary.max_length)
        read, size = get_target("tflite").read(artifact), tree_bytes(artifact.path)
        failures = examine("tflite", read, size, graph, RECIPES[recipe], Gates()).failures
        assert len(failures) == len(artifact.lengths)  # of every signature
        return failures[0]

    dynamic = failure_of(artifact_of(bundle, "tflite"), student, "int8-compat")
    assert "12 matrix products take int8 activations" in dynamic and "asks for 0" in dynamic
    weights_only = failure_of(lowered("tflite", "int8-compat"), toy_student, "int8")
    assert "0 matrix products take int8 activations" in weights_only
    assert "asks for 11" in weights_only


def test_the_three_formats_together_are_small(bundle):
    three = ("executorch", "tflite", "coreml")
    assert sum(tree_bytes(artifact_of(bundle, name).path) for name in three) < 5_000_000


def test_recipe_that_a_target_lacks_is_named_with_those_it_has(toy_student, tmp_path):
    with pytest.raises(TargetUnavailable, match="no recipe int4-embedding, but int8, int8-compat"):
        get_target("coreml").lower(toy_student, tmp_path, RECIPES["int4-embedding"])


@pytest.fixture(scope="module")
def factorised(tmp_path_factory, toy_teacher, toy_transfer_set):
    """A trained student with a factorised embedding."""

    def make(folder):
        spec = StudentSpec(layers=1, hidden=32, embedding=16, vocabulary=None, max_length=32)
        training = DistillConfig(epochs=12, least_steps=1, batch_size=16)
        distill(toy_teacher, toy_transfer_set, spec, training).save(folder)

    return load_student(shared(tmp_path_factory, "factorised", make))


@pytest.mark.parametrize("name", TARGETS)
def test_factorised_embedding_is_lowered_as_two_factors(factorised, toy_corpus, tmp_path, name):
    extras.need_wheels_of(name)
    artifact = get_target(name).lower(factorised, tmp_path, RECIPES["int8"])
    runner = get_target(name).load(artifact)
    assert agreement_with(factorised, runner, toy_corpus.test.texts) >= 0.97


@pytest.mark.parametrize("name", TARGETS)
def test_a_student_with_relu_is_lowered(toy_teacher, toy_corpus, tmp_path, name):
    extras.need_wheels_of(name)
    spec = StudentSpec(layers=2, hidden=32, vocabulary=None, max_length=32, hidden_act="relu")
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec)
    perturb(student.model)
    fold(student)
    runner = get_target(name).load(get_target(name).lower(student, tmp_path, RECIPES["int8"]))
    texts = toy_corpus.test.texts
    found, expected = run_texts(runner, student.vocabulary, texts), student.logits(texts)
    gelu = BertConfig.from_dict({**student.model.config.to_dict(), "hidden_act": "gelu"})
    other = BertForSequenceClassification(gelu).eval()
    other.load_state_dict(student.model.state_dict())
    error = np.abs(found - expected).mean()
    # Planted: the same weights with the other activation are further off.
    assert error < np.abs(found - replace(student, model=other).logits(texts)).mean() / 2


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: b"x" * 999,
}


def damage_file(file, damage):
    file.write_bytes(DAMAGES[damage](file.read_bytes()))


@pytest.mark.parametrize("name", ["executorch", "tflite", "tflite-task"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_file_is_an_error_not_a_crash(bundle, tmp_path, name, damage):
    artifact = artifact_of(bundle, name)
    file = tmp_path / artifact.path.name
    shutil.copy(artifact.path, file)
    damage_file(file, damage)
    with pytest.raises(BundleError, match="refuses the file"):
        get_target(name).load(replace(artifact, path=file))


@pytest.mark.slow
def test_lowering_again_in_another_process_gives_the_same_bytes(main_run, bundle, tmp_path):
    names = ("executorch", "tflite")
    script = (
        "import sys; from pathlib import Path; from pocketbert.base.quiet import quiet; quiet()\n"
        "from pocketbert.models.student import load_student\n"
        "from pocketbert.targets import get_target\n"
        "from pocketbert.base.recipes import RECIPES\n"
        "student, out = load_student(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "for name in sys.argv[3:]:\n"
        "    get_target(name).lower(student, out, RECIPES['int8'])\n"
    )
    student = str(main_run[0] / "student")
    subprocess.run([sys.executable, "-c", script, student, str(tmp_path), *names], check=True)
    for name in names:
        path = artifact_of(bundle, name).path
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


# --- ExecuTorch ------------------------------------------------------------------------------


def test_pte_without_a_delegate_is_caught(monkeypatch, toy_student, tmp_path):
    # Planted: nothing is partitioned. The file answers rightly, and many times slower. In float,
    # because without XNNPACK the runtime has no kernels for int8 activations.
    from executorch import exir

    lower = exir.to_edge_transform_and_lower
    monkeypatch.setattr(
        exir,
        "to_edge_transform_and_lower",
        lambda exported, partitioner, compile_config: lower(
            exported, compile_config=compile_config
        ),
    )
    found = contents_of("executorch", toy_student, tmp_path, RECIPES["float"])
    share, kind = (f for f in found.failures if "outside" in f)
    assert "100% of the operators run outside the fast kernels" in share
    assert "above the allowed 25%" in share
    assert "matrix products run outside the fast kernels" in kind


def test_pte_whose_linears_are_left_out_is_caught(monkeypatch, toy_student, tmp_path):
    # Planted: all is delegated but the linears, which are few where operators are counted.
    from executorch.backends.xnnpack.partition import xnnpack_partitioner
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS

    linears = ("linear.default", "addmm.default", "mm.default")
    without = [c for c in ALL_PARTITIONER_CONFIGS if c.target_name not in linears]
    monkeypatch.setattr(
        xnnpack_partitioner,
        "XnnpackPartitioner",
        partial(xnnpack_partitioner.XnnpackPartitioner, configs=without),
    )
    found = contents_of("executorch", toy_student, tmp_path, RECIPES["float"])
    (failure,) = (f for f in found.failures if "matrix products run outside" in f)
    assert "aten::addmm" in failure and "none may" in failure


def test_time_of_a_pte_is_told_apart_by_operator(bundle):
    times = time_operators(artifact_of(bundle, "executorch").path, 32)
    assert 0 < times.outside_us < 0.5 * times.total_us
    assert sum(times.kernels_us.values()) < times.outside_us
    assert sum(times.delegated_us.values()) < times.total_us
    most = max(times.delegated_us, key=times.delegated_us.get)
    assert is_int8_product(most)
    assert "embedding_byte.out" in times.kernels_us


# --- ExecuTorch with Core ML inside -----------------------------------------------------------


def test_embedded_package_computes_what_the_package_does(
    toy_student, lowered, toy_corpus, tmp_path
):
    logits = {}
    for name in ("coreml", "executorch-coreml"):
        artifact = lowered(name)
        runner = get_target(name).load(artifact)
        logits[name] = run_texts(runner, toy_student.vocabulary, toy_corpus.test.texts)
    # The one rounds its answer to fp16, the other does not.
    difference = np.abs(logits["coreml"] - logits["executorch-coreml"]).max()
    assert difference <= np.abs(logits["coreml"]).max() * 2**-11
    again = get_target("executorch-coreml").lower(toy_student, tmp_path, RECIPES["int8"])
    assert artifact.path.read_bytes() == again.path.read_bytes()
    (delegate,) = pte.read(artifact.path).delegates
    assert b"debug" not in delegate


def test_damaged_pte_with_core_ml_is_an_error(lowered, tmp_path):
    artifact = lowered("executorch-coreml")
    for damage in DAMAGES:
        file = Path(shutil.copy(artifact.path, tmp_path))
        damage_file(file, damage)
        with pytest.raises(BundleError, match="not a readable"):
            get_target("executorch-coreml").load(replace(artifact, path=file))


# --- TFLite ----------------------------------------------------------------------------------


def test_tflite_without_its_delegate_is_caught(monkeypatch, toy_student, lowered):
    # Planted: an interpreter that does not apply XNNPACK, as some builds of LiteRT do not.
    from ai_edge_litert import interpreter as litert

    monkeypatch.setattr(
        litert,
        "Interpreter",
        partial(
            litert.Interpreter,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        ),
    )
    found = stored_in(lowered("tflite"), toy_student)
    shares = [f for f in found.failures if "100% of the operators run outside the fast" in f]
    kinds = [f for f in found.failures if "matrix products run outside the fast" in f]
    assert len(shares) == len(kinds) == 3  # of signatures
    assert found.failures[0].startswith("tflite, length_8: ")


def flatbuffer_of(bundle, name):
    from ai_edge_litert import schema_py_generated as schema

    content = artifact_of(bundle, name).path.read_bytes()
    return schema, schema.ModelT.InitFromPackedBuf(content, 0)


@pytest.mark.parametrize("name", ["tflite", "tflite-task"])
def test_weights_are_int8_per_channel_and_inside_the_flatbuffer(bundle, student, name):
    schema, model = flatbuffer_of(bundle, name)
    assert all(buffer.offset == 0 for buffer in model.buffers)
    tensors = [t for g in model.subgraphs for t in g.tensors if len(t.shape) == 2]
    rows = len(student.vocabulary)
    stored = [t for t in tensors if model.buffers[t.buffer].data is not None]
    table, scales = {t.buffer: t for t in stored if t.shape[0] == rows}.values()
    assert (table.type, scales.type) == (schema.TensorType.INT8, schema.TensorType.FLOAT32)
    assert len(model.buffers[table.buffer].data) == rows * PRESETS["nano"][0].embedding
    assert len(model.buffers[scales.buffer].data) == rows * 4
    per_channel = [len(t.quantization.scale) == t.shape[0] for t in stored if t.type == table.type]
    assert per_channel.count(False) == len(model.subgraphs)  # of the table, which has its scales


def planted_in_the_last_signature(artifact, folder, fault):
    """A copy of `artifact` whose last signature is not as the others."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    fault(schema, model, model.subgraphs[-1])
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    path = folder / "planted.tflite"
    path.write_bytes(bytes(builder.Output()))
    return replace(artifact, path=path)


def with_float_weights(schema, model, graph):
    """Each linear of `graph` multiplies with zeros in float."""
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == FULLY_CONNECTED:
            tensor = copy(graph.tensors[operator.inputs[1]])
            buffer = schema.BufferT()
            buffer.data = np.zeros(4 * int(np.prod(tensor.shape)), np.uint8)
            tensor.buffer, tensor.type = len(model.buffers), schema.TensorType.FLOAT32
            tensor.quantization = None
            model.buffers = [*model.buffers, buffer]
            operator.inputs = [operator.inputs[0], len(graph.tensors), *operator.inputs[2:]]
            graph.tensors = [*graph.tensors, tensor]


def test_signature_that_is_not_as_the_others_is_caught(toy_student, lowered, tmp_path):
    # Planted in the last of three: gates that read the first one only would let it pass.
    artifact = lowered("tflite")
    graph = LeanBert(toy_student.model, toy_student.vocabulary.max_length)
    planted = planted_in_the_last_signature(artifact, tmp_path, with_float_weights)
    for made, expected in ((artifact, 0), (planted, 1)):
        size, read = tree_bytes(made.path), get_target("tflite").read(made)
        found = examine("tflite", read, size, graph, RECIPES["int8"], Gates())
        named = [f for f in found.failures if f.startswith("tflite, length_32: 0 matrix products")]
        assert len(named) == expected, found.failures


def test_dynamic_int8_carries_versions_that_old_runtimes_refuse(bundle):
    schema, model = flatbuffer_of(bundle, "tflite")
    versions = {code.builtinCode: code.version for code in model.operatorCodes}
    assert versions[schema.BuiltinOperator.FULLY_CONNECTED] == 12
    assert versions[schema.BuiltinOperator.EMBEDDING_LOOKUP] == 4


def test_metadata_writer_that_drops_buffers_is_caught(monkeypatch, student, toy_student):
    extras.need_tflite_support()
    # Planted: the quantizer's own layout, whose outside buffers tflite-support drops silently.
    from pocketbert.targets.tflite import convert as litert
    from pocketbert.targets.tflite import task as tflite_task

    lean = litert.lean(student)
    inputs = litert.sample_inputs(tflite_task.INPUTS, 64)
    model = litert.convert({"serving_default": (litert.WithSegments(lean), inputs)})
    quantized = litert.quantize(model, lean, RECIPES["int8"], dynamic=False)
    with pytest.raises(PipelineError, match="dropped buffers"):
        tflite_task._with_metadata(quantized, student)


@pytest.fixture(scope="module")
def task_library():
    extras.need_tflite_support()
    from pocketbert.targets.tflite.task import import_tflite_support

    import_tflite_support()
    from tflite_support.task import text

    return text.BertNLClassifier.create_from_file


def test_task_library_agrees_on_plain_text(bundle, student, texts, task_library):
    plain = tuple(text for text in texts if text.isascii())
    classifier = task_library(str(artifact_of(bundle, "tflite-task").path))
    theirs = []
    for text in plain:
        categories = classifier.classify(text).classifications[0].categories
        theirs.append(max(categories, key=lambda c: c.score).category_name)
    ours = [student.labels[i] for i in student.logits(plain).argmax(1)]
    same = sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(plain)
    assert len(plain) > 500
    assert same >= 0.98


def test_task_library_refuses_the_file_it_would_answer_wrongly(bundle, task_library):
    with pytest.raises((RuntimeError, ValueError)):
        task_library(str(artifact_of(bundle, "tflite").path))


def test_metadata_is_dated_the_same_in_every_file(bundle):
    with zipfile.ZipFile(
        io.BytesIO(artifact_of(bundle, "tflite-task").path.read_bytes())
    ) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert "vocab.txt" in archive.namelist()


# --- Core ML ---------------------------------------------------------------------------------


def operations_of(bundle):
    from coremltools.proto import Model_pb2

    file = artifact_of(bundle, "coreml").path / "Data/com.apple.CoreML/model.mlmodel"
    function = Model_pb2.Model.FromString(file.read_bytes()).mlProgram.functions["main"]
    return Counter(op.type for op in function.block_specializations[function.opset].operations)


def test_every_linear_and_the_embedding_are_int8_in_the_package(bundle):
    counts = operations_of(bundle)
    # 4 linears in the first layer, 5 in the last, whose query stands alone; pooler, classifier and
    # what widens the embedding. The position table is large, too.
    assert counts["linear"] == 12
    assert counts["constexpr_affine_dequantize"] >= counts["linear"] + 1


def test_package_can_be_read_by_an_apps_build(bundle):
    for file in artifact_of(bundle, "coreml").path.rglob("*"):
        assert file.stat().st_mode & 0o044 == 0o044


@pytest.mark.parametrize("part", ["weights/weight.bin", "model.mlmodel"])
def test_truncated_package_is_refused(bundle, tmp_path, part):
    artifact = artifact_of(bundle, "coreml")
    copy = tmp_path / artifact.path.name
    shutil.copytree(artifact.path, copy)
    file = copy / "Data/com.apple.CoreML" / part
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BundleError, match="not a readable Core ML package"):
        get_target("coreml").load(replace(artifact, path=copy))


def test_infinite_mask_makes_nan_in_fp16_and_is_seen(monkeypatch, toy_student, tmp_path):
    monkeypatch.setattr(graph, "MASKED", float("-inf"))
    artifact = get_target("coreml").lower(toy_student, tmp_path, RECIPES["int8"])
    encoded = toy_student.vocabulary.encode(["turn on the lights"])
    logits = get_target("coreml").load(artifact).logits(encoded.input_ids, encoded.attention_mask)
    assert np.isnan(logits).any()
