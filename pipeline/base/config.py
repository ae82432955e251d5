"""What a run is asked to do: frozen, validated once built, read from TOML. It knows no torch."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .errors import PipelineError
from .formats import DEFAULT_TARGETS, TARGETS
from .recipes import RECIPES, Recipe, check_parts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

AUTO = "auto"
STRICT = ConfigDict(extra="forbid")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} is {value:g}; choose a value from {low:g} to {high:g}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the labelled text comes from, and how it is divided."""

    source: str = "assistant"  # built-in name, file, folder of parts, or hf:NAME
    text: str = "text"  # column of the utterance
    intent: str = "intent"  # column of the label
    out_of_scope: str | None = None  # file of texts that belong to no intent
    out_of_scope_label: str = "oos"  # rows with this intent are out of scope
    unlabeled: str | None = None  # file of raw texts that the teacher labels, or a built-in name
    replies: str | None = None  # JSON of what the chat says for each intent
    validation_share: float = 0.15  # of each intent, where no validation part is given
    test_share: float = 0.2  # of each intent, where no test part is given

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in ("validation_share", "test_share"):
            _within(name, getattr(self, name), 0.01, 0.4)


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The BERT that the student learns from."""

    source: str = "minilm"  # the packaged MiniLM, a local folder, or a hub name
    fine_tune: bool = False  # train the whole encoder, not only a head: minutes, not seconds
    new_head: bool = False  # fit a head even where the teacher brings one, for other labels
    epochs: int = 6  # of full fine-tuning, at most
    batch_size: int = 32  # over all processes together
    patience: int = 2  # epochs without better validation accuracy after which it stops
    learning_rate: float = 1.5e-4  # of the encoder's last layer
    head_learning_rate: float = 1e-3
    layer_decay: float = 0.85  # a layer learns at this share of the rate of the one above it
    outside_weight: float = 0.0  # of evenness on out-of-scope training texts

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _within("epochs", self.epochs, 1, 1000)
        _within("batch_size", self.batch_size, 1, 4096)
        _within("patience", self.patience, 1, 1000)
        _within("learning_rate", self.learning_rate, 1e-7, 1.0)
        _within("head_learning_rate", self.head_learning_rate, 1e-7, 1.0)
        _within("layer_decay", self.layer_decay, 0.1, 1.0)
        _within("outside_weight", self.outside_weight, 0.0, 1000.0)


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """Shape of the student encoder."""

    layers: int = 2
    hidden: int = 128
    vocabulary: int | None = 8_000  # word pieces kept; None (in Python) keeps the teacher's
    embedding: int | None = None  # columns of a factorised embedding; None keeps `hidden` columns
    teacher_layers: tuple[int, ...] | None = None  # from which to cut; None spreads them evenly
    max_length: int = 64  # tokens; longer texts are cut
    donor: str | None = None  # BERT of the first weights where the teacher is none; None: minilm

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _within("layers", self.layers, 1, 48)
        _within("hidden", self.hidden, 8, 4096)
        _within("max_length", self.max_length, 8, 512)
        if self.vocabulary is not None:
            _within("vocabulary", self.vocabulary, 100, 1_000_000)
        if self.embedding is not None:
            _within("embedding", self.embedding, 4, self.hidden - 1)
        if self.teacher_layers is not None:
            if len(self.teacher_layers) != self.layers:
                raise ValueError(
                    f"teacher_layers names {len(self.teacher_layers)} layers and layers is "
                    f"{self.layers}; name as many, counted from 0"
                )
            for layer in self.teacher_layers:
                _within("teacher_layers", layer, 0, 999)


@dataclass(frozen=True, kw_only=True)
class DistillConfig:
    """How the student is trained."""

    epochs: int = 3  # over all texts of the transfer set
    least_steps: int = 1_500  # a small transfer set is seen in as many epochs as these take
    batch_size: int = 64  # over all processes together
    learning_rate: float = 2e-3
    head_learning_rate: float = 3e-3
    temperature: float = 2.5  # softens what is compared, times the teacher's calibrated one
    logit_weight: float = 0.9  # of the loss that compares logits with the teacher's
    label_weight: float = 0.1  # of cross-entropy with the labels
    hidden_weight: float = 0.0  # of the distance of hidden states, layer by layer
    embedding_weight: float = 0.0  # of the distance of embeddings
    relation_weight: float = 0.0  # of the divergence of self-attention relations
    outside_weight: float = 0.0  # of evenness on out-of-scope training texts
    word_dropout: float = 0.1  # share of word pieces hidden from the student, not the teacher
    augment: int = 4  # reworded copies of each text, labelled by the teacher

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        _within("epochs", self.epochs, 1, 10_000)
        _within("least_steps", self.least_steps, 1, 10_000_000)
        _within("batch_size", self.batch_size, 1, 4096)
        _within("learning_rate", self.learning_rate, 1e-7, 1.0)
        _within("head_learning_rate", self.head_learning_rate, 1e-7, 1.0)
        _within("temperature", self.temperature, 0.1, 100.0)
        for name in ("logit", "label", "hidden", "embedding", "relation", "outside"):
            _within(f"{name}_weight", getattr(self, f"{name}_weight"), 0.0, 1000.0)
        _within("word_dropout", self.word_dropout, 0.0, 0.9)
        _within("augment", self.augment, 0, 100)


@dataclass(frozen=True, kw_only=True)
class Gates:
    """What must hold on the test part before anything ships."""

    min_retention: float = 0.98  # student's accuracy as a share of the teacher's
    min_agreement: float = 0.99  # share of texts on which artefact and student agree
    max_accuracy_drop: float = 0.005  # artefact against student, absolute
    max_recipe_loss: float = 0.003  # accuracy that --recipe auto may lose on validation, absolute
    max_outside: float = 0.25  # share of operators outside the fast kernels

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            _within(name, getattr(self, name), 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that `pocketbert run` does, in one value."""

    preset: str = "nano"
    seed: int = 0
    checkpoint_steps: int = 200  # of training between two saved states; a killed run loses fewer
    targets: tuple[str, ...] = DEFAULT_TARGETS
    recipe: str = "int8"  # how weights are stored; auto: the smallest that loses little
    keep_float: tuple[str, ...] = ()  # parts of the student that no recipe quantizes
    data: DataConfig = field(default_factory=DataConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentSpec = field(default_factory=StudentSpec)
    distill: DistillConfig = field(default_factory=DistillConfig)
    gates: Gates = field(default_factory=Gates)

    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"preset is {self.preset!r}; choose one of {', '.join(PRESETS)}")
        unknown = [name for name in self.targets if name not in TARGETS]
        if unknown or not self.targets:
            raise ValueError(
                f"targets are {', '.join(self.targets) or 'none'}; choose from {', '.join(TARGETS)}"
            )
        if self.recipe not in (*RECIPES, AUTO):
            known = ", ".join((*RECIPES, AUTO))
            raise ValueError(f"recipe is {self.recipe!r}; choose one of {known}")
        check_parts(self.keep_float, self.student.layers)
        _within("seed", self.seed, 0, 2**31 - 1)
        _within("checkpoint_steps", self.checkpoint_steps, 1, 1_000_000)

    @property
    def lowering(self) -> Recipe | None:
        """The recipe with its exceptions; None where it is to be chosen."""
        if self.recipe == AUTO:
            return None
        return replace(RECIPES[self.recipe], keep_float=self.keep_float)


