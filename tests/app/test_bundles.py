"""What a command could not do is a failure, unless that is asked for."""

import pytest

from pocketbert.app.cli import bundles
from pocketbert.base.errors import BundleError, GateFailed, NotRun, TargetUnavailable
from pocketbert.measure import audit
from pocketbert.measure.audit import Audit

GOOD = Audit("x", 3, NotRun("-"), NotRun("-"))
LACKING = TargetUnavailable("coreml runs on Apple's systems only.")


@pytest.mark.parametrize(
    ("outcomes", "allow_missing", "passes"),
    [
        ({"tflite": GOOD, "coreml": GOOD}, False, True),
        ({"tflite": GOOD, "coreml": LACKING}, False, False),
        ({"tflite": GOOD, "coreml": LACKING}, True, True),
        ({"coreml": LACKING}, True, False),
        ({"tflite": GOOD, "coreml": BundleError("planted.")}, True, False),
    ],
)
def test_verify_passes_only_what_was_verified(
    toy_run, monkeypatch, outcomes, allow_missing, passes
):
    monkeypatch.setattr(audit, "verify_bundle", lambda _: outcomes)

    def verify():
        bundles.verify(toy_run / "bundle", allow_missing=allow_missing)

    if passes:
        verify()
    else:
        with pytest.raises(GateFailed, match=r"not verified: (coreml|tflite)"):
            verify()
