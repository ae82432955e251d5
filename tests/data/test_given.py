"""Nothing that a user gives is dropped without a word: read rightly, refused, or a finding."""

import json

import pytest

from pocketbert.base.config import DataConfig
from pocketbert.base.errors import DataError
from pocketbert.data.checks import text_key
from pocketbert.data.corpus import load_corpus


def rows(count=10, intents=("lamp", "song")):
    return [(f"{intent} text {n}", intent) for intent in intents for n in range(count)]


def write(file, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def jsonl(folder, records, name="d.jsonl"):
    return write(folder / name, "".join(json.dumps(record) + "\n" for record in records))


def objects(extra=()):
    return [*({"text": text, "intent": intent} for text, intent in rows()), *extra]


def table(folder, lines, name="d.csv", mark=","):
    body = [f"text{mark}intent", *(f"{text}{mark}{intent}" for text, intent in rows()), *lines]
    return write(folder / name, "\n".join(body) + "\n")


def load(source, **settings):
    return load_corpus(DataConfig(source=str(source), **settings))


def all_texts(corpus):
    return {text for part in corpus.parts.values() for text in part.texts}


# --- tables ----------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["text,intent,text", "intent,text,intent"])
def test_two_columns_of_one_name_are_refused(tmp_path, header):
    with pytest.raises(DataError, match=r"two columns are called '(text|intent)'. Rename one"):
        load(write(tmp_path / "d.csv", f"{header}\na,b,c\n"))


def test_a_repeated_column_that_is_not_read_does_no_harm(tmp_path):
    body = "".join(f"{text},{intent},,\n" for text, intent in rows())
    assert load(write(tmp_path / "d.csv", f"text,intent,,\n{body}")).labels == ("lamp", "song")


def test_a_tsv_has_no_quotes_so_that_none_swallows_rows(tmp_path):
    lines = ['"quoted at first\tlamp', *(f"between {n}\tlamp" for n in range(5)), 'late"\tsong']
    corpus = load(table(tmp_path, lines, "d.tsv", "\t"))
    assert sum(len(part.texts) for part in corpus.parts.values()) == 27
    assert '"quoted at first' in all_texts(corpus)


def test_quotes_around_the_texts_of_a_tsv_are_a_finding(tmp_path):
    (finding,) = load(table(tmp_path, ['"all of it"\tlamp'], "d.tsv", "\t")).findings
    assert finding.startswith("d.tsv: 1 texts begin and end with a quotation mark, which is kept")


@pytest.mark.parametrize("between", [0, 1, 5])
def test_a_quote_that_swallows_rows_of_a_csv_is_refused_where_it_opens(tmp_path, between):
    inner = [f"row {n} of song,song" for n in range(between)]
    source = table(tmp_path, ['"opened here,lamp', *inner, 'closed here",lamp'])
    with pytest.raises(DataError, match=r"d.csv:22: .* holds the intent '(lamp|song)'.*not closed"):
        load(source)


def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path):
    with pytest.raises(DataError, match=r"d.csv:23: the row that begins here does not end"):
        load(table(tmp_path, ["whole,lamp", '"open,lamp', "next,song"]))


def test_lines_and_marks_inside_a_quoted_text_are_kept(tmp_path):
    corpus = load(table(tmp_path, ['"lamp, please\nlamp, and\nnow, song",lamp']))
    assert "lamp, please\nlamp, and\nnow, song" in all_texts(corpus)


@pytest.mark.parametrize("mark", [";", "\t"])
def test_the_mark_of_a_european_excel_is_read(tmp_path, mark):
    assert load(table(tmp_path, [], "d.csv", mark)).labels == ("lamp", "song")


def test_a_long_field_is_read(tmp_path):
    assert "x" * 200_000 in all_texts(load(table(tmp_path, ["x" * 200_000 + ",lamp"])))


@pytest.mark.parametrize("last", [",", ",lamp", '" ",lamp'])
def test_rows_without_text_are_left_out_and_reported(tmp_path, last):
    corpus = load(table(tmp_path, [last] * 3))
    assert corpus.findings == tuple(f"d.csv:{n}: empty text, left out" for n in (22, 23, 24))


