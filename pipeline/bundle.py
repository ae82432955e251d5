"""The sealed folder that crosses to a phone: sealed, opened, checked. It converts nothing.

Nothing in a bundle is loaded before its digest is checked, and no runtime is used before it has
reproduced the golden cases. Kotlin and Swift read the same files; docs/bundle.md describes them.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.characters import characters
from pipeline.errors import BundleError
from pipeline.evaluate import Calibration
from pipeline.files import replacing_folder, sha256, write_json
from pipeline.inference import Logits
from pipeline.recipes import Recipe
from pipeline.signing import MANIFEST, SIGNATURE, check_signature
from pipeline.targets import TARGETS, get_target
from pipeline.targets.base import Artifact, Runner
from pipeline.vocabulary import Vocabulary, read_vocabulary

SCHEMA = "1.1"  # readers refuse another number before the dot
GOLDEN_CASES = 200
# What breaks tokenizers and runtimes: every bundle carries these, whatever its data.
TORTURE = (
    "",
    " ",
    "?",
    "a",
    "Café déjà vu, naïve façade",
    "İstanbul'da hava nasıl? ığüşöç",
    "ΟΔΥΣΣΕΥΣ ὀδός",
    "e\u0301 combining, a\u030a ring, n\u0303",
    "今天天气怎么样",
    "東京の天気は？",
    "한국어도 되나요",
    "ما حال الطقس اليوم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีครับ",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 👍🏽",
    "set a timer ⏰ for 5️⃣ minutes",
    "tab\tnew\nline\rreturn",
    "nul\x00inside bell\x07 escape\x1b",
    "zero\u200bwidth\u200djoin\ufeffbom soft\u00adhyphen",
    "\u202eright to left override",
    "lone\ufffdreplacement",
    "[CLS] hello [SEP] [PAD] [MASK] [UNK]",
    "##ing un##believable",
    "don't can't it's y'all'd've",
    "$5.99 @home #tag 50% (a+b)*c=d",
    "ALL CAPS SHOUTING",
    "MiXeD cAsE",
    "ﬁ ligature ½ ² ™ ℃",
    "ｆｕｌｌ ｗｉｄｔｈ　ｔｅｘｔ",
    "x" * 101,
    "ß ẞ ŉ ǆ",
    "a" * 10_000,
    "word " * 2_000,
    "trailing space ",
    "...",
    "——— “quotes” ‘single’ «guillemets»",
    "123 4567 89.01 1,000,000",
    "https://example.com/a?b=c&d=e",
    "user@example.com",
)


@dataclass(frozen=True)
class Sealed:
    """One artefact of a bundle, with what it was measured to do."""

    artifact: Artifact
    calibration: Calibration
    tolerance: float
    engine: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class GoldenCase:
    """A text with the ids, mask and logits per artefact that every reader must reproduce."""

    text: str
    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    logits: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Bundle:
    """An opened bundle; every digest in it has been checked."""

    path: Path
    name: str
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    artifacts: dict[str, Sealed]
    replies: dict[str, tuple[str, ...]]
    out_of_scope_label: str
    golden: tuple[GoldenCase, ...]
    manifest: dict[str, Any]

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
        runner = get_target(target).load(sealed.artifact)
        check_golden(self, runner, sealed)
        return runner


def golden_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The torture cases, then an even sample of `texts`: `GOLDEN_CASES` in all if there are."""
    wanted = GOLDEN_CASES - len(TORTURE)
    step = max(1, len(texts) // wanted)
    return TORTURE + texts[::step][:wanted]


def seal(
    folder: Path,
    *,
    name: str,
    labels: tuple[str, ...],
    vocabulary: Vocabulary,
    artifacts: Mapping[str, Sealed],
    replies: Mapping[str, list[str]],
    golden: tuple[GoldenCase, ...],
    provenance: Mapping[str, Any],
    out_of_scope_label: str,
) -> Path:
    """Write the bundle to `folder`, replacing an older one only when the new one is whole."""
    with replacing_folder(folder) as new:
        vocabulary.save(new)
        write_json(new / "replies.json", replies)
        write_json(new / "characters.json", asdict(characters(vocabulary.lowercase)), compact=True)
        torture = sum(case.text in TORTURE for case in golden)  # these come first
        cases = [asdict(case) for case in golden]
        write_json(new / "golden.json", {"torture": torture, "cases": cases}, compact=True)
        for sealed in artifacts.values():
            _copy(sealed.artifact.path, new / sealed.artifact.path.name)
        manifest = {
            "schema": SCHEMA,
            "name": name,
            "labels": labels,
            "out_of_scope_label": out_of_scope_label,
            "tokenizer": {
                "type": "wordpiece",
                "lowercase": vocabulary.lowercase,
                "max_length": vocabulary.max_length,
                "pieces": len(vocabulary),
            },
            "artifacts": {target: _describe(sealed) for target, sealed in artifacts.items()},
            "provenance": provenance,
            "files": _inventory(new),
        }
        write_json(new / MANIFEST, manifest)
    return folder


def open_bundle(path: Path, key: Path | None = None) -> Bundle:
    """Check every file of the bundle at `path` against its manifest, and open it.

    Args:
        path: the folder.
        key: public key in PEM; with one, the manifest must be signed by its owner.

    Raises:
        BundleError: not a bundle, of an unknown schema, with a changed, missing or added file, or
            not signed as asked.
        InputError: the key is none.
    """
    manifest = _read_json(path / MANIFEST)
    if key:
        check_signature(path, key)
    try:
        _check_schema(path, str(manifest["schema"]))
        _check_files(path, manifest["files"])
        return _parse(path, manifest)
    except OSError as error:
        raise BundleError(f"{path}: {error}. Check the bundle's permissions.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{path / MANIFEST}: {type(error).__name__} {error}; the manifest is not one that "
            "pocketbert wrote. Make the bundle again."
        ) from error


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


def make_golden(
    texts: tuple[str, ...], vocabulary: Vocabulary, logits: Mapping[str, Logits]
) -> tuple[GoldenCase, ...]:
    """Golden cases of `texts`, with the logits (texts, labels) of each target."""
    encoded = vocabulary.encode(texts)
    cases = []
    for row, text in enumerate(texts):
        used = int(encoded.attention_mask[row].sum())
        cases.append(
            GoldenCase(
                text,
                tuple(encoded.input_ids[row, :used].tolist()),
                tuple(encoded.attention_mask[row, :used].tolist()),
                {name: tuple(np.round(rows[row], 5).tolist()) for name, rows in logits.items()},
            )
        )
    return tuple(cases)


def _padded(case: GoldenCase, width: int) -> tuple[int, ...]:
    return case.attention_mask + (0,) * (width - len(case.attention_mask))


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copyfile(source, target)


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


def _read_json(file: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{file}: {error.strerror}. Give a bundle folder, for example build/bundle."
        ) from error
    except ValueError as error:
        raise BundleError(f"{file}: not JSON ({error}). Make the bundle again.") from error
    if not isinstance(loaded, dict):
        raise BundleError(f"{file}: holds no JSON object. Make the bundle again.")
    return loaded


def _check_schema(path: Path, schema: str) -> None:
    if schema.split(".")[0] != SCHEMA.split(".")[0]:
        raise BundleError(
            f"{path}: has schema {schema}, and this pocketbert reads {SCHEMA.split('.')[0]}.x. "
            "Use the pocketbert that made it, or make it again."
        )


def _check_files(path: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    found = {f.relative_to(path).as_posix() for f in path.rglob("*") if not f.is_dir()}
    for name in sorted(found - files.keys() - {MANIFEST, SIGNATURE}):
        raise BundleError(f"{path / name}: is not in the manifest. Remove it, or seal again.")
    for name, entry in files.items():
        file = path / name
        parts = PurePosixPath(name).parts
        if name not in found or ".." in parts or name.startswith("/") or file.is_symlink():
            raise BundleError(f"{file}: is missing or no plain file. Make the bundle again.")
        size = file.stat().st_size
        if size != entry["bytes"]:
            raise BundleError(
                f"{file}: has {size} bytes, and {entry['bytes']} were sealed. "
                "Copy the bundle again."
            )
        if (digest := sha256(file)) != entry["sha256"]:
            raise BundleError(
                f"{file}: has sha256 {digest[:12]}…, and {entry['sha256'][:12]}… was sealed: the "
                "file was changed. Copy the bundle again."
            )


def _parse(path: Path, manifest: dict[str, Any]) -> Bundle:
    tokenizer = manifest["tokenizer"]
    golden = _read_json(path / "golden.json")["cases"]
    return Bundle(
        path=path,
        name=manifest["name"],
        labels=tuple(manifest["labels"]),
        vocabulary=read_vocabulary(
            path / "vocab.txt",
            lowercase=tokenizer["lowercase"],
            max_length=tokenizer["max_length"],
        ),
        artifacts={name: _sealed(path, entry) for name, entry in manifest["artifacts"].items()},
        replies={k: tuple(v) for k, v in _read_json(path / "replies.json").items()},
        out_of_scope_label=manifest["out_of_scope_label"],
        golden=tuple(
            GoldenCase(
                case["text"],
                tuple(case["input_ids"]),
                tuple(case["attention_mask"]),
                {name: tuple(row) for name, row in case["logits"].items()},
            )
            for case in golden
        ),
        manifest=manifest,
    )


def _sealed(path: Path, entry: Mapping[str, Any]) -> Sealed:
    artifact = Artifact(
        target=entry["target"],
        path=path / PurePosixPath(entry["path"]).name,
        inputs=tuple(entry["inputs"]),
        dtype=entry["dtype"],
        lengths=tuple(entry["lengths"]),
        dynamic=entry["dynamic"],
        vocabulary=entry["vocabulary"],
        recipe=Recipe(**{**entry["recipe"], "keep_float": tuple(entry["recipe"]["keep_float"])}),
        quantization=entry["quantization"],
        min_runtime=entry["min_runtime"],
        reason=entry["reason"],
    )
    return Sealed(
        artifact,
        Calibration(entry["temperature"], entry["threshold"]),
        entry["tolerance"],
        entry["verified_by"],
        entry["metrics"],
    )
