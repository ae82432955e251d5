"""Small real parts that many tests share: a data set, a BERT teacher, and one full run."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

from pocketbert.base.quiet import quiet

quiet()  # before any toolchain is imported

import browser as chromium
import extras
import pytest
import torch
import toy
from command import pocketbert_process
from playwright.sync_api import Browser
from sharing import shared
from transformers import BertConfig

from pocketbert.app.stages.one_target import read_artifact, write_artifact
from pocketbert.base.config import DataConfig, StudentSpec, TeacherConfig
from pocketbert.base.recipes import RECIPES
from pocketbert.data.corpus import Corpus, load_corpus
from pocketbert.learn.cut import cut_student, fold
from pocketbert.learn.fit import fit_head
from pocketbert.learn.transfer import TransferSet, make_transfer_set
from pocketbert.models.student import Student
from pocketbert.models.teacher import Teacher
from pocketbert.models.vocabulary import Vocabulary
from pocketbert.targets import get_target
from pocketbert.targets.base import Artifact

torch.set_num_threads(1)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the main run comes last: it is under way meanwhile."""
    items.sort(key=_needs_main_run)


def _needs_main_run(item: pytest.Item) -> bool:
    return "main_run" in getattr(item, "fixturenames", ())


@pytest.fixture(scope="session", autouse=True)
def main_run_begins(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Begin the main run beside the other tests, where a test will ask for it."""
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    if not first or not any(map(_needs_main_run, request.session.items)):
        yield
        return
    tmp_path_factory.getbasetemp()  # made before the thread asks for it, too, and fails
    making = Thread(target=_make_main_run, args=(tmp_path_factory,))
    making.start()
    yield
    making.join()


def _make_main_run(factory: pytest.TempPathFactory) -> Path:
    return shared(factory, "main-run", sealed_run)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not run, and why: the last thing before pytest's own summary."""
    extras.report(terminalreporter)


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JSONL file of three easy intents and some out-of-scope texts."""
    return shared(tmp_path_factory, "toy-data", toy.make_data) / toy.DATA


@pytest.fixture(scope="session")
def toy_vocabulary() -> Vocabulary:
    """Letters, their continuations, and every word of the toy data."""
    return toy.make_vocabulary()


@pytest.fixture(scope="session")
def toy_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of random weights."""
    return shared(tmp_path_factory, "toy-bert", toy.make_bert)


@pytest.fixture(scope="session")
def toy_corpus(toy_data: Path) -> Corpus:
    """The toy data, divided."""
    return load_corpus(DataConfig(source=str(toy_data)))


@pytest.fixture(scope="session")
def toy_teacher(toy_corpus: Corpus, toy_bert: Path) -> Teacher:
    """A head on the random BERT, fitted to the toy data."""
    return fit_head(TeacherConfig(source=str(toy_bert)), toy_corpus, 32)


@pytest.fixture(scope="session")
def teacher_folder(toy_teacher: Teacher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy teacher, saved."""
    folder = tmp_path_factory.mktemp("teacher")
    toy_teacher.save(folder)
    return folder


@pytest.fixture(scope="session")
def toy_transfer_set(toy_teacher: Teacher, toy_corpus: Corpus) -> TransferSet:
    """What the toy teacher says of the toy texts."""
    return make_transfer_set(toy_teacher, toy_corpus, 0)


@pytest.fixture(scope="session")
def toy_student(toy_vocabulary: Vocabulary) -> Student:
    """A perturbed student, 2 layers x 32, with labels of its own."""
    from transformers import BertForSequenceClassification

    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(toy_vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=toy_vocabulary.max_length,
        num_labels=len(toy.WORDS),
        id2label=dict(enumerate(toy.WORDS)),
        label2id={name: i for i, name in enumerate(toy.WORDS)},
    )
    model = toy.perturb(BertForSequenceClassification(config), 0.2)
    return Student(model, toy_vocabulary, tuple(toy.WORDS))


@pytest.fixture
def narrow_student(toy_teacher: Teacher, toy_corpus: Corpus) -> Student:
    """A student with a factorised embedding of 16 columns."""
    spec = StudentSpec(layers=2, hidden=32, vocabulary=None, embedding=16, max_length=32)
    student = cut_student(toy_teacher, toy_corpus.train.texts, spec)
    fold(student)
    return student


@pytest.fixture(scope="session")
def toy_config(tmp_path_factory: pytest.TempPathFactory, toy_data: Path, toy_bert: Path) -> Path:
    """Settings of a run that takes seconds."""
    name, make = "toy-config", toy.make_settings
    return shared(tmp_path_factory, name, lambda new: make(new, toy_data, toy_bert)) / toy.SETTINGS


@pytest.fixture(scope="session")
def lowered(
    tmp_path_factory: pytest.TempPathFactory, toy_student: Student
) -> Callable[[str, str], Artifact]:
    """The toy student lowered to a target by a recipe, once for all; copy it to damage it."""

    def lower(name: str, recipe: str = "int8") -> Artifact:
        def make(folder: Path) -> None:
            write_artifact(folder, get_target(name).lower(toy_student, folder, RECIPES[recipe]))

        return read_artifact(shared(tmp_path_factory, f"lowered-{name}-{recipe}", make))

    return lower


def sealed_run(folder: Path, *flags: str) -> None:
    """Run into `folder`/build and keep what was printed, and how it ended."""
    done = pocketbert_process("run", "--out", str(folder / "build"), *flags)
    (folder / "printed.txt").write_text(done.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(done.stderr, encoding="utf-8")
    (folder / "code.txt").write_text(str(done.returncode), encoding="utf-8")


def checked(folder: Path) -> Path:
    """The run in `folder`, which is not made again by every worker where it failed."""
    said = [(folder / name).read_text(encoding="utf-8") for name in ("printed.txt", "stderr.txt")]
    assert (folder / "code.txt").read_text(encoding="utf-8") == "0", "".join(said)
    return folder


@pytest.fixture(scope="session")
def main_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The main job on the built-in data, once for all tests: its folder and what it printed."""
    folder = checked(_make_main_run(tmp_path_factory))
    return folder / "build", (folder / "printed.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory: pytest.TempPathFactory, toy_config: Path) -> Path:
    """A run of the toy settings through the command line: its folder."""
    flags = ("--config", str(toy_config))
    folder = shared(tmp_path_factory, "toy-run", lambda new: sealed_run(new, *flags))
    return checked(folder) / "build"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if not (chromium.FOLDER / "stamp").exists():
        extras.not_run("no browser; scripts/browser finds or fetches one", extra="browser")
    playwright = chromium.start()
    yield (browser := chromium.launch(playwright))
    browser.close()
    playwright.stop()
