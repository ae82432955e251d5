"""A data set of three easy intents, a BERT of random weights, and settings of seconds."""

import json
import textwrap
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from transformers import BertConfig, BertModel

from pocketbert.base.arrays import Logits
from pocketbert.base.config import Gates
from pocketbert.base.files import sha256
from pocketbert.bundle.layout import MANIFEST
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

DATA, SETTINGS = "toy.jsonl", "toy.toml"
WORDS = {
    "lights": "turn on switch off dim the lights lamp bright dark room kitchen",
    "music": "play some music song album band jazz rock loud tune guitar",
    "weather": "will it rain today is sunny cold forecast snow umbrella wind",
}
OUTSIDE = "tax law stock goalkeeper recipe novel planet vote cheese wallet"


def utterances(words: str, count: int, seed: int) -> list[str]:
    """Distinct texts of three to five of `words`."""
    generator = torch.Generator().manual_seed(seed)
    vocabulary, texts = words.split(), dict[str, None]()
    while len(texts) < count:
        size = int(torch.randint(3, 6, (1,), generator=generator))
        order = torch.randperm(len(vocabulary), generator=generator)[:size]
        texts[" ".join(vocabulary[i] for i in order)] = None
    return list(texts)


def make_data(folder: Path) -> Path:
    """Write a JSONL file of three intents and some out-of-scope texts into `folder`."""
    rows = [
        {"text": text, "intent": intent}
        for seed, (intent, words) in enumerate(WORDS.items())
        for text in utterances(words, 60, seed)
    ]
    rows += [{"text": text, "intent": "oos"} for text in utterances(OUTSIDE, 30, 9)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / DATA).write_text(lines, encoding="utf-8")
    return folder / DATA


def make_vocabulary() -> Vocabulary:
    """Letters, their continuations, and every word of the data."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789?!.,'"
    words = dict.fromkeys(" ".join([*WORDS.values(), OUTSIDE]).split())
    pieces = (*SPECIAL, *letters, *(f"##{letter}" for letter in letters))
    return Vocabulary(tuple(dict.fromkeys((*pieces, *words))), max_length=32)


def make_bert(folder: Path) -> Path:
    """Write a BERT of random weights into `folder`: 3 layers x 64, enough for bags of words."""
    torch.manual_seed(0)
    vocabulary = make_vocabulary()
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=64,
    )
    perturb(BertModel(config, add_pooling_layer=False)).save_pretrained(folder)
    vocabulary.save(folder)
    return folder


def make_settings(folder: Path, data: Path, bert: Path) -> Path:
    """Write the settings of a run of seconds over these into `folder`."""
    settings = f"""
        targets = ["tflite", "coreml"]
        processes = 1  # a second one imports for longer than all of this takes
        [data]
        source = {json.dumps(str(data))}
        [teacher]
        source = {json.dumps(str(bert))}
        [student]
        layers = 1
        hidden = 32
        max_length = 32
        [distill]
        epochs = 20
        least_steps = 1
        batch_size = 16
        augment = 0
        label_weight = 0.1
        [gates]
        min_retention = 0.9
    """
    (folder / SETTINGS).write_text(textwrap.dedent(settings), encoding="utf-8")
    return folder / SETTINGS


def loose_gates(min_retention: float, min_agreement: float) -> Gates:
    """Gates that a model passes which was trained for seconds."""
    return Gates(
        max_probe_error=1.0,
        min_same_decisions=0.8,
        max_accuracy_drop=0.05,
        min_retention=min_retention,
        min_agreement=min_agreement,
    )


def reseal(bundle: Path, name: str) -> None:
    """Give the manifest the digest that a file of `bundle` has now, as a careless tool would."""
    file = bundle / name
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][name] = {"sha256": sha256(file), "bytes": file.stat().st_size}
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def perturb(model: torch.nn.Module, scale: float = 0.05) -> torch.nn.Module:
    """Move every weight: a fresh model's zero biases and unit gains are folded away."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def overconfident(
    texts: int = 4000, classes: int = 5, factor: float = 3.0
) -> tuple[Logits, list[int]]:
    """Logits whose honest temperature is `factor`."""
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(texts, classes)) * 2
    labels = [int(generator.choice(classes, p=row)) for row in softmax(logits, axis=1)]
    return (logits * factor).astype(np.float32), labels
