"""Classifiers of each architecture packaged, and the demo's encoder: a row of a table each."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from classifiers import make_classifier
from safetensors.numpy import load_file
from tables import keep_row
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from pocketbert.app.folders import STUDENT, VERIFIED
from pocketbert.app.stages.one_target import MEASURED
from pocketbert.base.config import AS_IS, DataConfig, TeacherConfig
from pocketbert.bundle.open import open_bundle
from pocketbert.data.corpus import load_corpus
from pocketbert.flow import package
from pocketbert.models.batches import batch_tensors
from pocketbert.models.encoders import MINILM, load_encoder, locate
from pocketbert.models.parts import ARCHITECTURES
from pocketbert.models.student import load_student
from pocketbert.models.tokenizer import save_tokenizer

LENGTH = 32
FROZEN, EPOCHS, BATCH = 4, 3, 32  # layers of MiniLM that stay as they are

pytestmark = pytest.mark.slow


def fine_tune_minilm(folder):
    """The demo's teacher with a stock head: MiniLM fine-tuned on the built-in intents."""
    corpus, source = load_corpus(DataConfig()), locate(MINILM)
    _, vocabulary = load_encoder(source, 128)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(
        source, num_labels=len(corpus.labels), id2label=dict(enumerate(corpus.labels))
    )
    for part in (model.bert.embeddings, *model.bert.encoder.layer[:FROZEN]):
        part.requires_grad_(False)
    texts, labels = corpus.train.texts, torch.tensor(corpus.train.labels)
    learning = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learning, 3e-4)
    steps = EPOCHS * len(torch.arange(len(texts)).split(BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-4, steps, pct_start=0.1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(texts)).split(BATCH):
            ids, mask = batch_tensors(vocabulary, [texts[row] for row in rows])
            model(input_ids=ids, attention_mask=mask, labels=labels[rows]).loss.backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    save_tokenizer(vocabulary, folder)
    return folder


def stock_answers(folder, texts):
    """Ids of each text and logits (texts, labels) as transformers alone computes them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    cut = {"truncation": True, "max_length": LENGTH}
    ids, rows = tokenizer(list(texts), **cut)["input_ids"], []
    for start in range(0, len(texts), BATCH):
        batch = tokenizer(
            list(texts[start : start + BATCH]), padding=True, return_tensors="pt", **cut
        )
        with torch.no_grad():
            rows.append(model(batch["input_ids"], batch["attention_mask"]).logits)
    return ids, torch.cat(rows).numpy()


def row_of(result, folder, corpus):
    """What was found of the model in `folder`, logits against those of transformers."""
    bundle, test = open_bundle(result.bundle), corpus.test
    ids, expected = stock_answers(folder, test.texts)
    encoded = [bundle.vocabulary.encode([text]).input_ids[0].tolist() for text in test.texts]
    same = sum(ours == theirs for ours, theirs in zip(encoded, ids, strict=True))
    float_logits = load_student(result.out / STUDENT).logits(test.texts)
    row = {
        "model": result.architecture,
        "parameters": result.parameters,
        "bytes": result.size_bytes,
        "accuracy": result.evaluation.accuracy,
        "largest logit": float(np.abs(expected).max()),
        "largest difference": float(np.abs(float_logits - expected).max()),
        "ids equal": f"{same} of {len(ids)}",
        "command": bundle.manifest.provenance.command,
        "not run": {name: missing.reason for name, missing in result.not_run.items()},
        "artefacts": {},
    }
    for name in bundle.artifacts:
        verdict, start = result.verdicts[name], len(corpus.validation.texts)
        measured = load_file(result.out / VERIFIED / name / MEASURED)["logits"]
        found = measured[start : start + len(test.texts)]
        row["artefacts"][name] = {
            "accuracy": verdict.evaluation.accuracy,
            "same label": float((found.argmax(1) == expected.argmax(1)).mean()),
            "largest difference": float(np.abs(found - expected).max()),
            "gates": f"{sum(gate.holds for gate in verdict.gates)} of {len(verdict.gates)}",
            "bytes": verdict.stored.size_bytes,
        }
    return row


@pytest.mark.parametrize("kind", [*ARCHITECTURES, MINILM])
def test_a_packaged_model_answers_as_transformers_does(kind, tmp_path, toy_data):
    folder, data = tmp_path / kind, replace(AS_IS.data, source=str(toy_data))
    if kind == MINILM:
        folder, data = fine_tune_minilm(folder), replace(AS_IS.data, source="assistant")
    else:
        make_classifier(folder, kind, width=64)
    config = replace(
        AS_IS,
        data=data,
        teacher=TeacherConfig(source=str(folder)),
        student=replace(AS_IS.student, max_length=LENGTH),
    )
    result = package(config, tmp_path / "out")
    assert result.failures == ()
    row = row_of(result, folder, load_corpus(data, config.seed))
    keep_row("PACKAGED_MODELS", row)
    count = row["ids equal"].split(" of ")
    assert count[0] == count[1]
    assert row["largest difference"] < 1e-4
    assert all(one["same label"] >= 0.99 for one in row["artefacts"].values())
