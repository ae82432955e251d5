"""A bundle is read, verified and answered alike by other processors than this one.

QEMU's models stand in for them. It knows no AVX-512, so kernels for VNNI run only where the
computer of the test has it.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import extras
import numpy as np
import pytest
import toy

from pocketbert.bundle.layout import GOLDEN
from pocketbert.bundle.open import open_bundle

SCRIPT = Path(__file__).parent / "on_processor.py"
MODELS = ("Haswell", "Nehalem")  # AVX2 with FMA; SSE4.2 alone


@pytest.fixture(scope="module")
def bundle(main_run):
    if sys.platform != "linux" or shutil.which("qemu-x86_64") is None:
        extras.not_run("no qemu-x86_64 here; scripts/arm64 installs it", extra="arm64")
    return main_run[0] / "bundle"


def ask(bundle, runtime, *emulator):
    """What `runtime` makes of `bundle` in a process of its own, emulated or native."""
    done = subprocess.run(
        [*emulator, sys.executable, SCRIPT, bundle, runtime],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    # torch's imports take the emulator most of a minute.
    "runtime",
    ["tflite", pytest.param("executorch", marks=pytest.mark.slow)],
)
def test_other_processor_reads_verifies_and_answers_alike(bundle, runtime, model, capsys):
    here = ask(bundle, runtime)
    there = ask(bundle, runtime, "qemu-x86_64", "-cpu", model)
    sealed = open_bundle(bundle).artifacts[runtime]
    with capsys.disabled():
        print(f"\n{runtime}: {here['kernels']} here, {there['kernels']} on {model}")
    assert (there["graphs"], there["blobs"]) == (here["graphs"], here["blobs"])
    assert there["fault"] == here["fault"] == ""
    theirs, ours = np.array(there["logits"]), np.array(here["logits"])
    assert np.abs(theirs - ours).max() <= sealed.tolerance


def test_planted_wrong_answer_is_refused_everywhere(bundle, tmp_path):
    planted = tmp_path / "bundle"
    shutil.copytree(bundle, planted)
    golden = json.loads((planted / GOLDEN).read_text(encoding="utf-8"))
    golden["cases"][0]["logits"]["tflite"][0] += 1
    (planted / GOLDEN).write_text(json.dumps(golden), encoding="utf-8")
    toy.reseal(planted, GOLDEN)
    for emulator in ((), ("qemu-x86_64", "-cpu", MODELS[-1])):
        assert (
            "tflite gives golden text 0 logits that differ"
            in ask(planted, "tflite", *emulator)["fault"]
        )
