"""Few labels and many, end to end: text to a bundle that opens and answers."""

import json

import pytest
import torch
from toy import perturb
from transformers import BertConfig, BertModel

from pocketbert.base.config import DataConfig, DistillConfig, RunConfig, StudentSpec, TeacherConfig
from pocketbert.bundle.open import open_bundle
from pocketbert.flow import run
from pocketbert.models.tokenizer import save_tokenizer
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

FILLERS = ["please", "could", "you", "now", "the", "a", "my", "for", "me", "again"]
TEXTS = 8  # of each label


def word(number):
    """A word of letters alone: qba, qbb, qbc …"""
    return "q" + "".join(chr(ord("a") + number // 26**place % 26) for place in (2, 1, 0))


def make_data(file, labels):
    """Every label has a word of its own, among words that say nothing."""
    with file.open("w", encoding="utf-8") as out:
        for label in range(labels):
            for text in range(TEXTS):
                before, after = FILLERS[text % 10], FILLERS[(text * 3 + label) % 10]
                row = {"text": f"{before} {word(label)} {after} {text}", "intent": f"i{label}"}
                out.write(json.dumps(row) + "\n")
    return file


def make_teacher(folder, labels):
    torch.manual_seed(0)
    pieces = (*SPECIAL, *"0123456789", *FILLERS, *map(word, range(labels)))
    pieces = tuple(dict.fromkeys((*pieces, *(f"unused{n}" for n in range(100)))))
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=128,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=32,
    )
    perturb(BertModel(config, add_pooling_layer=False), 0.2).save_pretrained(folder)
    save_tokenizer(Vocabulary(pieces, max_length=16), folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("labels", [2, 150, 1000])
def test_labels_run_end_to_end(tmp_path, labels):
    data = make_data(tmp_path / "data.jsonl", labels)
    teacher = make_teacher(tmp_path / "bert", labels)
    config = RunConfig(
        targets=("tflite",),
        data=DataConfig(source=str(data)),
        teacher=TeacherConfig(source=str(teacher)),
        student=StudentSpec(layers=1, hidden=128, vocabulary=None, max_length=16),
        distill=DistillConfig(epochs=1, least_steps=max(400, 2 * labels), augment=0),
    )
    result = run(config, tmp_path / "out")
    assert result.failures == ()
    assert result.labels == labels
    bundle = open_bundle(result.bundle)
    last = labels - 1
    assert bundle.classifier("tflite")(f"please {word(last)} now 1").label == f"i{last}"
    golden = (result.bundle / "golden.json").stat().st_size
    print(f"{labels} labels: {result.student.evaluation.accuracy:.1%}, golden {golden:,} bytes")