# Shape and training of each preset; a larger student starts from more of the teacher.
PRESETS: dict[str, tuple[StudentSpec, DistillConfig]] = {
    "nano": (StudentSpec(layers=2, hidden=128), DistillConfig()),
    "micro": (StudentSpec(layers=2, hidden=256), DistillConfig(learning_rate=8e-4)),
    "small": (StudentSpec(layers=3, hidden=256), DistillConfig(learning_rate=8e-4)),
}


def load_config(file: Path | None, overrides: Mapping[str, Any]) -> RunConfig:
    """Build the configuration: preset, then the TOML `file`, then `overrides` (nested, by section).

    Raises:
        PipelineError: an unreadable file, an unknown key or a value out of range, by name.
    """
    settings = _merge(_read_toml(file) if file else {}, overrides)
    preset = settings.get("preset", "nano")
    base = RunConfig()
    if isinstance(preset, str) and preset in PRESETS:
        student, distill = PRESETS[preset]
        base = replace(base, student=student, distill=distill)
    try:
        return TypeAdapter(RunConfig).validate_python(_merge(to_dict(base), settings))
    except ValidationError as error:
        where = f"{file}: " if file else ""
        raise PipelineError(where + "; ".join(map(_explain, error.errors()))) from error


def to_command(config: RunConfig) -> str:
    """The command that does what `config` says; files by their names, wherever they lie.

    Settings of a file that have no flag are not in it.
    """
    flags = {
        "data": _name(config.data.source),
        "unlabeled": config.data.unlabeled and _name(config.data.unlabeled),
        "teacher": _name(config.teacher.source),
        "preset": config.preset,
        "seed": str(config.seed),
        "epochs": str(config.distill.epochs),
        "targets": ",".join(config.targets),
        "recipe": config.recipe,
        "float": ",".join(config.keep_float),
    }
    words = [word for name, value in flags.items() if value for word in (f"--{name}", value)]
    words += ["--fine-tune"] if config.teacher.fine_tune else []
    words += ["--new-head"] if config.teacher.new_head else []
    return shlex.join(["pocketbert", "run", *words])


def _name(source: str) -> str:
    """A built-in or hub name as it is, of a path only its last part."""
    return Path(source).name if Path(source).exists() else source


def to_dict(value: Any) -> dict[str, Any]:
    """The configuration as nested plain values, in field order."""
    return {
        f.name: to_dict(getattr(value, f.name))
        if is_dataclass(getattr(value, f.name))
        else getattr(value, f.name)
        for f in fields(value)
    }


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PipelineError(f"{file}: not a readable TOML file ({error}).") from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _explain(error: ErrorDetails) -> str:
    """One pydantic error as a phrase: the setting, its value, and what would do."""
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        return f"unknown setting {key!r}; see docs/configuration.md for all of them"
    message = error["msg"].removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
