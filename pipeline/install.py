"""A bundle put where an app's build, or any program, finds it: checked, and swapped as a whole."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.bundle import Bundle
from pipeline.errors import BundleError, InputError
from pipeline.files import replacing_folder
from pipeline.manifest import check_files, read_manifest
from pipeline.signing import MANIFEST, SIGNATURE


@dataclass(frozen=True)
class Place:
    """Where a sample app keeps its bundle, and which artefacts it runs."""

    mark: str  # a path that only such an app's folder has
    folder: str
    artifacts: tuple[str, ...]


PLACES = (
    Place(
        "app/src/main/AndroidManifest.xml", "app/src/main/assets/bundle", ("executorch", "tflite")
    ),
    Place(
        "ChatDemo.xcodeproj/project.pbxproj",
        "Resources/bundle",
        ("coreml", "executorch", "tflite"),
    ),
)


def install(bundle: Bundle, destination: Path) -> Path:
    """Copy `bundle`, or the part that an app runs, and return the folder where it lies now.

    A sample app is told by its files, and takes the artefacts that it runs into its resources. Any
    other destination becomes the whole bundle. What was there stays until the new one is whole.

    Raises:
        InputError: the destination holds something other than a bundle or can't be written, or the
            bundle has nothing that the app runs.
        BundleError: the bundle was changed while it was copied.
    """
    place = next((place for place in PLACES if (destination / place.mark).exists()), None)
    folder = destination / place.folder if place else destination
    if folder.exists() and not (folder / MANIFEST).is_file() and not _empty(folder):
        raise InputError(
            f"{folder}: is no bundle, and would be replaced. Give an app's folder, a bundle, or a "
            "folder that does not exist."
        )
    names = _carried(bundle, place)
    try:
        with replacing_folder(folder) as new:
            for name in names:
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(bundle.path / name, new / name)
            # What was copied, not what was opened: it may have been replaced meanwhile.
            sealed = bundle.manifest.files
            check_files(new, {name: sealed[name] for name in names if name in sealed})
            if read_manifest(new) != bundle.manifest:
                raise BundleError(f"{bundle.path}: was replaced while it was copied. Try again.")
    except OSError as error:
        raise InputError(
            f"{folder}: {error.strerror}, so what was there stays. Make room, or allow writing."
        ) from error
    return folder


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _carried(bundle: Bundle, place: Place | None) -> tuple[str, ...]:
    """The bundle's files, without those of artefacts that the app does not run."""
    roots = {name: sealed.artifact.path.name for name, sealed in bundle.artifacts.items()}
    dropped = {root for name, root in roots.items() if place and name not in place.artifacts}
    if place and dropped == set(roots.values()):
        raise InputError(
            f"{bundle.path}: has none of {', '.join(place.artifacts)}, which this app runs. "
            "Make it with --targets."
        )
    signature = [SIGNATURE] if (bundle.path / SIGNATURE).exists() else []
    files = (MANIFEST, *signature, *bundle.manifest.files)
    return tuple(name for name in files if name.split("/")[0] not in dropped)
