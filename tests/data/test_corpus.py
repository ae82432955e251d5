import json
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

import pocketbert
from pocketbert.base.config import DataConfig
from pocketbert.base.errors import DataError
from pocketbert.data.corpus import (
    MIN_EXAMPLES,
    load_corpus,
    read_labelled,
    read_replies,
    sample_rows,
)


def rows(count=10, intents=("a", "b")):
    return [{"text": f"{i} text {n}", "intent": i} for i in intents for n in range(count)]


def write_jsonl(file, records):
    file.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return str(file)


def prefixed(part):
    return [{**r, "text": f"{part} {r['text']}"} for r in rows()]


def load(source, **settings):
    return load_corpus(DataConfig(source=str(source), **settings))


# --- formats ---------------------------------------------------------------------------------


def test_jsonl_csv_and_tsv_read_alike(tmp_path):
    records = rows()
    sources = [write_jsonl(tmp_path / "d.jsonl", records)]
    for suffix, mark in ((".csv", ","), (".tsv", "\t")):
        file = tmp_path / f"d{suffix}"
        lines = [f"text{mark}intent", *(f"{r['text']}{mark}{r['intent']}" for r in records)]
        file.write_text("\n".join(lines), encoding="utf-8")
        sources.append(str(file))
    digests = {load(source).digest for source in sources}
    assert len(digests) == 1


def test_quoted_csv_field_may_hold_a_line_break(tmp_path):
    body = "text,intent\n" + "".join(
        f'"{i}, line\nbreak {n}",{i}\n' for i in "ab" for n in range(9)
    )
    (tmp_path / "d.csv").write_text(body)
    assert "a, line\nbreak" in " ".join(load(tmp_path / "d.csv").train.texts)


def test_byte_order_mark_is_no_part_of_a_column_name(tmp_path):
    body = "text,intent\n" + "".join(f"{i} {n},{i}\n" for i in "ab" for n in range(9))
    (tmp_path / "d.csv").write_text(body, encoding="utf-8-sig")
    assert load(tmp_path / "d.csv").labels == ("a", "b")


def test_clinc150_layout_keeps_its_parts_and_out_of_scope(tmp_path):
    data = {
        part: [[f"{part} {i} {n}", i] for i in ("x", "y") for n in range(6)]
        for part in ("train", "val", "test")
    }
    data |= {f"oos_{part}": [[f"odd {part}", "oos"]] for part in ("train", "val", "test")}
    (tmp_path / "data_full.json").write_text(json.dumps(data))
    corpus = load(tmp_path / "data_full.json")
    assert [len(part.texts) for part in corpus.parts.values()] == [12, 12, 12]
    assert corpus.test.out_of_scope == ("odd test",)


def test_folder_of_parts_is_read_by_file_name(tmp_path):
    for name in ("train", "val", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", prefixed(name))
    write_jsonl(tmp_path / "oos_val.jsonl", [{"text": "odd"}])
    corpus = load(tmp_path)
    assert corpus.validation.out_of_scope == ("odd",)
    assert all(text.startswith("test") for text in corpus.test.texts)


def test_other_column_names(tmp_path):
    source = write_jsonl(tmp_path / "d.jsonl", [{"q": r["text"], "y": r["intent"]} for r in rows()])
    assert load(source, text="q", intent="y").labels == ("a", "b")


def test_hub_data_set_is_read_through_datasets(tmp_path, monkeypatch):
    import datasets

    table = datasets.Dataset.from_list(rows()).class_encode_column("intent")
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: datasets.DatasetDict(train=table))
    assert load("hf:someone/intents").labels == ("a", "b")


def test_hub_that_cannot_be_reached_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"hf:no/such-set: .*or give a file"):
        load("hf:no/such-set")


# --- dividing --------------------------------------------------------------------------------


