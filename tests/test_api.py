"""The public API: its page is run, it loads on demand, and it leaves the host program alone."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import pocketbert as pb
from pocketbert.bundle.signing import make_keys, sign

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


@pytest.fixture
def place(toy_run, toy_config, toy_bert, tmp_path, monkeypatch):
    """A folder as the page supposes it: a run, whose bundle is signed, its settings, a BERT."""
    shutil.copytree(toy_run, tmp_path / "build")
    shutil.copytree(toy_bert, tmp_path / "bert")
    shutil.copy(toy_config, tmp_path / "run.toml")
    settings = toy_config.read_text(encoding="utf-8")
    with_donor = settings.replace("[student]", '[student]\ndonor = "bert"')
    only_tflite = with_donor.replace('["tflite", "coreml"]', '["tflite"]')
    (tmp_path / "taught.toml").write_text(only_tflite, encoding="utf-8")
    private, _ = make_keys(tmp_path)
    sign(tmp_path / "build" / "bundle", private)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def rows(toy_data):
    records = [json.loads(line) for line in toy_data.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], None if row["intent"] == "oos" else row["intent"]) for row in records]


@pytest.fixture
def bundle(toy_run):
    return pb.open(str(toy_run / "bundle"))


def test_page_does_what_it_says(place, rows, capsys):
    space = {"rows": rows}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), space)
    assert space["classifier"].runtime == "tflite"
    assert space["classifier"].labels == ("lights", "music", "weather")
    assert space["found"].label == space["answer"].intent == "lights"
    assert next(iter(space["prediction"].scores)) == "weather"
    assert space["result"].failures == ()
    # The rows are those of the file that the run was made of: all but the bundle's name is reused.
    told = capsys.readouterr().out
    assert "StageReused(stage='student')" in told
    begun = re.findall(r"StageBegun\(stage='(.*?)'\)", told)
    assert all(stage.startswith("benched/") for stage in begun), begun
    assert (place / "x.tflite").stat().st_size > 1000
    taught = space["taught"]
    assert taught.failures == ()
    assert taught.student.evaluation.accuracy > 0.9 * taught.teacher.evaluation.accuracy
    assert (place / "elsewhere" / "student" / "model.safetensors").exists()


def test_page_names_everything_that_is_public():
    page = PAGE.read_text(encoding="utf-8")
    kinds = {"Bundle", "Classifier", "Prediction", "Answer", "RunConfig", "RunResult", "Artifact"}
    kinds |= {"Event", "NotRun", "MissingExtra"}
    kinds |= {name for name in pb.__all__ if name.endswith("Error") or name == "GateFailed"}
    for name in set(pb.__all__) - kinds:
        assert re.search(rf"\b{name}\b", page), name


@pytest.mark.parametrize("name", pb.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name):
    assert getattr(pb, name) is not None
    assert name in dir(pb)
    assert name == "Event" or getattr(pb, name).__doc__


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pb.nothing  # noqa: B018


def test_importing_modules_does_not_hide_the_functions():
    script = "import pocketbert.api, pocketbert.flow, pocketbert.bundle.open, pocketbert as pb\n"
    script += "assert callable(pb.run) and callable(pb.open) and callable(pb.lower)"
    subprocess.run([sys.executable, "-c", script], check=True)


ASK = """
import logging, os, signal, sys, threading, warnings
def state():
    return {
        "environment": dict(os.environ), "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning, "threads": threading.active_count(),
        "hooks": (sys.excepthook, sys.stdout, sys.stderr), "path": list(sys.path),
        "level": logging.getLogger().level, "handlers": list(logging.getLogger().handlers),
        "levels": {n: l.level for n, l in logging.root.manager.loggerDict.items()
                   if isinstance(l, logging.Logger) and l.level},
        "signals": [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)],
        "folder": os.getcwd(),
    }
