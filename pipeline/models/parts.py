"""The classifiers that a phone may run, taken apart into one shape: BERT, DistilBERT, ELECTRA.

All are a word table, positions, a norm, encoder layers as BERT has them, and two matrices over the
[CLS] row with an activation between. What else differs in names alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..base.config import ACTIVATIONS
from ..base.errors import ModelError
from .stock import (
    BertForSequenceClassification,
    DistilBertForSequenceClassification,
    ElectraForSequenceClassification,
    PreTrainedModel,
)
from .tokenizer import read_object, read_tokenizer
from .vocabulary import Vocabulary
from .weights import load_weights

ARCHITECTURES: dict[str, type[PreTrainedModel]] = {  # by model_type in config.json
    "bert": BertForSequenceClassification,
    "distilbert": DistilBertForSequenceClassification,
    "electra": ElectraForSequenceClassification,
}
# What in config.json the lean graph computes; the first is what stands there by default.
ALLOWED = {
    "hidden_act": ACTIVATIONS,
    "activation": ACTIVATIONS,  # as DistilBERT calls it
    "position_embedding_type": ("absolute",),
}


@dataclass(frozen=True)
class LayerParts:
    """One encoder layer."""

    query: nn.Linear
    key: nn.Linear
    value: nn.Linear
    output: nn.Linear
    attention_norm: nn.LayerNorm
    expand: nn.Linear
    activation: Callable[[Tensor], Tensor]
    contract: nn.Linear
    norm: nn.LayerNorm


@dataclass(frozen=True)
class Parts:
    """One classifier."""

    words: Any  # a table, or what stands for one
    positions: Tensor  # (positions, width), the embedding of the first token type among them
    norm: nn.LayerNorm  # of the embeddings
    project: nn.Module  # of normed embeddings to the hidden size
    layers: tuple[LayerParts, ...]
    heads: int
    dense: nn.Linear
    activation: Callable[[Tensor], Tensor]
    classifier: nn.Linear


def open_whole(
    kind: type[PreTrainedModel], folder: Path, max_length: int, **options: Any
) -> tuple[PreTrainedModel, Vocabulary]:
    """Open a Hugging Face folder as `kind`, with its vocabulary, if a phone may run what it holds.

    Raises:
        ModelError: what the lean graph does not compute, a missing or damaged file, too few
            positions, or a vocabulary of another model.
    """
    config = read_object(folder / "config.json")
    for key, values in ALLOWED.items():
        if config.get(key, values[0]) not in values:
            runs = " or ".join(map(repr, values))
            raise ModelError(
                f"{folder}: {key} is {config[key]!r}, and a phone runs {runs}. Choose a model "
                "that has it so."
            )
    if (positions := config.get("max_position_embeddings", 512)) < max_length:
        raise ModelError(
            f"{folder}: reads {positions} tokens, fewer than max_length {max_length}. Lower it "
            f"with --max-length {positions}."
        )
    vocabulary = read_tokenizer(folder, max_length)
    model = load_weights(kind, folder, **options)
    if len(vocabulary) > model.config.vocab_size:
        raise ModelError(
            f"{folder}: the vocabulary has {len(vocabulary)} pieces and the embedding "
            f"{model.config.vocab_size} rows. Use the vocabulary that it was trained with."
        )
    return model, vocabulary


def parts_of(model: PreTrainedModel) -> Parts:
    """The parts of `model`, which is one of `ARCHITECTURES`."""
    if isinstance(model, DistilBertForSequenceClassification):
        return _distilbert(model)
    electra = isinstance(model, ElectraForSequenceClassification)
    body = model.electra if electra else model.bert
    embeddings = body.embeddings
    head = model.classifier
    return Parts(
        words=embeddings.word_embeddings,
        positions=embeddings.position_embeddings.weight
        + embeddings.token_type_embeddings.weight[0],
        norm=embeddings.LayerNorm,
        project=getattr(body, "embeddings_project", nn.Identity()),
        layers=tuple(map(_bert_layer, body.encoder.layer)),
        heads=model.config.num_attention_heads,
        dense=head.dense if electra else body.pooler.dense,
        activation=nn.functional.gelu if electra else torch.tanh,
        classifier=head.out_proj if electra else head,
    )


def _bert_layer(layer: Any) -> LayerParts:
    attention, output = layer.attention.self, layer.attention.output
    return LayerParts(
        query=attention.query,
        key=attention.key,
        value=attention.value,
        output=output.dense,
        attention_norm=output.LayerNorm,
        expand=layer.intermediate.dense,
        activation=layer.intermediate.intermediate_act_fn,
        contract=layer.output.dense,
        norm=layer.output.LayerNorm,
    )


def _distilbert(model: DistilBertForSequenceClassification) -> Parts:
    embeddings = model.distilbert.embeddings
    return Parts(
        words=embeddings.word_embeddings,
        positions=embeddings.position_embeddings.weight,
        norm=embeddings.LayerNorm,
        project=nn.Identity(),
        layers=tuple(
            LayerParts(
                query=layer.attention.q_lin,
                key=layer.attention.k_lin,
                value=layer.attention.v_lin,
                output=layer.attention.out_lin,
                attention_norm=layer.sa_layer_norm,
                expand=layer.ffn.lin1,
                activation=layer.ffn.activation,
                contract=layer.ffn.lin2,
                norm=layer.output_layer_norm,
            )
            for layer in model.distilbert.transformer.layer
        ),
        heads=model.config.n_heads,
        dense=model.pre_classifier,
        activation=torch.relu,
        classifier=model.classifier,
    )
