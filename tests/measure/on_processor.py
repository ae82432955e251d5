"""One artefact of a bundle read, checked and asked on the processor that this process has.

Prints one JSON object; test_processors.py compares those of several processors.
"""

import hashlib
import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from pocketbert.base.errors import BundleError
from pocketbert.base.quiet import quiet
from pocketbert.bundle.open import open_bundle
from pocketbert.targets import get_target


def kernels(path):
    """What XNNPACK calls the matrix products that it chose for a `.pte` here."""
    import torch
    from executorch.extension.pybindings import portable_lib

    module = portable_lib._load_for_executorch(str(path), enable_etdump=True)
    module.run_method("forward", (torch.zeros(1, 8, dtype=torch.int64), torch.ones(1, 8).long()))
    with TemporaryDirectory() as folder:
        dump = Path(folder) / "dump"
        module.write_etdump_result_to_file(str(dump))
        names = re.findall(rb"Fully Connected \([^)]*\)", dump.read_bytes())
    return sorted({name.decode() for name in names})


def main(folder, target):
    quiet()
    bundle = open_bundle(Path(folder))
    artifact = bundle.artifacts[target].artifact
    contents = get_target(target).read(artifact)
    graphs = [{**vars(graph), "outside": dict(graph.outside)} for graph in contents.graphs]
    digests = [hashlib.sha256(blob).hexdigest() for blob in contents.blobs]
    found = {"graphs": graphs, "blobs": digests, "fault": "", "logits": [], "kernels": []}
    try:
        runner = bundle.load(target)  # which reproduces the golden cases
    except BundleError as error:
        found["fault"] = str(error)
    else:
        rows = [
            (np.array([case.input_ids]), np.array([case.attention_mask])) for case in bundle.golden
        ]
        found["logits"] = [runner.logits(*row)[0].tolist() for row in rows]
        if target == "executorch":
            found["kernels"] = kernels(artifact.path)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