import numpy, tokenizers  # what others do at import is theirs
import ai_edge_litert.interpreter
before = state()
import pocketbert as pb
assert state() == before, "the import"
classifier = pb.open(sys.argv[1]).classifier()
assert classifier("dim the kitchen lights").label == "lights"
after = state()
assert after == before, [name for name in before if after[name] != before[name]]
print(*sys.modules.keys() & {"torch", "transformers", "sklearn", "scipy", "typer", "rich"})
"""


def test_asking_a_bundle_changes_nothing_in_the_host_program(toy_run):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ASK, str(toy_run / "bundle")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    # LiteRT's own line has no switch, and to silence it takes stderr from the whole process.
    notice = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    assert done.stderr.replace(notice, "") == ""
    assert done.stdout.split() == []


def test_change_in_the_host_program_is_noticed(toy_run):
    planted = ASK.replace("after = state()", "os.environ['PLANTED'] = '1'; after = state()")
    done = subprocess.run(
        [sys.executable, "-c", planted, str(toy_run / "bundle")], capture_output=True, text=True
    )
    assert "AssertionError: ['environment']" in done.stderr


def test_threads_share_a_classifier(bundle, toy_corpus):
    classifier, texts = bundle.classifier(), toy_corpus.test.texts[:20]
    alone = [classifier(text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(classifier, list(texts) * 10))
    assert together == alone * 10


def test_batch_is_the_texts_one_by_one(bundle):
    classifier, texts = bundle.classifier("tflite"), ["dim the kitchen lights", "", "play jazz"]
    assert classifier(texts) == [classifier(text) for text in texts]
    assert classifier([]) == []
    assert [found.understood for found in classifier(texts)] == [True, False, True]


def test_top_k_falls_and_begins_with_the_label(bundle):
    found = bundle.classifier()("dim the kitchen lights", top_k=2)
    assert next(iter(found.scores)) == found.label
    assert list(found.scores.values()) == sorted(found.scores.values(), reverse=True)
    assert len(found.scores) == 2
    assert sum(bundle.classifier()("x", top_k=99).scores.values()) == pytest.approx(1)
    with pytest.raises(ValueError, match="top_k is 0"):
        bundle.classifier()("x", top_k=0)


def test_next_runtime_answers_where_the_lightest_is_missing(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert bundle.classifier().runtime == "coreml"
    with pytest.raises(pb.TargetUnavailable, match=r"pip install 'pocketbert\[tflite\]'"):
        bundle.classifier("tflite")


def test_unsigned_bundle_is_refused_with_a_key(toy_run, tmp_path):
    _, public = make_keys(tmp_path)
    with pytest.raises(pb.BundleError, match=r"has no manifest\.sig"):
        pb.open(toy_run / "bundle", key=str(public))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "onnx"}, "target is 'onnx'; choose one of executorch"),
        ({"recipe": "int3"}, "recipe is 'int3'; choose one of int8"),
        ({"keep_float": ("layers.9",)}, "a model of 2 layers has no such part"),
    ],
)
def test_lowering_to_what_there_is_not_is_refused(toy_student, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        pb.lower(toy_student, **{"target": "tflite", "out": tmp_path / "x", **change})


def test_lowering_replaces_no_folder(toy_student, tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(pb.InputError, match="is a folder"):
        pb.lower(toy_student, "coreml", out=tmp_path)
    assert (tmp_path / "thesis.txt").exists()


MISSING = """
import sys
sys.modules[{module!r}] = None
import pocketbert as pb
try:
    {call}
except pb.MissingExtra as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "call", "extra"),
    [
        ("torch", "pb.Student", "train"),
        ("torch", "pb.run(out=sys.argv[1])", "train"),
        ("transformers", "pb.lower('x', 'tflite', out='x')", "train"),
        ("sklearn", "pb.run(out=sys.argv[1])", "train"),
    ],
)
def test_missing_extra_is_named(tmp_path, module, call, extra):
    script = MISSING.format(module=module, call=call)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True
    )
    assert f"{module} is not installed" in done.stdout, done.stderr
    assert f"pip install 'pocketbert[{extra}]'" in done.stdout


def test_missing_extra_is_named_on_the_command_line(tmp_path):
    script = "import sys; sys.modules['torch'] = None\n"
    script += f"sys.argv = ['pocketbert', 'run', '--out', {str(tmp_path)!r}]\n"
    script += "from pocketbert.app.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'pocketbert[train]'" in done.stderr