def test_split_is_stratified_and_repeatable(tmp_path):
    source = write_jsonl(tmp_path / "d.jsonl", rows(40))
    first, second = (load_corpus(DataConfig(source=source), seed=5) for _ in range(2))
    assert first.digest == second.digest
    assert first.digest != load_corpus(DataConfig(source=source), seed=6).digest
    for part in first.parts.values():
        assert part.labels.count(0) == part.labels.count(1) > 0


def test_out_of_scope_rows_by_label_and_by_file(tmp_path):
    odd = [{"text": f"odd {n}", "intent": "oos"} for n in range(20)]
    labelled = load(write_jsonl(tmp_path / "a.jsonl", rows() + odd))
    write_jsonl(tmp_path / "odd.jsonl", [{"text": r["text"]} for r in odd])
    filed = load(
        write_jsonl(tmp_path / "b.jsonl", rows()), out_of_scope=str(tmp_path / "odd.jsonl")
    )
    for corpus in (labelled, filed):
        assert corpus.labels == ("a", "b")
        assert sum(len(part.out_of_scope) for part in corpus.parts.values()) == 20
        assert corpus.test.out_of_scope


def test_out_of_scope_rows_are_kept_however_the_parts_come(tmp_path):
    odd = [{"text": f"odd {n}"} for n in range(20)]
    one = tmp_path / "one"
    one.mkdir()
    write_jsonl(one / "train.jsonl", rows())
    write_jsonl(one / "oos_test.jsonl", odd)
    assert len(load(one).test.out_of_scope) == 20
    assert load(one).test.texts
    two = tmp_path / "two"
    two.mkdir()
    for name in ("train", "val", "test"):
        write_jsonl(two / f"{name}.jsonl", prefixed(name))
    corpus = load(two, out_of_scope=write_jsonl(tmp_path / "odd.jsonl", odd))
    counts = [len(part.out_of_scope) for part in corpus.parts.values()]
    assert counts == [13, 3, 4]


def test_shares_are_of_all_rows(tmp_path):
    corpus = load(write_jsonl(tmp_path / "d.jsonl", rows(100)))
    assert [len(part.texts) for part in corpus.parts.values()] == [130, 30, 40]


def test_lone_surrogates_are_replaced_on_reading(tmp_path):
    records = [{**r, "text": r["text"] + " \ud83d"} for r in rows()]
    assert "\ufffd" in load(write_jsonl(tmp_path / "d.jsonl", records)).train.texts[0]


# --- findings and errors ---------------------------------------------------------------------


def test_empty_and_repeated_texts_are_left_out_with_line_numbers(tmp_path):
    records = [*rows(), {"text": "  ", "intent": "a"}, {"text": "A text 0", "intent": "b"}]
    corpus = load(write_jsonl(tmp_path / "d.jsonl", records))
    assert corpus.findings == (
        "d.jsonl:21: empty text, left out",
        "d.jsonl:22: same text as d.jsonl:1, there as a, left out",
    )


def test_text_in_two_parts_stays_in_the_one_that_is_measured(tmp_path):
    for name in ("train", "val", "test"):
        write_jsonl(tmp_path / f"{name}.jsonl", prefixed(name))
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "TEST a text 0", "intent": "a"}) + "\n")
    corpus = load(tmp_path)
    assert corpus.findings == (
        "train.jsonl:21: same text as test.jsonl:1 in the test part, left out",
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", b'{"text": "caf\xe9", "intent": "a"}\n', r"byte 13 is not UTF-8"),
        ("d.jsonl", b'{"text": "x"\n', r"d.jsonl:1: not a JSON object"),
        ("d.jsonl", b"[1]\n", r"d.jsonl:1: list where an object"),
        (
            "d.jsonl",
            b'{"utterance": "x", "intent": "a"}\n',
            r"'text' is missing .*utterance",
        ),
        ("d.csv", b"text,intent\nset it, please,a\n", r"d.csv:2: has more fields than the 2"),
        ("d.csv", b"text,label\nx,a\n", r"d.csv:2: column 'intent' is missing .*label"),
        ("d.jsonl", b"", r"0 intent in the training rows, at least 2"),
        ("d.json", b'{"rows": []}', r"its shape is not known \(found: rows\).*CLINC150"),
        ("d.json", b"[]", r"0 intent in the training rows"),
        ("d.json", b'"x"', r"its shape is not known \(found: str\)"),
        ("d.json", b'{"train": [["x"]]}', r"d.json:train\[0\]: is no \[text, intent\]"),
        ("d.jsonl", b'{"text": "x", "intent": "a\\nb"}\n', r"holds a control character"),
        ("d.jsonl", b'{"text": "x", "intent": ""}\n', r"the intent is empty"),
        ("d.xlsx", b"", r"kind '.xlsx' is not read"),
    ],
)
def test_unusable_file_is_refused_with_place_and_remedy(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / name)


