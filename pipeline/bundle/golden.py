"""Golden cases: texts with the ids and logits that every reader of a bundle must reproduce."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from ..base.arrays import Logits
from ..base.errors import BundleError
from ..models.vocabulary import Vocabulary
from .layout import GOLDEN
from .manifest import Manifest
from .plain import read_checked

GOLDEN_CASES = 200
# Logits of an artefact, about; so many fewer cases where labels are many. A logit takes 6 bytes,
# and five artefacts' cases are to stay below a quarter of the smallest preset's megabyte.
GOLDEN_LOGITS = 6_800
LEAST_CASES = 8
LARGEST = 1e6  # logit
DECIMALS = 2  # of a logit; no reader is held to less than .05
# What breaks tokenizers and runtimes: every bundle carries these, whatever its data.
TORTURE = (
    "",
    " ",
    "?",
    "a",
    "Café déjà vu, naïve façade",
    "İstanbul'da hava nasıl? ığüşöç",
    "ΟΔΥΣΣΕΥΣ ὀδός",
    "e\u0301 combining, a\u030a ring, n\u0303",
    "今天天气怎么样",
    "東京の天気は？",
    "한국어도 되나요",
    "ما حال الطقس اليوم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีครับ",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 👍🏽",
    "set a timer ⏰ for 5️⃣ minutes",
    "tab\tnew\nline\rreturn",
    "nul\x00inside bell\x07 escape\x1b",
    "zero\u200bwidth\u200djoin\ufeffbom soft\u00adhyphen",
    "\u202eright to left override",
    "lone\ufffdreplacement",
    "[CLS] hello [SEP] [PAD] [MASK] [UNK]",
    "##ing un##believable",
    "don't can't it's y'all'd've",
    "$5.99 @home #tag 50% (a+b)*c=d",
    "ALL CAPS SHOUTING",
    "MiXeD cAsE",
    "ﬁ ligature ½ ² ™ ℃",
    "ｆｕｌｌ ｗｉｄｔｈ　ｔｅｘｔ",
    "x" * 101,
    "ß ẞ ŉ ǆ",
    "a" * 1_000,
    "word " * 200,
    "trailing space ",
    "...",
    "——— “quotes” ‘single’ «guillemets»",
    "123 4567 89.01 1,000,000",
    "https://example.com/a?b=c&d=e",
    "user@example.com",
)


@dataclass(frozen=True)
class GoldenCase:
    """A text with the ids, mask and logits per artefact that every reader must reproduce."""

    text: str
    input_ids: tuple[int, ...]
    attention_mask: tuple[int, ...]
    logits: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Golden:
    """All golden cases; the first `torture` of them are there to break tokenizers."""

    torture: int
    cases: tuple[GoldenCase, ...]


_GOLDEN = TypeAdapter(Golden)


def golden_texts(texts: tuple[str, ...], labels: int) -> tuple[str, ...]:
    """The torture cases, then an even sample of `texts`: `GOLDEN_CASES` in all if there are.

    With many `labels` they are fewer of both kinds, so that the file does not outgrow the model.
    """
    cases = max(LEAST_CASES, min(GOLDEN_CASES, GOLDEN_LOGITS // labels))
    odd = min(len(TORTURE), cases // 2)
    return (*_sample(TORTURE, odd), *_sample(texts, cases - odd))


def _sample(texts: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Evenly, from the first on."""
    return texts[:: max(1, len(texts) // count)][:count]


def make_golden(
    texts: tuple[str, ...], vocabulary: Vocabulary, logits: Mapping[str, Logits]
) -> tuple[GoldenCase, ...]:
    """Golden cases of `texts`, with the logits (texts, labels) of each target."""
    encoded = vocabulary.encode(texts)
    cases = []
    for row, text in enumerate(texts):
        used = int(encoded.attention_mask[row].sum())
        cases.append(
            GoldenCase(
                text,
                tuple(encoded.input_ids[row, :used].tolist()),
                tuple(encoded.attention_mask[row, :used].tolist()),
                {
                    name: tuple(np.round(rows[row].astype(float), DECIMALS).tolist())
                    for name, rows in logits.items()
                },
            )
        )
    return tuple(cases)


def read_golden(path: Path, manifest: Manifest) -> tuple[GoldenCase, ...]:
    """The golden cases of the bundle at `path`.

    Raises:
        BundleError: cases that no runtime may see, or not one logit a label of every artefact.
    """
    golden = read_checked(path / GOLDEN, _GOLDEN)
    cases = golden.cases
    if not cases:
        raise BundleError(f"{path / GOLDEN}: holds no case. Make the bundle again.")
    if not 0 <= golden.torture <= len(cases):
        raise BundleError(
            f"{path / GOLDEN}: torture is {golden.torture}, and there are {len(cases)} cases. "
            "Make the bundle again."
        )
    for row, case in enumerate(cases):
        _check_case(path, manifest, row, case)
    return cases


def _check_case(path: Path, manifest: Manifest, row: int, case: GoldenCase) -> None:
    pieces, most = manifest.tokenizer.pieces, manifest.tokenizer.max_length
    used = len(case.input_ids)
    right = (
        1 <= used <= most
        and case.attention_mask == (1,) * used
        and all(0 <= piece < pieces for piece in case.input_ids)
        and case.logits.keys() == manifest.artifacts.keys()
        and all(len(logits) == len(manifest.labels) for logits in case.logits.values())
        and all(abs(value) <= LARGEST for logits in case.logits.values() for value in logits)
    )
    if not right:
        raise BundleError(
            f"{path / GOLDEN}: case {row} has other ids, masks or logits than the manifest's "
            "vocabulary, labels and artefacts allow. Make the bundle again."
        )