def test_a_text_without_intent_is_still_refused(tmp_path):
    with pytest.raises(DataError, match=r"d.csv:22: the intent is empty.*'oos'"):
        load(table(tmp_path, ["something,"]))


# --- values ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"text": "x", "intent": ["a", "b"]}, "the intent is a list. Give one intent a text"),
        ({"text": "x", "intent": {"a": 1}}, "the intent is an object"),
        ({"text": "x", "intent": 1.0}, "the intent is a number with a point"),
        ({"text": "x", "intent": True}, "the intent is true or false"),
        ({"text": "x", "intent": float("nan")}, "the intent is a number with a point"),
        ({"text": {"en": "x"}, "intent": "a"}, "the text is an object"),
        ({"text": ["x"], "intent": "a"}, "the text is a list"),
        ({"text": 7, "intent": "a"}, "the text is a number"),
        ({"text": "x", "intent": "lamp#song"}, "'lamp#song' is several intents in one"),
        ({"text": "x", "intent": "song, lamp"}, "'song, lamp' is several intents in one"),
        ({"text": "x", "intent": ""}, "the intent is empty"),
    ],
)
def test_what_is_no_text_or_no_intent_is_refused_by_line(tmp_path, record, message):
    with pytest.raises(DataError, match=rf"d.jsonl:21: .*{message}"):
        load(jsonl(tmp_path, objects([record])))


def test_whole_numbers_are_intents(tmp_path):
    records = [{"text": text, "intent": len(intent) % 2} for text, intent in rows(4)]
    records += [{"text": f"nine {n}", "intent": 9} for n in range(6)]
    assert load(jsonl(tmp_path, records)).labels == ("0", "9")


def test_one_number_written_in_two_ways_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"d.csv:32: intents '1' and '1.0' are one number"):
        lines = [*(f"one {n},1" for n in range(10)), "two,1.0"]
        load(table(tmp_path, lines))


def test_a_joined_name_whose_parts_are_no_intents_is_a_name(tmp_path):
    lines = [f"slash {n},lamp/on" for n in range(6)]
    assert "lamp/on" in load(table(tmp_path, lines)).labels


def test_intents_that_differ_in_case_alone_are_a_finding(tmp_path):
    corpus = load(table(tmp_path, [f"big {n},Lamp" for n in range(6)]))
    assert corpus.findings == ("d.csv:2: intents 'Lamp' and 'lamp' differ in case alone",)


def test_labels_are_in_normal_form_c(tmp_path):
    names = ("caf\u00e9", "cafe\u0301")
    lines = [f"drink {n},{names[n % 2]}" for n in range(10)]
    assert load(table(tmp_path, lines)).labels == ("caf\u00e9", "lamp", "song")


def test_all_rare_intents_are_named_at_once_with_their_repeats(tmp_path):
    lines = [*(f"one {n},few" for n in range(4)), *["same,twice"] * 6, "single,lone"]
    message = r"3 intents have fewer than the 5 .*: 'lone' 1, 'twice' 1 \(and 5 repeated\), 'few' 4"
    with pytest.raises(DataError, match=message):
        load(table(tmp_path, lines))


# --- repeats ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("th\u00e9 vert", "the\u0301  vert"),
        ("STRASSE", "straße"),
        ("turn\u200b on", "turn on"),
        ("İyi", "i\u0307yi"),
        ("ΟΔΟΣ", "οδος"),
        ("Wake me", "wake\u00a0me"),
    ],
)
def test_texts_that_a_reader_takes_for_one_have_one_key(one, other):
    assert text_key(one) == text_key(other)


@pytest.mark.parametrize(("one", "other"), [("möchte", "mochte"), ("a b", "ab"), ("sız", "siz")])
def test_other_texts_have_another_key(one, other):
    assert text_key(one) != text_key(other)


def test_a_copy_in_another_normal_form_does_not_leak(tmp_path):
    for name in ("train", "val", "test"):
        jsonl(tmp_path, [{**r, "text": f"{name} {r['text']}"} for r in objects()], f"{name}.jsonl")
    with (tmp_path / "test.jsonl").open("a") as file:
        file.write(json.dumps({"text": "caf\u00e9", "intent": "lamp"}) + "\n")
    with (tmp_path / "train.jsonl").open("a") as file:
        file.write(json.dumps({"text": "cafe\u0301", "intent": "lamp"}) + "\n")
    (finding,) = load(tmp_path).findings
    assert finding == "train.jsonl:21: same text as test.jsonl:21 in the test part, left out"


