"""File layout of a bundle, and which part of it each sample app takes."""

from dataclasses import dataclass

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GOLDEN, REPLIES, CHARACTERS, VOCABULARY = (
    *("golden.json", "replies.json", "characters.json", "vocab.txt"),
)
READ = (CHARACTERS, GOLDEN, REPLIES, VOCABULARY)  # what every bundle holds besides artefacts


@dataclass(frozen=True)
class App:
    """A sample app: where it keeps its bundle, and which artefacts it runs."""

    mark: str  # a path that only such an app's folder has
    folder: str
    artifacts: tuple[str, ...]


APPS = {
    "android": App(
        "app/src/main/AndroidManifest.xml", "app/src/main/assets/bundle", ("executorch", "tflite")
    ),
    "ios": App("project.yml", "Resources/bundle", ("coreml", "executorch", "tflite")),
}
