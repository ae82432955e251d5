"""A sealed folder opened and checked. It converts nothing.

Nothing in a bundle is loaded before its digest is checked, and no runtime is used before it has
reproduced the golden cases. Kotlin and Swift read the same files; docs/bundle.md describes them.
"""

import dataclasses
import os
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ..base.errors import BundleError, ModelError, TargetUnavailable
from ..base.files import is_litter
from ..base.formats import LIGHTEST_FIRST, TARGETS
from ..models.calibration import Calibration
from ..models.characters import Characters
from ..models.vocabulary import Vocabulary, read_vocabulary
from ..targets import get_target
from ..targets.base import Artifact, Runner
from .classify import Answer, ChatEngine, Classifier
from .golden import GoldenCase, read_golden
from .layout import CHARACTERS, MANIFEST, REPLIES, SIGNATURE, VOCABULARY
from .manifest import ArtifactEntry, Manifest, parse_manifest
from .plain import MANIFEST_BYTES, SIGNATURE_BYTES, check_files, read_checked, read_plain

ATTEMPTS = 5  # at a bundle that is replaced while it is read


@dataclass(frozen=True)
class Sealed:
    """One artefact of a bundle, with what it was measured to do."""

    artifact: Artifact
    calibration: Calibration
    tolerance: float
    engine: str
    metrics: dict[str, Any]


_REPLIES = TypeAdapter(dict[str, tuple[str, ...]])
_CHARACTERS = TypeAdapter(Characters)


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; every digest in it has been checked. Threads may share it."""

    path: Path
    name: str
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    artifacts: dict[str, Sealed]
    replies: dict[str, tuple[str, ...]]
    out_of_scope_label: str
    golden: tuple[GoldenCase, ...]
    manifest: Manifest

    def load(self, target: str) -> Runner:
        """Load an artefact and have it reproduce the golden cases.

        Raises:
            BundleError: no such artefact, a damaged file, or other ids or logits than sealed.
            TargetUnavailable: this host lacks the runtime.
        """
        known = [name for name in self.artifacts if name in TARGETS]
        if target not in known:
            raise BundleError(
                f"{self.path}: holds no {target!r} artefact, but {', '.join(known)}. "
                "Choose one of these."
            )
        sealed = self.artifacts[target]
        # Again, since whoever installs may have put another bundle here meanwhile.
        root = sealed.artifact.path.name
        files = self.manifest.files.items()
        check_files(self.path, {k: v for k, v in files if PurePosixPath(k).parts[0] == root})
        try:
            runner = get_target(target).load(sealed.artifact)
            check_golden(self, runner, sealed)
        except (OSError, ValueError, LookupError, TypeError, RuntimeError) as error:
            raise BundleError(
                f"{self.path}: {target} is not what the manifest says of it "
                f"({type(error).__name__} {error}). Make the bundle again."
            ) from error
        return runner

    def classifier(self, runtime: str | None = None) -> Classifier:
        """What classifies texts: the artefact `runtime`, or the lightest whose runtime is here.

        Raises:
            BundleError: no such artefact, a damaged file, or other ids or logits than sealed.
            TargetUnavailable: this host lacks the runtime, or has that of no artefact.
        """
        if runtime is not None:
            return Classifier(self, runtime, self.load(runtime))
        lacking = list[str]()
        for name in (name for name in LIGHTEST_FIRST if name in self.artifacts):
            try:
                return Classifier(self, name, self.load(name))
            except TargetUnavailable as error:
                lacking.append(str(error))
        raise TargetUnavailable(
            f"{self.path}: no artefact of it runs here. {' '.join(lacking)}".rstrip()
        )

    def reply(self, text: str) -> Answer:
        """What the chat answers; the first call loads the lightest runtime that is here.

        Raises:
            BundleError, TargetUnavailable: as `classifier`.
        """
        return self._chat.answer(text)

    @cached_property
    def _chat(self) -> ChatEngine:
        return ChatEngine(self.classifier())


def open_bundle(path: str | PathLike[str], key: str | PathLike[str] | None = None) -> Bundle:
    """Check every file of the bundle at `path` against its manifest, and open it.

    Args:
        path: the folder.
        key: public key in PEM; with one, the manifest must be signed by its owner.

    Raises:
        BundleError: not a bundle, of an unknown schema, with a changed, missing or added file, or
            not signed as asked.
        InputError: the key is none.
    """
    path, key = Path(path), Path(key) if key is not None else None
    for _ in range(ATTEMPTS):
        place = _place(path)
        try:
            opened = _open(path, key)
        except BundleError:
            if place == _place(path):
                raise
        else:
            if place == _place(path):
                return opened
        # Else whoever installs has put another bundle in the place of the one half read.
    raise BundleError(f"{path}: is replaced again and again. Open it when that has ended.")


def check_golden(bundle: Bundle, runner: Runner, sealed: Sealed) -> None:
    """Reproduce the golden cases: equal ids and mask, logits within the artefact's tolerance.

    Raises:
        BundleError: the first case that differs, with value and limit.
    """
    target = sealed.artifact.target
    encoded = bundle.vocabulary.encode([case.text for case in bundle.golden])
    for row, case in enumerate(bundle.golden):
        used = len(case.input_ids)
        ids, mask = encoded.input_ids[row], encoded.attention_mask[row]
        if tuple(ids[:used]) != case.input_ids or tuple(mask) != _padded(case, len(mask)):
            raise BundleError(
                f"{bundle.path}: golden text {row} is tokenised otherwise than sealed. The "
                "vocabulary or the tokenizer is another one; make the bundle again."
            )
    logits = runner.logits(encoded.input_ids, encoded.attention_mask)
    expected = np.array([case.logits[target] for case in bundle.golden], np.float32)
    difference = np.abs(logits - expected).max(1)
    worst = int(np.nan_to_num(difference, nan=np.inf).argmax())
    if not difference[worst] <= sealed.tolerance:
        raise BundleError(
            f"{bundle.path}: {target} gives golden text {worst} logits that differ by "
            f"{difference[worst]:.3g}, and {sealed.tolerance:.3g} is allowed. This runtime "
            "computes otherwise than the one that was verified; do not ship it here."
        )


def _padded(case: GoldenCase, width: int) -> tuple[int, ...]:
    return case.attention_mask + (0,) * (width - len(case.attention_mask))


def _place(path: Path) -> tuple[int, ...] | None:
    """What tells the folder that is there now from another that takes its name."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _open(path: Path, key: Path | None) -> Bundle:
    # Read once: what is parsed is what was signed.
    content = read_plain(path / MANIFEST, MANIFEST_BYTES)
    signed = os.path.lexists(path / SIGNATURE)
    signature = read_plain(path / SIGNATURE, SIGNATURE_BYTES) if signed else None
    if key:
        from .signing import check_signature

        check_signature(path, content, signature, key)
    manifest = parse_manifest(path, content)
    try:
        check_files(path, manifest.files)
        _check_added(path, manifest)
        return _parse(path, manifest)
    except OSError as error:
        raise BundleError(f"{path}: {error}. Check the bundle's permissions.") from error