def test_one_single_intent_is_refused(tmp_path):
    source = write_jsonl(tmp_path / "d.jsonl", rows(intents=("only",)))
    with pytest.raises(DataError, match="1 intent in the training rows, at least 2"):
        load(source)


def test_intent_with_one_example_is_refused_by_name_and_line(tmp_path):
    source = write_jsonl(tmp_path / "d.jsonl", [*rows(), {"text": "rare", "intent": "c"}])
    needed = MIN_EXAMPLES + 2
    with pytest.raises(
        DataError, match=rf"d.jsonl:21: 1 intents have fewer than the {needed} .*: 'c' 1\."
    ):
        load(source)


def test_evaluation_data_with_a_foreign_intent_is_refused(tmp_path):
    source = write_jsonl(tmp_path / "d.jsonl", rows())
    with pytest.raises(DataError, match=r"d.jsonl:11: intent 'b' is not one of the bundle's 1"):
        read_labelled(tmp_path / source, DataConfig(), ("a",))


def with_unlabeled(tmp_path, name, content):
    source = write_jsonl(tmp_path / "d.jsonl", rows())
    (tmp_path / name).write_bytes(content)
    return load(source, unlabeled=str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("raw.txt", b"wake me\r\n\n  call  mum\nWake me\n"),
        ("raw.jsonl", b'{"text": "wake me"}\n{"text": "call  mum"}\n'),
        ("raw.csv", b"text\nwake me\ncall  mum\n"),
    ],
)
def test_unlabelled_texts_are_read_once_each(tmp_path, name, content):
    corpus = with_unlabeled(tmp_path, name, content)
    assert [text.split() for text in corpus.unlabeled] == [["wake", "me"], ["call", "mum"]]
    assert corpus.digest != load(tmp_path / "d.jsonl").digest


def test_built_in_utterances_serve_as_unlabelled_text(tmp_path):
    corpus = load(write_jsonl(tmp_path / "d.jsonl", rows()), unlabeled="assistant")
    assert len(corpus.unlabeled) > 10_000
    assert corpus.labels == ("a", "b")


def test_unlabelled_texts_of_the_labelled_data_are_left_out_and_counted(tmp_path):
    labelled = load(write_jsonl(tmp_path / "d.jsonl", rows()))
    measured = (*labelled.test.texts, *labelled.validation.texts)
    raw = "\n".join(["wake me", *(text.upper() for text in measured)]).encode()
    corpus = with_unlabeled(tmp_path, "raw.txt", raw)
    assert corpus.unlabeled == ("wake me",)
    assert f"raw.txt: {len(measured)} texts stand in the labelled data, left out" in corpus.findings


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("raw.txt", "wake me\ncafé".encode("latin1"), r"raw.txt: byte 11 is not UTF-8.*iconv"),
        ("raw.txt", b"\n \n", "none of its 0 texts is new"),
        ("raw.txt", b"a text 1\n", "none of its 1 texts is new"),
        ("raw.csv", b"utterance\nx\n", "column 'text' is missing"),
        ("raw.json", b"{}", "read from .txt, .jsonl, .csv or .tsv"),
    ],
)
def test_unusable_unlabelled_file_is_refused(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        with_unlabeled(tmp_path, name, content)


def test_replies_of_an_unknown_intent_are_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"zzz": ["hi"]}')
    with pytest.raises(DataError, match="'zzz' is no intent"):
        read_replies(DataConfig(replies=str(tmp_path / "r.json")), ("a", "b"))


