"""The sealed folder that crosses to a phone, written. It converts nothing.

Kotlin and Swift read the same files; docs/bundle.md describes them.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..base.errors import BundleError, PipelineError
from ..base.files import is_litter, replacing_folder, sha256, write_json
from ..models.characters import characters
from ..models.vocabulary import Vocabulary
from .golden import TORTURE, Golden, GoldenCase
from .layout import CHARACTERS, GOLDEN, MANIFEST, REPLIES, foreign
from .manifest import SCHEMA, read_manifest
from .open import Sealed


def seal(
    folder: Path,
    *,
    name: str,
    labels: tuple[str, ...],
    vocabulary: Vocabulary,
    artifacts: Mapping[str, Sealed],
    replies: Mapping[str, list[str]],
    golden: tuple[GoldenCase, ...],
    provenance: Mapping[str, Any],  # as `Provenance` has it
    out_of_scope_label: str,
) -> Path:
    """Write the bundle to `folder`, replacing an older one only when the new one is whole."""
    with replacing_folder(folder, foreign) as new:
        vocabulary.save(new)
        write_json(new / REPLIES, replies)
        write_json(new / CHARACTERS, asdict(characters(**vocabulary.settings)), compact=True)
        torture = sum(case.text in TORTURE for case in golden[: len(TORTURE)])  # they come first
        write_json(new / GOLDEN, asdict(Golden(torture, golden)), compact=True)
        for sealed in artifacts.values():
            _copy(sealed.artifact.path, new / sealed.artifact.path.name)
        manifest = {
            "schema": SCHEMA,
            "name": name,
            "labels": labels,
            "out_of_scope_label": out_of_scope_label,
            "tokenizer": {
                "type": "wordpiece",
                **vocabulary.settings,
                "max_length": vocabulary.max_length,
                "pieces": len(vocabulary),
            },
            "artifacts": {target: _describe(sealed) for target, sealed in artifacts.items()},
            "provenance": provenance,
            "files": _inventory(new),
        }
        write_json(new / MANIFEST, manifest)
        try:
            read_manifest(new)
        except BundleError as error:
            raise PipelineError(
                f"{folder}: was not sealed, since no reader would take it ({error}). This is a "
                "fault of pocketbert: please report it with the command that you gave."
            ) from error
    return folder


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=_litter)
    else:
        shutil.copyfile(source, target)


def _litter(_: str, names: list[str]) -> list[str]:
    return [name for name in names if is_litter(Path(name))]


def _describe(sealed: Sealed) -> dict[str, Any]:
    artifact = asdict(sealed.artifact)
    artifact["path"] = sealed.artifact.path.name
    return {
        **artifact,
        **asdict(sealed.calibration),
        "tolerance": sealed.tolerance,
        "verified_by": sealed.engine,
        "metrics": sealed.metrics,
    }


def _inventory(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        file.relative_to(folder).as_posix(): {
            "sha256": sha256(file),
            "bytes": file.stat().st_size,
        }
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
