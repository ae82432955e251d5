import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).with_name("languages")
INTENTS = {"alarm", "timer", "weather", "music", "lights", "call", "message", "navigation"}

FEATURES = {
    "de": {"ß": "ß", "ẞ": "ẞ", "capital umlaut": "[ÄÖÜ]", "umlaut": "[äöü]", "„quotes“": "„.+“"},
    "fr": {
        "capital accent": "[ÀÂÇÉÈÊÎÔÛ]",
        "ligature": "[œŒ]",
        "cedilla": "ç",
        "diaeresis": "[ëïüÿ]",
        "both apostrophes": "['’]",
        "guillemets": "« .+ »",
    },
    "tr": {
        "dotted capital": "İ",
        "dotless capital": r"\bI[a-zışğ]",
        "dotless": "ı",
        "dotless among capitals": "[A-ZÇĞÖŞÜ]I|I[A-ZÇĞÖŞÜ]",
        "dotted among capitals": "[A-ZÇĞÖŞÜ]İ|İ[A-ZÇĞÖŞÜ]",
        "circumflex": "[âî]",
        "typed in ASCII": "^(?=.*(?:yarin|isigi|nasil))[ -~]+$",
    },
    "vi": {
        "two marks on a vowel": "[ấầẩẫậắằẳẵặếềểễệốồổỗộớờởỡợứừửữự]",
        "two marks on a capital": "[ẤẦẨẪẬẮẰẲẴẶẾỀỂỄỆỐỒỔỖỘỚỜỞỠỢỨỪỬỮỰ]",
        "horn": "[ơư]",
        "đ": "đ",
        "typed in ASCII": "^(?=.*(?:goi|troi|nguoc|duong))[ -~]+$",
    },
    "ar": {
        "diacritics": "(?:[\u0621-\u064a][\u064b-\u0652]+){3}",
        "no diacritics": "^[^\u064b-\u0652]+$",
        "tatweel": "\u0640",
        "Arabic digits": "[٠-٩]",
        "punctuation": "[؟،]",
    },
    "hi": {
        "nukta": "[\u0915-\u0939]\u093c",
        "conjunct": "[\u0915-\u0939]\u094d[\u0915-\u0939]",
        "conjunct of three": "(?:[\u0915-\u0939]\u093c?\u094d){2}[\u0915-\u0939]",
        "nasal": "[\u0901\u0902]",
        "Hindi digits": "[०-९]",
        "danda": "।",
    },
    "zh": {
        "Latin word": "[A-Za-z]{3,}",
        "full-width punctuation": "[，？！：]",
        "full-width letters": "[Ａ-Ｚ]{2,}",
        "full-width digits": "[０-９]",
        "traditional": "[請嗎點鬧計]",
        "title marks": "《.+》",
    },
    "ja": {
        "long mark": "[ァ-ヺ]ー",
        "half-width kana": "[ｦ-ﾝ]{2,}",
        "half-width voicing": "[ｦ-ﾝ][ﾞﾟ]",
        "kanji and kana": "[一-龯][ぁ-ん]",
        "full-width letters": "[Ａ-Ｚ]{2,}",
    },
    "th": {
        "long and without blanks": r"^[\u0e01-\u0e5b]{25,}$",
        "vowel and tone on a letter": "[\u0e31\u0e34-\u0e3a\u0e47][\u0e48-\u0e4b]",
        "sara am": "ำ",
        "repetition mark": "ๆ",
        "Thai digits": "[๐-๙]",
    },
}
OCCURRENCES = 2  # one text may land in a split that a test does not look at


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def faults(language: str, rows: list[dict[str, str]]) -> list[str]:
    counts = Counter(row["intent"] for row in rows)
    keys = Counter(unicodedata.normalize("NFKC", row["text"]).casefold() for row in rows)
    found = []
    if set(counts) != INTENTS | {"oos"}:
        found.append("intents")
    if any(counts[intent] < 30 for intent in INTENTS) or counts["oos"] < 20:
        found.append("too few texts")
    if max(keys.values()) > 1:
        found.append("duplicate")
    if any(not unicodedata.is_normalized("NFC", row["text"]) for row in rows):
        found.append("not NFC")
    if any(row["text"] != " ".join(row["text"].split()) or not row["text"] for row in rows):
        found.append("blanks")
    for feature, pattern in FEATURES[language].items():
        if sum(bool(re.search(pattern, row["text"])) for row in rows) < OCCURRENCES:
            found.append(feature)
    return found


def test_there_is_one_file_for_each_of_nine_languages():
    assert {path.stem for path in FOLDER.glob("*.jsonl")} == set(FEATURES)
    assert len(FEATURES) == 9


@pytest.mark.parametrize("language", FEATURES)
def test_a_language_has_its_intents_texts_and_features(language):
    assert faults(language, read(FOLDER / f"{language}.jsonl")) == []


def changed(rows: list[dict[str, str]], old: str, new: str) -> list[dict[str, str]]:
    return [{"text": row["text"].replace(old, new), "intent": row["intent"]} for row in rows]


PLANTED = {
    "intents": lambda rows: [row for row in rows if row["intent"] != "oos"],
    "too few texts": lambda rows: (
        [row for row in rows if row["intent"] != "call"]
        + [row for row in rows if row["intent"] == "call"][:29]
    ),
    "duplicate": lambda rows: [*rows, {"text": "ＷＥＴＴＥＲ ZÜRICH", "intent": "weather"}],
    "not NFC": lambda rows: changed(rows, "ü", "u\u0308"),
    "blanks": lambda rows: changed(rows, " ", "  "),
    "ß": lambda rows: changed(rows, "ß", "ss"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault):
    assert fault in faults("de", PLANTED[fault](read(FOLDER / "de.jsonl")))
