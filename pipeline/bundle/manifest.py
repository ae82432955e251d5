"""The manifest: what a bundle says of itself, read without trust.

Every value has a type and a limit, every path stays inside, and nothing is read that is larger than
it may be. `manifest.schema.json` beside this file says the same to other languages (JSON Schema
2020-12); docs/bundle.md explains the fields.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import from_json

from ..base.errors import BundleError, DataError
from ..base.recipes import Recipe
from ..models.calibration import Score
from .layout import MANIFEST, READ, SIGNATURE
from .plain import MANIFEST_BYTES, READ_BYTES, read_plain

SCHEMA = "1.2"  # readers refuse another number before the dot
OLDEST = "1.1"  # that is still read
FILE_BYTES = 4 << 30
FILES = 10_000
LENGTH = 1 << 16  # tokens


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if (
        not parts
        or ".." in parts
        or path in (MANIFEST, SIGNATURE)
        or PurePosixPath(*parts).as_posix() != path
    ):
        raise ValueError("leaves the bundle, or is not in its shortest form")
    return path


# In patterns, control characters and what separates paths on any system.
TEXT = 2000  # characters
NAME = 500
Text = Annotated[str, StringConstraints(max_length=TEXT)]
ONE_NAME = rf"[^\x00-\x1f\x7f]{{1,{NAME}}}"
Name = Annotated[str, StringConstraints(pattern=f"^{ONE_NAME}$")]
FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\\:\x00-\x1f\x7f]{1,200}$"),
    AfterValidator(_inside),
]
FilePath = Annotated[
    str,
    StringConstraints(pattern=r"^[^/\\:\x00-\x1f\x7f]{1,200}(/[^/\\:\x00-\x1f\x7f]{1,200}){0,20}$"),
    AfterValidator(_inside),
]
Input = Literal["input_ids", "attention_mask", "ids", "mask", "segment_ids"]  # no reader has others
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Tokens = Annotated[int, Field(ge=1, le=LENGTH)]
Pieces = Annotated[int, Field(ge=1, le=1 << 24)]


class _Part(BaseModel):
    # A later minor version may say more than this one reads.
    # Built when first used: a wrong path is refused before.
    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", allow_inf_nan=False, defer_build=True
    )


class FileSeal(_Part):
    """What a file must be."""

    sha256: Digest
    bytes: Annotated[int, Field(ge=0, le=FILE_BYTES)]


class TokenizerEntry(_Part):
    """How text becomes ids."""

    type: Literal["wordpiece"]
    lowercase: bool
    strip_accents: bool | None = None  # not in bundles of 1.1: where it lowercases
    split_chinese: bool = True
    max_length: Tokens
    pieces: Pieces


class ArtifactEntry(_Part):
    """One lowered model: how it is called, and what it was measured to do."""

    target: Name
    path: FileName
    inputs: Annotated[tuple[Input, ...], Field(min_length=2, max_length=3)]
    dtype: Literal["int32", "int64"]
    lengths: Annotated[tuple[Tokens, ...], Field(min_length=1, max_length=100)]
    dynamic: bool
    vocabulary: Pieces
    recipe: Recipe
    quantization: Text
    min_runtime: Text
    reason: Text
    temperature: Annotated[float, Field(gt=0, le=1e6)]
    threshold: Annotated[float, Field(ge=-1e6, le=1e6)]
    tolerance: Annotated[float, Field(ge=0, le=1e6)]
    verified_by: Text
    metrics: dict[str, JsonValue]

    @model_validator(mode="after")
    def _check_lengths(self) -> "ArtifactEntry":
        if list(self.lengths) != sorted(set(self.lengths)):
            raise ValueError("lengths do not rise")
        if self.dynamic and len(self.lengths) != 2:
            raise ValueError("lengths of a range are its lowest and its highest")
        if len(set(self.inputs)) != len(self.inputs):
            raise ValueError("inputs share a name")
        return self


class Provenance(_Part):
    """Where it came from; names of files, and no paths."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    preset: Name
    command: Text = ""  # that makes it again
    data_sha256: Digest
    teacher_sha256: Digest
    student_sha256: Digest
    test_sha256: Digest | None = None  # of the texts and labels that the figures were measured on
    score: Score = "highest"  # what the highest logit tells
    distill: dict[str, JsonValue]
    student: dict[str, JsonValue]
    versions: dict[Name, Text | None]  # None of what was not installed


