"""Core AI: the file in Apple's own runtime, what it stores, and each way it may be damaged."""

import asyncio
import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace

import extras
import numpy as np
import pytest
import toy
from command import pocketbert

from pocketbert.app.result import read_result
from pocketbert.base.config import Gates
from pocketbert.base.errors import BundleError, TargetUnavailable
from pocketbert.base.files import tree_bytes
from pocketbert.base.recipes import RECIPES
from pocketbert.bundle.open import open_bundle
from pocketbert.measure.gates import run_texts
from pocketbert.models.lean import LeanBert
from pocketbert.targets import get_target
from pocketbert.targets.inspect import examine

INT8 = RECIPES["int8"]
TEXTS = tuple(text for words in toy.WORDS.values() for text in toy.utterances(words, 20, 5))

# A machine that only runs what another one made.
LOAD = (
    "import sys; from pathlib import Path\n"
    "from pocketbert.base.recipes import RECIPES\n"
    "from pocketbert.targets import get_target\n"
    "from pocketbert.targets.base import Artifact\n"
    "artifact = Artifact('coreai', Path(sys.argv[1]), ('input_ids', 'attention_mask'), 'int32',"
    " (8, 16, 32), False, 131, RECIPES['int8'], '', '')\n"
)


@pytest.fixture(scope="module")
def core_ai():
    """The target, where Apple's wheels are."""
    extras.need_wheels_of("coreai")
    return get_target("coreai")


@pytest.fixture
def artifact(core_ai, lowered):
    return lowered("coreai")


@pytest.fixture
def copied(artifact, tmp_path):
    """A copy that may be damaged."""
    return replace(artifact, path=shutil.copytree(artifact.path, tmp_path / artifact.path.name))


def stored_in(artifact, student):
    graph = LeanBert(student.model, student.vocabulary.max_length)
    contents = get_target("coreai").read(artifact)
    size = tree_bytes(artifact.path)
    return examine("coreai", contents, size, graph, artifact.recipe, Gates())


