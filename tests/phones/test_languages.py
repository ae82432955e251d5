"""Tables of nine languages in the apps' own tokenizers."""

import re
import subprocess
from pathlib import Path

import extras
import phone_cases
import phone_fixture
import phone_languages
import pytest

ROOT = Path(__file__).parents[2]
KOTLIN = "--select-class=org.pocketbert.core.LanguagesTest"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("languages")
    phone_languages.main(made / "languages", phone_cases.STRINGS)
    return made


def junit(folder):
    if not (ROOT / ".android" / "stamp").exists():
        extras.not_run("no Kotlin, JDK or JUnit; scripts/android sets them up", extra="android")
    command = [ROOT / "scripts" / "android_junit", phone_fixture.SAMPLE, folder, KOTLIN]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_kotlin_has_every_id_of_100000_strings(folder):
    done = junit(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    count = re.search(r"(\d+) strings of 9 languages, every id equal", done.stdout)
    assert int(count[1]) >= phone_cases.STRINGS


def test_kotlin_catches_a_planted_fault(tmp_path):
    phone_languages.main(tmp_path / "languages", 90)
    file = tmp_path / "languages" / "ja" / "strings.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[4] = lines[4].replace("[2, ", "[3, ", 1)  # planted: [SEP] where [CLS] begins
    file.write_text("\n".join(lines), encoding="utf-8")
    done = junit(tmp_path)
    assert done.returncode == 1
    assert re.search(r"^0 passed, 1 failed, 0 not run$", done.stdout, re.MULTILINE)


def test_vocabularies_are_of_their_languages_and_settings():
    made = {name: phone_languages.make_vocabulary(name) for name in phone_languages.LANGUAGES}
    assert len(made) == 9
    assert len({(v.lowercase, v.strip_accents, v.split_chinese) for v in made.values()}) >= 4
    for name, vocabulary in made.items():
        texts = phone_languages.read_language(name)
        unknown = sum("[UNK]" in one.tokens for one in vocabulary.tokenizer.encode_batch(texts))
        assert unknown == 0, name