def test_empty_list_of_replies_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"a": []}')
    with pytest.raises(DataError, match=r"a: List should have at least 1"):
        read_replies(DataConfig(replies=str(tmp_path / "r.json")), ("a", "b"))


# --- the built-in data -----------------------------------------------------------------------


PARTS = ("train", "validation", "test")
OUT_OF_SCOPE_KINDS = {
    *("knowledge", "advice", "app", "device", "chat", "near_miss"),
    *("fragment", "name", "number", "word", "typo", "gibberish", "language"),
}


@pytest.fixture(scope="module")
def assistant():
    return load_corpus(DataConfig())


def test_assistant_is_large_and_clean(assistant):
    assert len(assistant.labels) >= 30
    assert assistant.findings == ()
    for index in range(len(assistant.labels)):
        assert sum(part.labels.count(index) for part in assistant.parts.values()) >= 60
    assert sum(len(part.out_of_scope) for part in assistant.parts.values()) >= 2000
    assert len(assistant.train.out_of_scope) >= 1000


@pytest.fixture(scope="module")
def assistant_rows():
    """The rows as written, by part: out-of-scope ones tell their kind, which the corpus drops."""
    folder = next(Path(pocketbert.__file__).parent.rglob("assistant"))
    parts = {part: (folder / f"{part}.jsonl").read_text("utf-8") for part in PARTS}
    return {part: [json.loads(line) for line in text.splitlines()] for part, text in parts.items()}


def test_assistant_parts_hold_every_kind_of_out_of_scope_text_alike(assistant_rows):
    kinds = {
        part: Counter(row["kind"] for row in rows if row["intent"] == "oos")
        for part, rows in assistant_rows.items()
    }
    shares = {
        part: {kind: count / counts.total() for kind, count in counts.items()}
        for part, counts in kinds.items()
    }
    for part in ("validation", "test"):
        assert shares[part].keys() == shares["train"].keys() == OUT_OF_SCOPE_KINDS
        for kind, share in shares["train"].items():
            assert share / 2.5 < shares[part][kind] < share * 2.5, (part, kind)


def test_assistant_has_near_misses_of_every_intent(assistant, assistant_rows):
    near = {
        part: Counter(row["near"] for row in rows if row.get("kind") == "near_miss")
        for part, rows in assistant_rows.items()
    }
    for label in assistant.labels:
        assert all(counts[label] >= 2 for counts in near.values()), label
        assert sum(counts[label] for counts in near.values()) >= 8, label
    assert sum(near.values(), Counter()).keys() == {*assistant.labels}


def test_assistant_parts_share_no_text_even_without_case_marks_and_spaces(assistant_rows):
    bare = {part: {stripped(row["text"]) for row in rows} for part, rows in assistant_rows.items()}
    for one, other in combinations(PARTS, 2):
        assert bare[one] & bare[other] == set()


def stripped(text):
    """Letters and digits alone, in lower case; a text that has none stays as it is."""
    return "".join(filter(str.isalnum, text.casefold())) or text


def test_texts_that_differ_in_spaces_and_marks_would_be_seen():
    assert stripped("See ya!") == stripped("seeya")
    assert stripped("?") != stripped("!!!")


