"""File layout of a bundle, and which part of it each sample app takes."""

import json
from dataclasses import dataclass
from pathlib import Path

from ..base.files import first_beyond

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GOLDEN, REPLIES, CHARACTERS, VOCABULARY = (
    *("golden.json", "replies.json", "characters.json", "vocab.txt"),
)
READ = (CHARACTERS, GOLDEN, REPLIES, VOCABULARY)  # what every bundle holds besides artefacts


@dataclass(frozen=True)
class App:
    """A sample app: where it keeps its bundle, and which artefacts it takes and runs."""

    mark: str  # a path that only such an app's folder has
    folder: str
    artifacts: tuple[str, ...]
    on_request: tuple[str, ...] = ()  # what it runs, too, and few of its phones can

    @property
    def runs(self) -> tuple[str, ...]:
        """All that it runs."""
        return self.artifacts + self.on_request


APPS = {
    "android": App(
        "app/src/main/AndroidManifest.xml", "app/src/main/assets/bundle", ("executorch", "tflite")
    ),
    "ios": App(
        "ChatDemo.xcodeproj/project.pbxproj",
        "Resources/bundle",
        ("coreml", "executorch", "tflite"),
        ("coreai",),
    ),
}


def foreign(folder: Path) -> Path | None:
    """The first file in `folder` that is no part of a bundle; None where all are.

    A manifest alone is no mark: web apps, browser extensions and Android projects have one.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        named = {*manifest["files"], MANIFEST, SIGNATURE}
        ours = {"schema", "tokenizer", "artifacts", "provenance"} <= manifest.keys()
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        ours = False
    return first_beyond(folder, named if ours else ())
