"""Programs that hang, fail, or say nothing; and who relies on that."""

import pytest

from pocketbert.base.errors import BundleError, DeviceError
from pocketbert.bundle.open import open_bundle
from pocketbert.measure import arm64
from pocketbert.measure.programs import output_of


def test_program_reads_what_it_is_given_and_its_output_comes_back(tmp_path):
    assert output_of(["sh", "-c", "cat; pwd"], "x", 60, stdin="a\n", folder=tmp_path) == (
        f"a\n{tmp_path}\n"
    )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo first >&2; echo 'last words.' >&2; exit 3", r"x: last words\."),
        ("echo only here; exit 3", r"x: only here\."),
        ("exit 3", r"x: exit 3\."),
    ],
)
def test_program_that_fails_is_quoted(script, said):
    with pytest.raises(BundleError, match=said):
        output_of(["sh", "-c", script], "x", 60)


def test_program_that_hangs_is_given_up_with_a_remedy_and_the_callers_kind_of_error():
    with pytest.raises(DeviceError, match=r"x: no answer within 0.05 s\. Wake it\."):
        output_of(["sleep", "60"], "x", 0.05, remedy="Wake it.", error=DeviceError)


def test_emulation_that_hangs_is_given_up(toy_run, monkeypatch, tmp_path):
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\nexec sleep 60\n", encoding="utf-8")
    qemu.chmod(0o755)
    monkeypatch.setattr(arm64, "QEMU", str(qemu))
    monkeypatch.setattr(arm64, "HANGS", 0.1)
    why = r"tflite on an emulated cortex-a53: no answer within 0.1 s\. Try again when"
    with pytest.raises(BundleError, match=why):
        arm64._run(open_bundle(toy_run / "bundle"), "tflite", "cortex-a53", [[1, 2]], 1)
