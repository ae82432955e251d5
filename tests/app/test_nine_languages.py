"""Nine languages end to end: a small multilingual teacher, made here, teaches a student of each."""

import json
import os
from pathlib import Path

import pytest
import torch
import toy
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from transformers import AutoTokenizer, BertConfig, BertModel

from pocketbert.base.config import (
    DataConfig,
    DistillConfig,
    RunConfig,
    StudentSpec,
    TeacherConfig,
)
from pocketbert.bundle.open import open_bundle
from pocketbert.data.corpus import load_corpus
from pocketbert.flow import run
from pocketbert.models.batches import batch_tensors
from pocketbert.models.teacher import pooled
from pocketbert.models.tokenizer import save_tokenizer
from pocketbert.models.vocabulary import MASK, SPECIAL, UNKNOWN, Vocabulary

FOLDER = Path(__file__).parent.parent / "data" / "languages"
LANGUAGES = sorted(file.stem for file in FOLDER.glob("*.jsonl"))
LENGTH, PIECES = 32, 2_000
EPOCHS, BATCH, RATE, HIDDEN = 12, 32, 1e-3, 0.15  # the last: share of the pieces, of a batch

pytestmark = pytest.mark.slow


def corpus_of(language):
    return load_corpus(DataConfig(source=str(FOLDER / f"{language}.jsonl")))


def make_vocabulary(texts, size=4_000):
    """A cased WordPiece over all scripts, as of a multilingual BERT."""
    tokenizer = Tokenizer(WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), limit_alphabet=2_500, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = tokenizer.get_vocab()
    return Vocabulary(tuple(sorted(pieces, key=pieces.get)), lowercase=False, max_length=LENGTH)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """An encoder, trained on the training texts of all nine languages together."""
    folder = tmp_path_factory.mktemp("multilingual")
    corpora = [corpus_of(language) for language in LANGUAGES]
    texts = [text for corpus in corpora for text in corpus.train.texts]
    labels = torch.tensor([label for corpus in corpora for label in corpus.train.labels])
    # A pretrained vocabulary has seen far more: the characters of all parts, not only of training.
    every = [t for corpus in corpora for part in corpus.parts.values() for t in part.texts]
    vocabulary = make_vocabulary(every)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=LENGTH,
    )
    encoder = BertModel(config, add_pooling_layer=False)
    head = torch.nn.Linear(64, len(corpora[0].labels))
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=RATE)
    steps = EPOCHS * len(torch.arange(len(texts)).split(BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, steps, pct_start=0.1)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(texts)).split(BATCH):
            ids, mask = batch_tensors(vocabulary, [texts[row] for row in rows])
            hidden = (torch.rand(ids.shape) < HIDDEN) & (ids >= len(SPECIAL))
            ids = torch.where(hidden, vocabulary.pieces.index(MASK), ids)
            logits = head(pooled(encoder, ids, mask))
            torch.nn.functional.cross_entropy(logits, labels[rows]).backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    encoder.save_pretrained(folder)
    save_tokenizer(vocabulary, folder)
    return folder


def is_word(piece):
    """More than a letter, or an ideograph, which BERT's tokenizer makes a word of its own."""
    return len(piece.removeprefix("##")) > 1 or "\u3400" <= piece <= "\u9fff"


def ids_equal(bundle, student, texts):
    theirs = AutoTokenizer.from_pretrained(student)
    return sum(
        bundle.vocabulary.encode([text]).input_ids[0].tolist()
        == theirs(text, truncation=True, max_length=LENGTH)["input_ids"]
        for text in texts
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_runs_end_to_end(teacher, tmp_path, language):
    config = RunConfig(
        targets=("tflite",),
        data=DataConfig(source=str(FOLDER / f"{language}.jsonl")),
        teacher=TeacherConfig(source=str(teacher)),
        student=StudentSpec(layers=1, hidden=64, vocabulary=PIECES, max_length=LENGTH),
        distill=DistillConfig(epochs=10, least_steps=400, batch_size=32, augment=4),
        gates=toy.loose_gates(min_retention=0.8, min_agreement=0.95),
    )
    result = run(config, tmp_path)
    assert result.failures == ()
    verdict, corpus = result.verdicts["tflite"], corpus_of(language)
    bundle = open_bundle(result.bundle)
    texts = [text for part in corpus.parts.values() for text in (*part.texts, *part.out_of_scope)]
    words = sum(map(is_word, bundle.vocabulary.pieces))
    row = {
        "language": language,
        "teacher": result.teacher.evaluation.accuracy,
        "student": result.student.evaluation.accuracy,
        "tflite": verdict.evaluation.accuracy,
        "agreement": verdict.agreement,
        "test texts": len(corpus.test.texts),
        "pieces": len(bundle.vocabulary),
        "words": words / len(bundle.vocabulary),
        "ids equal": f"{ids_equal(bundle, tmp_path / 'student', texts)} of {len(texts)}",
    }
    if table := os.environ.get("NINE_LANGUAGES"):
        with Path(table).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    assert row["teacher"] > 0.4  # of eight intents, from 20 texts each and no other text
    assert row["ids equal"] == f"{len(texts)} of {len(texts)}"
    assert row["words"] > 0.45  # half of the table, less special pieces and words of one letter
