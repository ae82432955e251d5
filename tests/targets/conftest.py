"""What the main run made, for tests of its artefacts."""

import pytest

from pocketbert.base.config import DataConfig
from pocketbert.bundle.open import Bundle, open_bundle
from pocketbert.data.corpus import load_corpus
from pocketbert.models.student import Student, load_student


@pytest.fixture(scope="session")
def bundle(main_run) -> Bundle:
    return open_bundle(main_run[0] / "bundle")


@pytest.fixture(scope="session")
def student(main_run) -> Student:
    return load_student(main_run[0] / "student")


@pytest.fixture(scope="session")
def texts() -> tuple[str, ...]:
    """The built-in data's test texts."""
    return load_corpus(DataConfig()).test.texts
