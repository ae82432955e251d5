"""What a run is asked to do: frozen, valid once built, read from TOML. It knows no torch.

Each setting is declared here, once: its type, its default, its limits, what it means, and its flag.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from .formats import DEFAULT_TARGETS, TARGETS
from .recipes import RECIPES, Recipe, check_parts
from .settings import Checked, declared_in, setting

AUTO = "auto"
ACTIVATIONS = ("gelu", "relu")  # by their names in a Hugging Face configuration


@dataclass(frozen=True, kw_only=True)
class DataConfig(Checked):
    """Where the labelled text comes from, and how it is divided."""

    source: str = setting(
        "assistant",
        "built-in name, file (.jsonl .csv .tsv .json), folder of parts, or hf:NAME",
        flag="--data",
        file=True,
    )
    text: str = setting("text", "column of the text", flag="--text-column")
    intent: str = setting("intent", "column of the intent", flag="--intent-column")
    out_of_scope: str | None = setting(
        None, "file of texts that belong to no intent", flag="--out-of-scope", file=True
    )
    out_of_scope_label: str = setting("oos", "rows with this intent are out of scope")
    unlabeled: str | None = setting(
        None,
        "raw texts (.txt .jsonl .csv .tsv, or assistant) that the teacher labels",
        flag="--unlabeled",
        file=True,
    )
    replies: str | None = setting(
        None, "JSON of what the chat says for each intent", flag="--replies", file=True
    )
    validation_share: float = setting(
        0.15, "of each intent, where the source has no validation part", 0.01, 0.4
    )
    test_share: float = setting(0.2, "of each intent, where it has no test part", 0.01, 0.4)


@dataclass(frozen=True, kw_only=True)
class TeacherConfig(Checked):
    """The BERT that the student learns from."""

    source: str = setting(
        "minilm",
        "BERT folder, hub name, or minilm (the packaged one)",
        flag="--teacher",
        file=True,
    )
    fine_tune: bool = setting(
        False, "train the whole teacher, not only its head", flag="--fine-tune"
    )
    new_head: bool = setting(
        False, "fit a head even where the teacher brings one", flag="--new-head"
    )
    epochs: int = setting(6, "of fine-tuning, at most", 1, 1000)
    batch_size: int = setting(32, "over all processes together", 1, 4096)
    patience: int = setting(
        2, "epochs without better validation accuracy after which it stops", 1, 1000
    )
    learning_rate: float = setting(1.5e-4, "of the encoder's last layer", 1e-7, 1.0)
    head_learning_rate: float = setting(1e-3, "of the head", 1e-7, 1.0)
    layer_decay: float = setting(
        0.85, "a layer learns at this share of the rate of the one above it", 0.1, 1.0
    )
    outside_weight: float = setting(
        0.0, "weight of the outlier-exposure loss in fine-tuning", 0.0, 1000.0
    )


@dataclass(frozen=True, kw_only=True)
class StudentSpec(Checked):
    """Shape of the student encoder."""

    layers: int = setting(2, "Transformer layers", 1, 48)
    hidden: int = setting(128, "a multiple of the teacher's head size", 8, 4096)
    vocabulary: int | None = setting(
        15_000,
        "word pieces kept; none keeps all",
        100,
        1_000_000,
        flag="--vocabulary",
    )
    embedding: int | None = setting(
        64, "columns of the word table, if fewer than `hidden`; none keeps `hidden`", 4, 4096
    )
    hidden_act: str = setting(
        "gelu", "activation of the feed-forward blocks: gelu, or relu, which computes less"
    )
    teacher_layers: tuple[int, ...] | None = setting(
        None, "[0, 5]: the teacher's layers to start from; none spreads them evenly", 0, 999
    )
    max_length: int = setting(64, "tokens; longer texts are cut", 8, 512, flag="--max-length")
    donor: str | None = setting(
        None, "BERT of the first weights where the teacher is none; none is minilm", file=True
    )

    def __post_init__(self) -> None:
        """Raise `ValueError` with the first number outside its limits, or at odds with another."""
        super().__post_init__()
        if self.teacher_layers is not None and len(self.teacher_layers) != self.layers:
            raise ValueError(
                f"teacher_layers names {len(self.teacher_layers)} layers and layers is "
                f"{self.layers}; name as many, counted from 0"
            )
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(
                f"hidden_act is {self.hidden_act!r}; choose one of {', '.join(ACTIVATIONS)}"
            )

    @property
    def columns(self) -> int:
        """Of the word table; where they are fewer than `hidden`, a matrix widens them."""
        return min(self.embedding or self.hidden, self.hidden)


@dataclass(frozen=True, kw_only=True)
class DistillConfig(Checked):
    """How the student is trained."""

    epochs: int = setting(
        3, "of distillation, over all texts of the transfer set", 1, 10_000, flag="--epochs"
    )
    least_steps: int = setting(
        1_500, "a small transfer set is seen in as many epochs as these take", 1, 10_000_000
    )
    batch_size: int = setting(64, "over all processes together", 1, 4096)
    learning_rate: float = setting(2e-3, "of the student", 1e-7, 1.0)
    head_learning_rate: float = setting(3e-3, "of its pooler and classifier", 1e-7, 1.0)
    temperature: float = setting(
        2.5, "softens what is compared, times the teacher's calibrated one", 0.1, 100.0
    )
    logit_weight: float = setting(
        0.9, "weight of the loss that compares logits with the teacher's", 0.0, 1000.0
    )
    label_weight: float = setting(1.0, "weight of cross-entropy with the labels", 0.0, 1000.0)
    hidden_weight: float = setting(
        0.0, "weight of the distance of hidden states, layer by layer", 0.0, 1000.0
    )
    embedding_weight: float = setting(0.0, "weight of the distance of embeddings", 0.0, 1000.0)
    relation_weight: float = setting(
        0.0, "weight of the divergence of self-attention relations", 0.0, 1000.0
    )
    outside_weight: float = setting(0.0, "weight of the outlier-exposure loss", 0.0, 1000.0)
    word_dropout: float = setting(
        0.05, "share of word pieces hidden from the student, not from the teacher", 0.0, 0.9
    )
    augment: int | None = setting(
        None, "reworded copies of each text; none is 3, with --fine-tune up to 12", 0, 100
    )


@dataclass(frozen=True, kw_only=True)
class Gates(Checked):
    """What must hold on the test part before anything ships."""

    min_skill: float = setting(
        0.2,
        "gate: of both models; 0 is the commonest intent alone, 1 all right",
        0.0,
        1.0,
    )
    min_retention: float | None = setting(
        None,
        "gate: share of the teacher's accuracy that the student keeps; none asks for none",
        0.0,
        1.0,
        flag="--min-retention",
    )
    min_agreement: float = setting(
        0.99,
        "gate: share of texts on which artefact and float model agree",
        0.0,
        1.0,
        flag="--min-agreement",
    )
    min_same_decisions: float = setting(
        0.97,
        "gate: share of texts that artefact and float model both answer, or both do not",
        0.0,
        1.0,
    )
    max_accuracy_drop: float = setting(
        0.005,
        "gate: accuracy, and macro F1, that an artefact may lose, absolute",
        0.0,
        1.0,
        flag="--max-drop",
    )
    max_class_drop: float = setting(
        0.1, "gate: share of an intent's texts that the artefact alone has wrong", 0.0, 1.0
    )
    max_probe_error: float = setting(
        0.25,
        "gate: error on odd texts and every length, as a share of the logits' spread",
        0.0,
        1.0,
    )
    min_kept: float = setting(
        0.95, "share of in-scope validation texts that the threshold lets through", 0.0, 1.0
    )
    max_recipe_loss: float = setting(
        0.003, "accuracy that --recipe auto may lose on validation, absolute", 0.0, 1.0
    )
    max_outside: float = setting(
        0.25, "share of an artefact's operators that may run outside the fast kernels", 0.0, 1.0
    )


@dataclass(frozen=True, kw_only=True)
class RunConfig(Checked):
    """Everything that `pocketbert run` does, in one value."""

    preset: str = setting(
        "nano", "pico, nano 2x128, micro 2x256, small 3x256 (layers x hidden)", flag="--preset"
    )
    seed: int = setting(0, "of splits and training", 0, 2**31 - 1, flag="--seed")
    checkpoint_steps: int = setting(
        200,
        "of training between two saved states; a killed run loses fewer",
        1,
        1_000_000,
        decides=False,
    )
    processes: int | None = setting(
        None,
        "that compute side by side; none is one a core",
        1,
        1024,
        flag="--processes",
        decides=False,
    )
    targets: tuple[str, ...] = setting(
        DEFAULT_TARGETS, f"formats to make: {', '.join(TARGETS)}", flag="--targets"
    )
    allow_missing: bool = setting(
        False, "seal without named targets that can't be made here", flag="--allow-missing"
    )
    recipe: str = setting(
        "int8", f"how weights are stored: {', '.join((*RECIPES, AUTO))}", flag="--recipe"
    )
    keep_float: tuple[str, ...] = setting(
        (), "parts kept in float: classifier, layers.0.attention, …", flag="--float"
    )
    data: DataConfig = field(default_factory=DataConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentSpec = field(default_factory=StudentSpec)
    distill: DistillConfig = field(default_factory=DistillConfig)
    gates: Gates = field(default_factory=Gates)

    def __post_init__(self) -> None:
        """Raise `ValueError` with the first value that is none of those known."""
        super().__post_init__()
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

    @property
    def required(self) -> tuple[str, ...]:
        """The targets without which nothing is sealed; of those by default, any one is enough."""
        return () if self.allow_missing or self.targets == DEFAULT_TARGETS else self.targets

    @property
    def lowering(self) -> Recipe | None:
        """The recipe with its exceptions; None where it is to be chosen."""
        if self.recipe == AUTO:
            return None
        return replace(RECIPES[self.recipe], keep_float=self.keep_float)


# Shape and training of each preset; a larger student starts from more of the teacher. Of the same
# bytes, a longer and narrower word table was better at `nano`; `micro` and `small` were not tried.
PRESETS: dict[str, tuple[StudentSpec, DistillConfig]] = {
    "pico": (StudentSpec(vocabulary=6_500), DistillConfig()),
    "nano": (StudentSpec(), DistillConfig()),
    "micro": (
        StudentSpec(layers=2, hidden=256, vocabulary=8_000, embedding=None),
        DistillConfig(learning_rate=8e-4),
    ),
    "small": (
        StudentSpec(layers=3, hidden=256, vocabulary=7_900, embedding=None, hidden_act="relu"),
        DistillConfig(learning_rate=8e-4),
    ),
}


# The defaults where a model is packaged as it is. Nothing is trained, so most texts can judge;
# without a source, there are no labels to judge by. Layers are the model's own, once it is read.
AS_IS = RunConfig(
    data=DataConfig(source="", validation_share=0.3, test_share=0.4),
    student=StudentSpec(layers=48, vocabulary=None, max_length=128),
)
SETTINGS = tuple(declared_in(RunConfig))


def with_preset(name: Any) -> RunConfig:
    """The defaults of the preset `name`; those of all where there is none such."""
    if not isinstance(name, str) or name not in PRESETS:
        return RunConfig()
    student, distill = PRESETS[name]
    return RunConfig(preset=name, student=student, distill=distill)