def _check_added(path: Path, manifest: Manifest) -> None:
    found = {
        f.relative_to(path).as_posix() for f in path.rglob("*") if f.is_symlink() or not f.is_dir()
    }
    for name in sorted(found - manifest.files.keys() - {MANIFEST, SIGNATURE}):
        whose = "was left here by a file manager, and " if is_litter(path / name) else ""
        raise BundleError(
            f"{path / name}: {whose}is not in the manifest. Remove it, or seal again."
        )


def _parse(path: Path, manifest: Manifest) -> Bundle:
    try:
        vocabulary = read_vocabulary(
            path / VOCABULARY,
            lowercase=manifest.tokenizer.lowercase,
            strip_accents=manifest.tokenizer.strip_accents,
            split_chinese=manifest.tokenizer.split_chinese,
            max_length=manifest.tokenizer.max_length,
        )
    except ModelError as error:
        raise BundleError(
            f"{path / VOCABULARY}: is no vocabulary of a BERT. Make the bundle again."
        ) from error
    if len(vocabulary) != manifest.tokenizer.pieces:
        raise BundleError(
            f"{path / VOCABULARY}: has {len(vocabulary)} pieces, and the manifest says "
            f"{manifest.tokenizer.pieces}. Make the bundle again."
        )
    read_checked(path / CHARACTERS, _CHARACTERS)  # for phones: their tokenizer dies of a bad one
    return Bundle(
        path=path,
        name=manifest.name,
        labels=manifest.labels,
        vocabulary=vocabulary,
        artifacts={name: _sealed(path, entry) for name, entry in manifest.artifacts.items()},
        replies=_replies(path, manifest),
        out_of_scope_label=manifest.out_of_scope_label,
        golden=read_golden(path, manifest),
        manifest=manifest,
    )


def _replies(path: Path, manifest: Manifest) -> dict[str, tuple[str, ...]]:
    replies = read_checked(path / REPLIES, _REPLIES)
    for label in (*manifest.labels, manifest.out_of_scope_label):
        if not replies.get(label):
            raise BundleError(f"{path / REPLIES}: has none for {label}. Make the bundle again.")
    return replies


def _sealed(path: Path, entry: ArtifactEntry) -> Sealed:
    fields = {f.name: getattr(entry, f.name) for f in dataclasses.fields(Artifact)}
    return Sealed(
        Artifact(**{**fields, "path": path / entry.path}),
        Calibration(entry.temperature, entry.threshold),
        entry.tolerance,
        entry.verified_by,
        entry.metrics,
    )
