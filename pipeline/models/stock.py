"""transformers' own models: imported and opened without what that prints. It adds nothing to it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..base.quiet import hushed

with hushed():
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        BertConfig,
        BertForSequenceClassification,
        BertModel,
        BertTokenizerFast,
        DistilBertForSequenceClassification,
        ElectraForSequenceClassification,
        PreTrainedModel,
    )
    from transformers.models.bert.modeling_bert import BertLayer
    from transformers.utils import logging

__all__ = [
    "AutoModelForSequenceClassification",
    "AutoTokenizer",
    "BertConfig",
    "BertForSequenceClassification",
    "BertLayer",
    "BertModel",
    "BertTokenizerFast",
    "DistilBertForSequenceClassification",
    "ElectraForSequenceClassification",
    "PreTrainedModel",
    "opening",
]


@contextmanager
def opening() -> Iterator[None]:
    """Open models without a bar for each; a host program's bars are as before afterwards."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with hushed():
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
