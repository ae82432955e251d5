"""A program in C++, built of the executorch wheel with g++ alone, as a consumer of the `.pte`."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import extras
import numpy as np
import pytest

import pocketbert
from pocketbert.targets import get_target

SOURCE = Path(pocketbert.__file__).parent / "measure" / "native" / "executorch_runner.cpp"
LIBRARIES = ("", "_threadpool", "_kernels_optimized", "_kernels_quantized", "_backend_xnnpack")


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    if shutil.which("g++") is None:
        extras.not_run("no g++ here (Debian: apt-get install g++)", extra="android")
    wheel = Path(find_spec("executorch").submodule_search_locations[0])
    include = wheel / "include"
    program = tmp_path_factory.mktemp("cpp") / "runner"
    portable = include / "executorch/runtime/core/portable_type/c10"
    subprocess.run(
        [
            *("g++", "-w", "-std=c++17", "-O1", SOURCE),
            *("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_USE_THREADPOOL"),
            *(f"-I{include}", f"-I{portable}", f"-L{wheel / 'lib'}", f"-Wl,-rpath,{wheel / 'lib'}"),
            # Kernels and backends register themselves when loaded: the linker sees no use of them.
            *("-Wl,--no-as-needed", *(f"-lexecutorch{name}" for name in LIBRARIES)),
            *("-o", program),
        ],
        check=True,
    )
    return program


@pytest.fixture
def artifact(lowered):
    return lowered("executorch")


def run(runner, file, lines):
    return subprocess.run(
        [runner, file, "1"], input=lines, capture_output=True, text=True, timeout=60, check=False
    )


def test_cpp_computes_what_python_computes(runner, artifact, toy_student):
    texts = ["turn on the lights", "play jazz", "", "will it rain today and is it cold" * 3]
    rows = [toy_student.vocabulary.encode([text]) for text in texts]
    lines = "".join(
        f"{row.input_ids.size} {' '.join(map(str, row.input_ids[0]))}\n" for row in rows
    )
    done = run(runner, artifact.path, lines)
    assert done.returncode == 0, done.stderr
    found = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    python = get_target("executorch").load(artifact)
    expected = np.concatenate([python.logits(r.input_ids, r.attention_mask) for r in rows])
    assert np.abs(found - expected).max() < 1e-4


@pytest.mark.parametrize("keep", [0, 100, 20_000])
def test_cpp_refuses_a_truncated_file_without_a_crash(runner, artifact, tmp_path, keep):
    file = tmp_path / "cut.pte"
    file.write_bytes(artifact.path.read_bytes()[:keep])
    done = run(runner, file, "2 2 3\n")
    assert done.returncode == 1
    assert "refused: error" in done.stderr
