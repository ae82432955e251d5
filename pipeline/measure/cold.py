"""A fresh process that loads one artefact: `python -m pocketbert.measure.cold BUNDLE TARGET`.

Prints what that took, as JSON. The runtime's libraries are loaded before, as in an app. The bundle
was checked by whoever starts this.
"""

from ..base.quiet import quiet

quiet()  # before any toolchain is imported

import gc  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import psutil  # noqa: E402

from ..bundle.open import open_bundle  # noqa: E402
from ..targets import get_target  # noqa: E402

ANSWERS = 20


def _reset_peak() -> bool:
    """Have Linux count anew: the interpreter's own peak, while it imported, would hide ours."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:  # another system, or one that forbids it
        return False
    return True


def _peak() -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    bundle = open_bundle(Path(sys.argv[1]))
    artifact, target = bundle.artifacts[sys.argv[2]].artifact, get_target(sys.argv[2])
    encoded = bundle.vocabulary.encode([case.text for case in bundle.golden[-ANSWERS:]])
    target.prepare()
    gc.collect()
    process = psutil.Process()
    counted = _reset_peak()
    before, begun = process.memory_info().rss, time.perf_counter()
    runner = target.load(artifact)
    runner.logits(encoded.input_ids[:1], encoded.attention_mask[:1])
    load_ms = (time.perf_counter() - begun) * 1e3
    runner.logits(encoded.input_ids, encoded.attention_mask)
    told = {"load_ms": load_ms, "before_bytes": before, "after_bytes": process.memory_info().rss}
    json.dump({**told, "peak_bytes": _peak() if counted else None}, sys.stdout)