# --- encodings -------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    body = table(tmp_path, ["für 5 €,lamp"]).read_text(encoding="utf-8")
    for name in ("a.csv", "b.tsv"):
        text = body if name == "a.csv" else body.replace(",", "\t")
        assert "für 5 €" in all_texts(load(write(tmp_path / name, text.encode(encoding))))


@pytest.mark.parametrize(
    ("encoding", "remedy"),
    [("cp1252", r"byte \d+ is not UTF-8.*iconv -f cp1252"), ("utf-16-le", "iconv -f utf-16le")],
)
def test_the_remedy_for_another_encoding_is_the_right_one(tmp_path, encoding, remedy):
    body = table(tmp_path, ["grandma’s,lamp" if encoding == "cp1252" else "x,lamp"])
    content = body.read_text(encoding="utf-8").encode(encoding)
    with pytest.raises(DataError, match=remedy):
        load(write(tmp_path / "e.csv", content))


def test_utf_16_that_was_taken_for_latin1_is_refused(tmp_path):
    body = table(tmp_path, []).read_text(encoding="utf-8").encode("utf-16").decode("latin1")
    with pytest.raises(DataError, match=r"was UTF-16.*Give the original file"):
        load(write(tmp_path / "e.csv", body))


def test_the_wrong_remedy_of_old_leaves_a_finding(tmp_path):
    damaged = "grandma’s".encode("cp1252").decode("latin1")
    (finding,) = load(table(tmp_path, [f"{damaged},lamp"])).findings
    assert "U+0080 to U+009F" in finding and finding.startswith("d.csv:22")


# --- JSON of other tools ---------------------------------------------------------------------

SHAPES = {
    "list of objects": objects(),
    "list of pairs": [list(row) for row in rows()],
    "objects by part": {"train": objects()},
    "tags and patterns": {
        "intents": [
            {"tag": name, "patterns": [text for text, intent in rows() if intent == name]}
            for name in ("lamp", "song")
        ]
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_json_of_other_tools_is_read_as_the_same_data(tmp_path, shape):
    source = write(tmp_path / "d.json", json.dumps(SHAPES[shape]))
    assert all_texts(load(source)) == {text for text, _ in rows()}
    assert load(source).findings == ()


def test_responses_of_tags_are_a_finding(tmp_path):
    tags = [{**one, "responses": ["Hi"]} for one in SHAPES["tags and patterns"]["intents"]]
    (finding,) = load(write(tmp_path / "d.json", json.dumps({"intents": tags}))).findings
    assert finding == "d.json: responses of 2 intents are not read; give them with --replies"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"train": [{"utterance": "x", "label": "a"}]}, r"column 'text' is missing .*utterance"),
        ({"text": ["x"], "intent": ["a"]}, r"its shape is not known \(found: text, intent\)"),
        ({"train": [["x", "a", "b"]]}, r"d.json:train\[0\]: is no \[text, intent\]"),
        ({"train": {"0": "x"}}, "train is no list"),
        ({"train": [["x", ""]]}, r"d.json:train\[0\]: the intent is empty"),
    ],
)
def test_other_json_is_refused_by_its_shape(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path / "d.json", json.dumps(content)))


def test_clinc150s_layout_heeds_the_label_that_is_set(tmp_path):
    content = {"train": [*map(list, rows()), *([f"odd {n}", "fallback"] for n in range(9))]}
    source = write(tmp_path / "d.json", json.dumps(content))
    assert load(source, out_of_scope_label="fallback").labels == ("lamp", "song")


# --- folders ---------------------------------------------------------------------------------


def test_files_of_a_folder_that_say_no_part_are_named(tmp_path):
    jsonl(tmp_path, objects(), "train.jsonl")
    for name in ("extra.csv", "notes.md", "replies.json", ".DS_Store"):
        write(tmp_path / name, "x")
    (finding,) = load(tmp_path).findings
    assert finding == f"{tmp_path.name}: extra.csv, notes.md not read: the name says no part"