def in_a_process(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


# --- right -----------------------------------------------------------------------------------


def test_apples_runtime_computes_the_student(core_ai, artifact, toy_student):
    runner = core_ai.load(artifact)
    logits, expected = run_texts(runner, toy_student.vocabulary, TEXTS), toy_student.logits(TEXTS)
    assert runner.engine == "Core AI 1.0.0b3, Apple's runtime"
    assert np.abs(logits - expected).max() < 0.03 * np.abs(expected).max()
    assert (logits.argmax(1) == expected.argmax(1)).mean() >= 0.98


def test_every_function_gives_the_same_answer(core_ai, artifact, toy_student):
    runner = core_ai.load(artifact)
    assert artifact.lengths == (8, 16, 32)
    found = []
    for length in artifact.lengths:
        encoded = toy_student.vocabulary.encode(["turn on the lights"], length)
        rows = (encoded.input_ids.astype(np.int32), encoded.attention_mask.astype(np.int32))
        found.append(runner.execute(*rows))
    assert max(np.abs(logits - found[0]).max() for logits in found) < 1e-4


def test_core_ml_evaluator_agrees_with_apples_runtime(core_ai, lowered, toy_student):
    # The one route to Core ML's file that this project wrote itself, held against Apple's code.
    # In float they differ by fp16, in int8 also by how each toolchain rounds a weight.
    for recipe, share in (("float", 0.003), ("int8", 0.05)):
        apple, evaluator = (
            run_texts(get_target(name).load(lowered(name, recipe)), toy_student.vocabulary, TEXTS)
            for name in ("coreai", "coreml")
        )
        difference = np.abs(apple - evaluator).max()
        print(f"{recipe}: largest difference of a logit {difference:.2g}")
        assert difference < share * np.abs(apple).max()


def test_notebook_whose_event_loop_runs_is_answered(core_ai, artifact, toy_student):
    runner = core_ai.load(artifact)

    async def cell():
        return run_texts(runner, toy_student.vocabulary, TEXTS[:2])

    assert asyncio.run(cell()).shape == (2, 3)


def test_nothing_is_printed(core_ai, toy_student, tmp_path, capfd):
    core_ai.load(core_ai.lower(toy_student, tmp_path, INT8))
    assert capfd.readouterr() == ("", "")


def test_file_runs_without_torch_and_converter(artifact):
    script = (
        f"{LOAD}import numpy as np; row = np.array([[2, 5, 3]])\n"
        "print(get_target('coreai').load(artifact).logits(row, row * 0 + 1).shape)\n"
        "print({'torch', 'coreai_torch', 'coreai_opt', 'transformers'} & sys.modules.keys())\n"
    )
    done = in_a_process(script, artifact.path)
    assert done.stdout.splitlines() == ["(1, 3)", "set()"], done.stderr


def test_lowering_again_in_another_process_gives_the_same_bytes(artifact, toy_student, tmp_path):
    toy_student.save(tmp_path / "student")
    script = (
        "import sys; from pathlib import Path; from pocketbert.base.quiet import quiet; quiet()\n"
        "from pocketbert.base.recipes import RECIPES\n"
        "from pocketbert.models.student import load_student\n"
        "from pocketbert.targets import get_target\n"
        "student, out = load_student(Path(sys.argv[1])), Path(sys.argv[2])\n"
        "get_target('coreai').lower(student, out, RECIPES['int8'])\n"
    )
    done = in_a_process(script, tmp_path / "student", tmp_path)
    assert done.returncode == 0, done.stderr
    names = sorted(file.name for file in artifact.path.iterdir())
    assert names == ["main.hash", "main.mlirb", "metadata.json"]
    for name in names:
        again = tmp_path / artifact.path.name / name
        assert again.read_bytes() == (artifact.path / name).read_bytes(), name


def test_file_tells_nothing_of_where_and_when_it_was_made(artifact):
    program = (artifact.path / "main.mlirb").read_bytes()
    assert b".py" not in program and b"/" + artifact.path.parts[1].encode() + b"/" not in program
    assert "Date" not in (artifact.path / "metadata.json").read_text()


def test_run_seals_a_bundle_that_apples_runtime_answers(core_ai, toy_config, toy_run, tmp_path):
    out = shutil.copytree(toy_run, tmp_path / "build")  # whose student is reused
    done = pocketbert("run", "--config", str(toy_config), "--targets", "coreai", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "Core AI 1.0.0b3, Apple's runtime" in done.stdout
    assert "its time here says nothing" in read_result(out).latency["coreai"].reason
    opened = open_bundle(out / "bundle")
    entry = opened.manifest.artifacts["coreai"]
    assert (entry.path, entry.dtype, entry.lengths) == ("coreai.aimodel", "int32", (8, 16, 32))
    assert "coreai.aimodel/main.mlirb" in opened.manifest.files
    assert opened.load("coreai").engine == entry.verified_by


# --- planted faults --------------------------------------------------------------------------


def test_scrambled_weights_load_answer_wrongly_and_are_refused(core_ai, copied, toy_student):
    from coreai.authoring import AIModelAsset

    from pocketbert.targets.coreai import program

    assert stored_in(copied, toy_student).failures == ()
    text = program.to_text(AIModelAsset.load(copied.path).program)
    table = max(program.WEIGHT.findall(text), key=len)  # the embedding
    backwards = bytes.fromhex(table)[::-1].hex().upper()
    program.save(program.parse(text.replace(table, backwards)), copied.path)
    logits = run_texts(core_ai.load(copied), toy_student.vocabulary, TEXTS)
    assert np.abs(logits - toy_student.logits(TEXTS)).max() > 0.5
    (failure,) = stored_in(copied, toy_student).failures
    assert "embedding.weight is stored as nothing known" in failure
    assert "asks for one int8" in failure


def test_weights_of_another_recipe_are_refused(copied, toy_student):
    asked = replace(copied, recipe=replace(INT8, keep_float=("classifier",)))
    (failure,) = stored_in(asked, toy_student).failures
    assert "classifier.weight is stored as int8" in failure and "asks for one float" in failure


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "truncated": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "garbage": lambda content: b"x" * 999,
    "flipped": flipped,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["main.mlirb", "main.hash"])
def test_damaged_file_is_an_error_not_a_crash(copied, name, damage):
    file = copied.path / name
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    done = in_a_process(f"{LOAD}get_target('coreai').load(artifact)", copied.path)
    assert done.returncode == 1
    assert "BundleError" in done.stderr and "is not what main.hash says" in done.stderr
    for method in ("load", "read"):
        with pytest.raises(BundleError, match="not a readable Core AI model"):
            getattr(get_target("coreai"), method)(copied)


def test_digest_is_what_keeps_a_damaged_program_from_ending_the_process(copied):
    # With a digest to match, the damage reaches Apple's reader.
    program = copied.path / "main.mlirb"
    program.write_bytes(DAMAGES["truncated"](program.read_bytes()))
    (copied.path / "main.hash").write_bytes(hashlib.sha256(program.read_bytes()).digest())
    done = in_a_process(f"{LOAD}get_target('coreai').load(artifact)", copied.path)
    assert done.returncode < 0 or "Core AI refuses the file" in done.stderr


@pytest.mark.parametrize("name", ["main.mlirb", "main.hash"])
def test_missing_file_is_named(copied, name):
    (copied.path / name).unlink()
    with pytest.raises(BundleError, match=rf"not a readable Core AI model \(.*{name}"):
        get_target("coreai").load(copied)


def test_damaged_metadata_is_refused(copied):
    (copied.path / "metadata.json").write_text("{")
    with pytest.raises(BundleError, match="Core AI refuses the file"):
        get_target("coreai").load(copied)


def test_function_that_the_file_lacks_is_refused(copied):
    with pytest.raises(BundleError, match="No function named 'length_64'"):
        get_target("coreai").load(replace(copied, lengths=(8, 64)))


def test_recipe_that_it_lacks_is_named_with_those_it_has(toy_student, tmp_path):
    with pytest.raises(TargetUnavailable, match="no recipe int2, but int8, int8-compat"):
        get_target("coreai").lower(toy_student, tmp_path, replace(INT8, name="int2"))


@pytest.mark.parametrize(
    ("missing", "said"),
    [("coreai.runtime", "glibc 2.34"), ("coreai_torch", "the toolchain cannot be imported here")],
)
def test_missing_wheel_is_named_with_what_it_needs(
    monkeypatch, toy_student, tmp_path, missing, said, request
):
    if missing == "coreai_torch":  # a machine with the runtime alone
        request.getfixturevalue("core_ai")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(TargetUnavailable, match=said):
        get_target("coreai").lower(toy_student, tmp_path, INT8)
