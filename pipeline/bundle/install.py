"""A bundle put where an app's build, or any program, finds it: checked, and swapped as a whole."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..base.errors import BundleError, InputError
from ..base.files import refuse_foreign, replacing_folder
from .layout import APPS, MANIFEST, SIGNATURE, App, foreign
from .manifest import read_manifest
from .open import Bundle
from .plain import check_files


def install(bundle: Bundle, destination: Path, artifacts: Sequence[str] = ()) -> Path:
    """Copy `bundle`, or the part that an app runs, and return the folder where it lies now.

    A sample app is told by its files, and takes the artefacts that it runs into its resources. Any
    other destination becomes the whole bundle. `artifacts` names those that an app takes instead.
    What was there stays until the new one is whole.

    Raises:
        PipelineError: the destination holds something other than a bundle.
        InputError: it can't be written, the bundle has nothing that the app runs, or lacks one of
            `artifacts`, or the app does not run it.
        BundleError: the bundle was changed while it was copied.
    """
    app = next((app for app in APPS.values() if (destination / app.mark).exists()), None)
    folder = destination / app.folder if app else destination
    if destination.name in {f"{name}_demo" for name in APPS} and not destination.exists():
        raise InputError(
            f"{destination}: is not there. Start where the sample app lies, or give its path."
        )
    refuse_foreign(folder, foreign)
    names = _carried(bundle, app, artifacts)
    try:
        with replacing_folder(folder, foreign) as new:
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


def _carried(bundle: Bundle, app: App | None, asked: Sequence[str]) -> tuple[str, ...]:
    """The bundle's files, without those of artefacts that are not taken."""
    roots = {name: sealed.artifact.path.name for name, sealed in bundle.artifacts.items()}
    if asked and app is None:
        raise InputError("--targets is for the sample apps: a folder becomes the whole bundle.")
    possible = [name for name in roots if app and name in app.runs]
    if missing := [name for name in asked if name not in possible]:
        raise InputError(
            f"{bundle.path}: --targets asks for {', '.join(missing)}, and this app runs "
            f"{', '.join(possible) or 'nothing'} of it."
        )
    taken = asked or (app.artifacts if app else roots)
    dropped = {root for name, root in roots.items() if name not in taken}
    if app and dropped == set(roots.values()):
        raise InputError(
            f"{bundle.path}: has none of {', '.join(app.artifacts)}, which this app runs. "
            "Make it with --targets."
        )
    signature = [SIGNATURE] if (bundle.path / SIGNATURE).exists() else []
    files = (MANIFEST, *signature, *bundle.manifest.files)
    return tuple(name for name in files if name.split("/")[0] not in dropped)
