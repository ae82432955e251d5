"""What an app grows by when it takes in a bundle: model, tables, the rest, and a runtime.

Bytes of the bundle are measured; those of runtimes are facts with a source, since the apps' own
libraries come from repositories that a build reaches and this package does not.
"""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..bundle.layout import CHARACTERS, MANIFEST, VOCABULARY
from ..bundle.manifest import Manifest


@dataclass(frozen=True)
class Runtime:
    """What runs an artefact in an app of one platform, and what it adds to the app."""

    artifact: str
    where: str
    size_bytes: int | None  # None: not known
    compressed: int | None
    source: str


@dataclass(frozen=True)
class Growth:
    """What one app grows by, compressed as a download is."""

    runtime: Runtime
    model: int
    tables: int  # vocabulary and characters
    rest: int  # golden cases, replies, manifest

    @property
    def total(self) -> int | None:
        """All of it; None where the runtime's part is not known."""
        added = self.runtime.compressed
        return None if added is None else self.model + self.tables + self.rest + added


SYSTEM = "the system brings it"
RUNTIMES = (
    Runtime(
        *("executorch", "Android arm64-v8a, ExecuTorch", 12_077_666, 3_669_685),
        "executorch 1.5.1's wheel for Linux on ARM64: core, XNNPACK, optimized and quantized "
        "kernels, thread pool",
    ),
    Runtime(
        *("executorch", "Android x86_64, ExecuTorch", 14_490_953, 4_620_058),
        "the same of its wheel for Linux on x86-64",
    ),
    Runtime(
        *("tflite", "Android arm64-v8a, LiteRT", 5_991_672, 2_363_599),
        "ai-edge-litert 2.3.0's wheel for Linux on ARM64",
    ),
    Runtime(
        *("tflite", "Android x86_64, LiteRT", 8_039_424, 3_172_403),
        "its wheel for Linux on x86-64",
    ),
    Runtime(
        *("tflite", "Android, LiteRT in Google Play services", 0, 0),
        "Play services bring it (tensorflow.org/lite/android/play_services); the sample app has "
        "its own",
    ),
    Runtime(
        *("tflite-task", "Android, MediaPipe's tasks-text", None, None),
        "its library was not at hand",
    ),
    Runtime("coreml", "iOS 17, Core ML", 0, 0, SYSTEM),
    Runtime("coreai", "iOS 27, Core AI", 0, 0, SYSTEM),
)


def app_growth(folder: Path, manifest: Manifest) -> tuple[Growth, ...]:
    """What each kind of app grows by that carries one artefact of the bundle in `folder`."""
    names = sorted(manifest.files)
    roots = {key: entry.path for key, entry in manifest.artifacts.items()}
    tables = _compressed(folder, (VOCABULARY, CHARACTERS))
    of_artifacts = {name for name in names if name.split("/")[0] in roots.values()}
    rest = _compressed(folder, {*names, MANIFEST} - of_artifacts - {VOCABULARY, CHARACTERS})
    models = {
        key: _compressed(folder, (n for n in of_artifacts if n.split("/")[0] == root))
        for key, root in roots.items()
    }
    return tuple(
        Growth(runtime, models[runtime.artifact], tables, rest)
        for runtime in RUNTIMES
        if runtime.artifact in models
    )


def _compressed(folder: Path, names: Iterable[str]) -> int:
    return sum(len(gzip.compress((folder / name).read_bytes(), 9, mtime=0)) for name in names)
