"""Tables of nine languages, and strings with their ids: `python tests/phone_languages.py FOLDER`.

A folder a language: `vocab.txt` and `characters.json` as a bundle has them, of a vocabulary trained
on that language's texts, and `strings.jsonl`: [text, ids] a line, ids by Hugging Face's tokenizers.
The settings of the tokenizers differ: cased, uncased, accents kept or not, ideographs split or not.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from phone_cases import STRINGS, texts
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

from pocketbert.base.files import write_json
from pocketbert.bundle.layout import CHARACTERS, VOCABULARY
from pocketbert.models.characters import characters
from pocketbert.models.vocabulary import SPECIAL, UNKNOWN, Vocabulary, normalizer

DATA = Path(__file__).parent / "data" / "languages"
LANGUAGES = tuple(sorted(file.stem for file in DATA.glob("*.jsonl")))
LENGTH, PIECES = 64, 2_000
CASED = {"lowercase": False, "strip_accents": None, "split_chinese": True}
# What differs from a cased tokenizer, as the BERTs of these languages are found to differ.
SETTINGS = {
    "de": {"lowercase": True, "strip_accents": False},
    "fr": {"lowercase": True, "strip_accents": None},
    "ja": {"split_chinese": False},
    "tr": {"lowercase": True, "strip_accents": False},
    "vi": {"lowercase": True, "strip_accents": True},
}


def read_language(language: str) -> list[str]:
    """Its texts, of every intent and of none."""
    lines = (DATA / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def make_vocabulary(language: str) -> Vocabulary:
    """A WordPiece trained on the texts of a language, by the settings of its tokenizer."""
    settings = {**CASED, **SETTINGS.get(language, {})}
    tokenizer = Tokenizer(WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer(**settings)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    trainer = WordPieceTrainer(vocab_size=PIECES, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(read_language(language), trainer)
    pieces = tokenizer.get_vocab()
    return Vocabulary(tuple(sorted(pieces, key=pieces.__getitem__)), **settings, max_length=LENGTH)


def write_language(language: str, folder: Path, count: int) -> None:
    """Tables and strings of one language."""
    vocabulary = make_vocabulary(language)
    folder.mkdir(parents=True)
    pieces = "".join(f"{piece}\n" for piece in vocabulary.pieces)
    (folder / VOCABULARY).write_text(pieces, encoding="utf-8", newline="\n")
    write_json(folder / CHARACTERS, asdict(characters(**vocabulary.settings)), compact=True)
    strings = list(texts(vocabulary, read_language(language), count))
    encodings = vocabulary.tokenizer.encode_batch(strings)
    with (folder / "strings.jsonl").open("w", encoding="utf-8") as file:
        for text, encoding in zip(strings, encodings, strict=True):
            file.write(json.dumps([text, encoding.ids]) + "\n")


def main(folder: Path, count: int) -> None:
    """All languages, with `count` strings in all or a few more."""
    for language in LANGUAGES:
        write_language(language, folder / language, -(-count // len(LANGUAGES)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int((sys.argv[2:] or [STRINGS])[0]))