def similar_pairs(left, right):
    """Pairs whose character trigrams overlap by more than 60 % (Jaccard)."""
    counter = CountVectorizer(analyzer="char_wb", ngram_range=(3, 3), binary=True, dtype="int32")
    grams = counter.fit_transform([*left, *right])
    sizes = np.asarray(grams.sum(1)).ravel()
    shared = (grams[: len(left)] @ grams[len(left) :].T).tocoo()
    union = sizes[shared.row] + sizes[len(left) + shared.col] - shared.data
    close = shared.data > 0.6 * union
    return [(left[i], right[j]) for i, j in zip(shared.row[close], shared.col[close], strict=True)]


def test_assistant_has_no_near_duplicates_between_parts(assistant):
    train, validation, test = (p.texts + p.out_of_scope for p in assistant.parts.values())
    assert similar_pairs(validation + test, train) == []
    assert similar_pairs(validation, test) == []


def test_near_duplicates_would_be_seen():
    assert similar_pairs(["set a timer for 5 minutes"], ["set a timer for 6 minutes"])


def test_assistant_has_several_replies_for_every_intent(assistant):
    replies = read_replies(DataConfig(), assistant.labels)
    assert replies.keys() == {*assistant.labels, "oos"}
    assert all(len(set(lines)) >= 3 for lines in replies.values())


def test_rare_intents_stay_in_a_sample():
    labels = np.concatenate([np.zeros(20_000, int), np.ones(3, int)])
    seen = sample_rows(labels, 4_000)
    assert 3_000 < len(seen) <= 4_000 + 3
    assert (labels[seen] == 1).sum() == 3
    assert len(sample_rows(labels[:10], 4_000)) == 10


def test_only_the_test_part_of_a_file_is_measured(tmp_path):
    """CLINC150's file holds the training rows, too, which a model has learned by heart."""
    content = {
        part: [[f"{part} {intent} {n}", intent] for intent in "ab" for n in range(count)]
        for part, count in (("train", 9), ("val", 3), ("test", 2))
    }
    content |= {"oos_train": [["x", "oos"]], "oos_val": [["y", "oos"]], "oos_test": [["z", "oos"]]}
    (tmp_path / "clinc.json").write_text(json.dumps(content), encoding="utf-8")
    part, _ = read_labelled(tmp_path / "clinc.json", DataConfig(), ("a", "b"))
    assert len(part.texts) == 4 and all(text.startswith("test") for text in part.texts)
    assert part.out_of_scope == ("z",)


def test_repeated_texts_are_measured_as_often_as_they_are_sent(tmp_path):
    """Planted: leaving repeats out, a model right on the common text would be at half."""
    content = [{"text": text, "intent": "a"} for text in ["hi", "hi", "HI", "rare"]]
    source = write_jsonl(tmp_path / "d.jsonl", content)
    part, findings = read_labelled(tmp_path / source, DataConfig(), ("a",))
    assert (part.texts, findings) == (("hi", "hi", "HI", "rare"), ())


@pytest.mark.parametrize("text", ["\x07\x08", "\u200d\ufeff", "\u0301", " \u00a0\u0085"])
def test_text_of_which_bert_reads_nothing_is_empty(tmp_path, text):
    """It would be answered by its logits here, and by no chat."""
    content = [{"text": "hi", "intent": "a"}, {"text": text, "intent": "oos"}]
    source = write_jsonl(tmp_path / "d.jsonl", content)
    part, findings = read_labelled(tmp_path / source, DataConfig(), ("a",))
    assert part.out_of_scope == () and findings == ("d.jsonl:2: empty text, left out",)


def test_digest_of_the_test_part_does_not_change_with_training(assistant):
    more = replace(
        assistant.train, texts=(*assistant.train.texts, "new"), labels=(*assistant.train.labels, 0)
    )
    assert replace(assistant, train=more).test_digest == assistant.test_digest
    fewer = replace(assistant.test, out_of_scope=assistant.test.out_of_scope[1:])
    assert replace(assistant, test=fewer).test_digest != assistant.test_digest
