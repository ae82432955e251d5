"""The bundle that stands in the repository: `python tests/phone_fixture.py BUNDLE`.

Its Core ML part, which the iOS app carries until another is installed and which Swift's tests read,
and digests of the ids of 100,000 generated texts. Made anew when the format of the bundle changes.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from phone_cases import STRINGS, texts

from pocketbert.base.files import write_json
from pocketbert.bundle.open import open_bundle
from pocketbert.bundle.seal import seal
from pocketbert.models.vocabulary import Vocabulary

SAMPLE = Path(__file__).parent.parent / "ios_demo/Sample/bundle"
STRINGS_FILE = SAMPLE.parent.parent / "ChatCore/Tests/strings.json"
TARGET = "coreml"
BLOCK = 1000  # texts that share a digest


def digests(vocabulary: Vocabulary, real: Sequence[str]) -> list[str]:
    """Of each block's ids: a line a text, numbers between blanks."""
    strings = list(texts(vocabulary, real, STRINGS))
    encodings = vocabulary.tokenizer.encode_batch(strings)
    lines = [" ".join(map(str, encoding.ids)) + "\n" for encoding in encodings]
    blocks = ("".join(lines[begin : begin + BLOCK]) for begin in range(0, STRINGS, BLOCK))
    return [hashlib.sha256(block.encode()).hexdigest() for block in blocks]


def main(source: Path) -> None:
    """Write the fixture."""
    bundle = open_bundle(source)
    golden = tuple(replace(case, logits={TARGET: case.logits[TARGET]}) for case in bundle.golden)
    seal(
        SAMPLE,
        name=bundle.name,
        labels=bundle.labels,
        vocabulary=bundle.vocabulary,
        artifacts={TARGET: bundle.artifacts[TARGET]},
        replies={intent: list(lines) for intent, lines in bundle.replies.items()},
        golden=golden,
        provenance=bundle.manifest.provenance.model_dump(),
        out_of_scope_label=bundle.out_of_scope_label,
    )
    made = digests(bundle.vocabulary, [case.text for case in bundle.golden])
    write_json(STRINGS_FILE, {"block": BLOCK, "sha256": made})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
