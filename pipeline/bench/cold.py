"""A fresh process that loads one artefact: `python -m pipeline.bench.cold BUNDLE TARGET`.

Prints what that took, as JSON. The runtime's libraries are loaded before, as in an app. The bundle
was checked by whoever starts this.
"""

from pipeline.quiet import quiet

quiet()  # before any toolchain is imported

import gc  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import psutil  # noqa: E402
import torch  # noqa: E402

from pipeline.bundle import open_bundle  # noqa: E402
from pipeline.targets import get_target  # noqa: E402

ANSWERS = 20

if __name__ == "__main__":
    torch.set_num_threads(1)
    bundle = open_bundle(Path(sys.argv[1]))
    artifact, target = bundle.artifacts[sys.argv[2]].artifact, get_target(sys.argv[2])
    encoded = bundle.vocabulary.encode([case.text for case in bundle.golden[-ANSWERS:]])
    target.prepare()
    gc.collect()
    process = psutil.Process()
    before, begun = process.memory_info().rss, time.perf_counter()
    runner = target.load(artifact)
    runner.logits(encoded.input_ids[:1], encoded.attention_mask[:1])
    load_ms = (time.perf_counter() - begun) * 1e3
    runner.logits(encoded.input_ids, encoded.attention_mask)
    # What stays resident; the interpreter's own peak, while it imported, would hide it.
    after = process.memory_info().rss
    json.dump({"load_ms": load_ms, "before_bytes": before, "after_bytes": after}, sys.stdout)
