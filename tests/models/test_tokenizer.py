import json

import pytest
from transformers import AutoTokenizer, BertTokenizer

from pocketbert.base.errors import ModelError
from pocketbert.bundle.golden import TORTURE
from pocketbert.models.tokenizer import check_ids_equal, read_tokenizer, save_tokenizer
from pocketbert.models.vocabulary import SPECIAL, Vocabulary

WORDS = (
    "ich",
    "möchte",
    "mochte",
    "straße",
    "über",
    "uber",
    "今",
    "天",
    "今天",
    "hot",
    "İ",
    "ı",
    "##x",
)
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüßM"
TAILS = ["##" + letter for letter in "abehiınorstuö"]
PIECES = tuple(dict.fromkeys((*SPECIAL, *LETTERS, *WORDS, *TAILS)))
TEXTS = (*TORTURE, "Ich möchte über die Straße", "今天 hot", "ISPARTA İzmir ılık", "MOCHTE möchte")
SETTINGS = [
    {"lowercase": True},
    {"lowercase": False},
    {"lowercase": True, "strip_accents": False},
    {"lowercase": False, "strip_accents": True},
    {"lowercase": True, "split_chinese": False},
]


@pytest.fixture(params=SETTINGS, ids=str)
def vocabulary(request):
    return Vocabulary(PIECES, max_length=64, **request.param)


def by_vocab_txt(vocabulary, folder):
    """As transformers 4 and Google wrote it."""
    vocabulary.save(folder)
    options = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": vocabulary.lowercase,
        "strip_accents": vocabulary.strip_accents,
        "tokenize_chinese_chars": vocabulary.split_chinese,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(options))
    (folder / "config.json").write_text('{"model_type": "bert"}')


def by_transformers_5(vocabulary, folder):
    """Without a vocab.txt."""
    by_vocab_txt(vocabulary, folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "vocab.txt").unlink()


@pytest.mark.parametrize("write", [by_vocab_txt, by_transformers_5, save_tokenizer])
def test_settings_of_every_kind_of_folder_are_taken_over(vocabulary, tmp_path, write):
    write(vocabulary, tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    found = read_tokenizer(tmp_path, 64)
    assert (found.pieces, found.settings) == (vocabulary.pieces, vocabulary.settings)
    check_ids_equal(found, tmp_path, TEXTS)


def test_other_ids_than_the_folders_own_stop_the_run(tmp_path):
    by_vocab_txt(Vocabulary(PIECES, strip_accents=False), tmp_path)
    wrong = Vocabulary(PIECES)
    check_ids_equal(wrong, tmp_path, ["ich"])
    with pytest.raises(ModelError, match=r"'ich möchte' is read as .* mochte .* möchte"):
        check_ids_equal(wrong, tmp_path, ["ich möchte"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokenizer_class": "BertJapaneseTokenizer", "word_tokenizer_type": "mecab"}, "is BertJ"),
        ({"tokenizer_class": "BertTokenizer", "word_tokenizer_type": "mecab"}, "with mecab"),
        ({"tokenizer_class": "BertTokenizer", "do_basic_tokenize": False}, "cuts words with none"),
        ({"tokenizer_class": "KoBertTokenizer"}, "its tokenizer is KoBertTokenizer"),
        ({"tokenizer_class": "RobertaTokenizerFast"}, "its tokenizer is RobertaTokenizerFast"),
    ],
)
def test_a_tokenizer_that_phones_cannot_run_is_refused_by_name(tmp_path, options, message):
    by_vocab_txt(Vocabulary(PIECES), tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(options))
    with pytest.raises(ModelError, match=message):
        read_tokenizer(tmp_path, 64)


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("model", {"type": "Unigram"}, "model is Unigram, not WordPiece"),
        ("model", {"type": "BPE"}, "model is BPE, not WordPiece"),
        ("normalizer", {"type": "Sequence"}, "normalizer is Sequence, not BertNormalizer"),
        ("normalizer", None, "normalizer is missing"),
        ("pre_tokenizer", {"type": "Whitespace"}, "pre-tokenizer is Whitespace"),
        ("model", {"type": "WordPiece", "vocab": {"[PAD]": 0, "a": 2}}, "ids are not 0 to 1"),
    ],
)
def test_a_tokenizer_json_of_another_kind_is_refused_by_its_part(tmp_path, part, content, message):
    save_tokenizer(Vocabulary(PIECES), tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), part: content}))
    with pytest.raises(ModelError, match=message):
        read_tokenizer(tmp_path, 64)


def test_the_stock_tokenizer_of_a_saved_vocabulary_gives_our_ids(vocabulary, tmp_path):
    save_tokenizer(vocabulary, tmp_path)
    theirs = BertTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        expected = theirs(text, truncation=True, max_length=64)["input_ids"]
        assert vocabulary.encode([text]).input_ids[0].tolist() == expected, text