class Manifest(_Part):
    """All of `manifest.json`."""

    version: Annotated[str, Field(alias="schema", pattern=r"^\d{1,9}\.\d{1,9}$")]
    name: Name
    labels: Annotated[tuple[Name, ...], Field(min_length=1, max_length=100_000)]
    out_of_scope_label: Name
    tokenizer: TokenizerEntry
    artifacts: Annotated[dict[Name, ArtifactEntry], Field(min_length=1, max_length=100)]
    provenance: Provenance
    files: Annotated[dict[FilePath, FileSeal], Field(max_length=FILES)]

    @model_validator(mode="after")
    def _check_whole(self) -> "Manifest":
        if len({*self.labels, self.out_of_scope_label}) != len(self.labels) + 1:
            raise ValueError("labels share a name, or one is that of out-of-scope texts")
        if missing := [name for name in READ if name not in self.files]:
            raise ValueError(f"files lack {missing[0]}")
        if large := [name for name in READ if self.files[name].bytes > READ_BYTES]:
            raise ValueError(f"files.{large[0]} is larger than {READ_BYTES:,} bytes")
        roots = {PurePosixPath(name).parts[0] for name in self.files}
        for key, entry in self.artifacts.items():
            what = f"artifacts.{key}: "
            if entry.target != key:
                raise ValueError(f"{what}target is {entry.target}")
            if entry.path not in roots or entry.path in READ:
                raise ValueError(f"{what}files lack {entry.path}")
            if entry.vocabulary != self.tokenizer.pieces:
                raise ValueError(f"{what}vocabulary is not the tokenizer's")
            if entry.lengths[-1] < self.tokenizer.max_length:
                raise ValueError(f"{what}lengths end before the tokenizer's max_length")
        paths = [entry.path for entry in self.artifacts.values()]
        if len(set(paths)) != len(paths) or roots != {*paths, *READ}:
            raise ValueError("files and artefacts are not those of each other")
        return self

    def written(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return self.model_dump(mode="json", by_alias=True)


def check_names(data: str, labels: Sequence[str], out_of_scope_label: str) -> None:
    """Refuse names that no bundle takes, before anything is trained for it.

    Raises:
        DataError: the first, with what is wrong with it.
    """
    named = [("the name of the data", data), ("data.out_of_scope_label", out_of_scope_label)]
    for what, name in (*named, *(("intent", label) for label in labels)):
        if not re.fullmatch(ONE_NAME, name):
            why = f"{len(name)} characters" if len(name) > NAME else "an unprintable character"
            raise DataError(
                f"{what} {name[:40]!r} has {why if name else 'no character'}; 1 to {NAME} "
                "printable ones are allowed. Rename it."
            )
    if out_of_scope_label in labels:
        raise DataError(
            f"intent {out_of_scope_label!r} is also the name of what is out of scope. Rename the "
            "intent, or choose another data.out_of_scope_label."
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the bundle in `folder`.

    Raises:
        BundleError: none, too large, of an unknown schema, or with a value that none has.
    """
    return parse_manifest(folder, read_plain(folder / MANIFEST, MANIFEST_BYTES))


def parse_manifest(folder: Path, content: bytes) -> Manifest:
    """The manifest of the bundle in `folder`, of which `content` was read; raises as above."""
    file = folder / MANIFEST
    try:
        loaded = from_json(content, allow_inf_nan=False)
        if not isinstance(loaded, dict) or "schema" not in loaded:
            raise BundleError(f"{file}: holds no manifest. Make the bundle again.")
        _check_schema(folder, str(loaded["schema"]))
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "all"
        raise BundleError(
            f"{file}: {where}: {first['msg']}, not {str(first['input'])[:60]!r}. The manifest is "
            "not one that pocketbert wrote; make the bundle again."
        ) from error
    except ValueError as error:
        raise BundleError(f"{file}: not JSON ({error}). Make the bundle again.") from error


def _check_schema(folder: Path, schema: str) -> None:
    major, minor = OLDEST.split(".")
    found = schema.split(".")
    if found[0] != major:
        raise BundleError(
            f"{folder}: has schema {schema[:20]}, and this pocketbert reads {major}.x. "
            "Use the pocketbert that made it, or make it again."
        )
    if len(found) == 2 and found[1].isdecimal() and int(found[1][:9]) < int(minor):
        raise BundleError(
            f"{folder}: has schema {schema[:20]}, and this pocketbert reads {OLDEST} and later. "
            "Make the bundle again."
        )
