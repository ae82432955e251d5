"""Stock classifiers of every architecture that is packaged, fine-tuned in seconds on the toy's."""

from dataclasses import replace

import torch
from toy import WORDS, make_vocabulary, utterances
from transformers import BertConfig, DistilBertConfig, ElectraConfig

from pocketbert.models.parts import ARCHITECTURES
from pocketbert.models.tokenizer import save_tokenizer

STEPS = 60


def make_classifier(folder, kind, lowercase=True, width=32):
    """A stock classifier, fine-tuned on the toy's intents."""
    torch.manual_seed(0)
    vocabulary = replace(make_vocabulary(), lowercase=lowercase, max_length=64)
    labels = dict(enumerate(WORDS))
    shape = {"vocab_size": len(vocabulary), "max_position_embeddings": 64, "id2label": labels}
    wide = {"hidden_size": width, "num_hidden_layers": 2, "num_attention_heads": 2}
    wide |= {"intermediate_size": 2 * width}
    config = {
        "bert": lambda: BertConfig(**shape, **wide),
        "electra": lambda: ElectraConfig(**shape, **wide, embedding_size=width // 2),
        "distilbert": lambda: DistilBertConfig(
            **shape, dim=width, n_layers=2, n_heads=2, hidden_dim=2 * width
        ),
    }[kind]()
    model = ARCHITECTURES[kind](config)
    rows = [
        (text, label)
        for label, words in enumerate(WORDS.values())
        for text in utterances(words, 40, 7)
    ]
    encoded = vocabulary.encode([text for text, _ in rows])
    ids, mask = map(torch.from_numpy, (encoded.input_ids, encoded.attention_mask))
    labels = torch.tensor([label for _, label in rows])
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(STEPS):
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(folder)
    save_tokenizer(vocabulary, folder)
    return folder
