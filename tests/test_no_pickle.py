"""Nothing that is written is a pickle, and nothing that is read is taken for one.

A pickle runs what it names when it is read. Between the processes of one launcher, Accelerate
sends plain values as pickles; those never reach a disk.
"""

import ast
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from learn.test_loop import killed_at

from pocketbert.learn.checkpoint import Checkpoints

PIPELINE = Path(__file__).parent.parent / "pipeline"
FORBIDDEN = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"),
    *("torch.load", "torch.save", "torch.jit.load", "numpy.load", "yaml.load"),
    *("save_state", "load_state", "read_pickle", "to_pickle"),  # Accelerate's are pickles
}


def is_pickle(file: Path) -> bool:
    """By its content: a stream of protocol 2 or later, an archive that holds one, an old stream."""
    with file.open("rb") as stream:
        head = stream.read(2)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return any(name.endswith((".pkl", ".npy")) for name in archive.namelist())
    if head[:1] == b"\x80" and head[1:] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    return file.suffix in {".pkl", ".pickle", ".pt", ".pth", ".npy", ".joblib"}


def written(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def called(source: str) -> set[str]:
    """What a module imports, and the dotted names that it uses."""
    names, known_as = set(), dict[str, str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            known_as |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            names |= {f"{known_as.get(first, first)}.{rest}", node.attr}
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            names.add("pickle")
    return names


def test_run_writes_no_pickle(toy_run):
    files = written(toy_run)
    assert len(files) > 20
    assert [file for file in files if is_pickle(file)] == []


def test_checkpoint_is_no_pickle(tmp_path):
    killed_at(10, Checkpoints(tmp_path, 3))
    files = written(tmp_path)
    assert {file.suffix for file in files} == {".safetensors", ".json"}
    assert [file for file in files if is_pickle(file)] == []


def test_planted_pickles_are_found(tmp_path):
    (tmp_path / "weights.bin").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.tflite")
    np.savez(tmp_path / "logits.npz", np.zeros(3))
    assert all(is_pickle(file) for file in written(tmp_path)) and len(written(tmp_path)) == 3


@pytest.mark.parametrize("file", sorted(PIPELINE.rglob("*.py")), ids=lambda f: f.name)
def test_source_reads_and_writes_no_pickle(file):
    assert called(file.read_text(encoding="utf-8")) & FORBIDDEN == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "import numpy as np\nnp.load('x')",
        "import torch as t\nt.load('x')",
        "from torch import load",
        "accelerator.load_state('x')",
        "read('x', allow_pickle=True)",
    ],
)
def test_planted_source_is_found(source):
    assert called(source) & FORBIDDEN


READ = """
import sys
from pocketbert.base.quiet import quiet
quiet()
from pathlib import Path
from pocketbert.bundle.open import open_bundle
from pocketbert.models.student import load_student
from pocketbert.models.teacher import load_teacher
import coremltools, litert_torch  # their own modules may read what they came with

seen = []
sys.addaudithook(lambda event, found: seen.append(found) if event == "pickle.find_class" else None)
build = Path(sys.argv[1])
bundle = open_bundle(build / "bundle")
for name in bundle.artifacts:
    bundle.load(name)
load_student(build / "student")
load_teacher(build / "teacher", 32)
print(f"unpickled: {seen}")
import pickle
pickle.loads(pickle.dumps(Path))
print(f"planted: {len(seen)}")
"""


def test_reading_a_build_unpickles_nothing(toy_run, tmp_path):
    build = shutil.copytree(toy_run, tmp_path / "build")
    done = subprocess.run([sys.executable, "-c", READ, str(build)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "unpickled: []" in done.stdout and "planted: 1" in done.stdout
