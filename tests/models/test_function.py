import numpy as np
import pytest

from pocketbert.api import _function
from pocketbert.base.errors import ModelError
from pocketbert.models.function import (
    FunctionClassifier,
    answering,
    is_function,
    keep_labels,
    open_function,
)
from pocketbert.models.other import is_other, open_other

LABELS = ("a", "b")


def classifier(said):
    return FunctionClassifier(LABELS, lambda texts: [said] * len(texts))


def test_logits_are_taken_as_they_are():
    assert classifier([3.0, -1.0]).logits(["x", "y"]).tolist() == [[3.0, -1.0]] * 2


def test_probabilities_become_their_logarithms():
    made = classifier([0.9, 0.1]).logits(["x"])
    assert np.allclose(made, np.log([[0.9, 0.1]]), atol=1e-5)
    assert np.isfinite(classifier([1.0, 0.0]).logits(["x"])).all()


def test_long_lists_are_asked_in_parts_and_in_order():
    sizes = []

    def ask(texts):
        sizes.append(len(texts))
        return [[float(text), 2.0] for text in texts]

    made = FunctionClassifier(LABELS, ask).logits([str(i) for i in range(600)])
    assert made[:, 0].tolist() == [float(i) for i in range(600)]
    assert max(sizes) <= 256
    assert FunctionClassifier(LABELS, ask).logits([]).shape == (0, 0)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([1.0], r"returned shape \(1, 1\); give 1 rows of 2"),
        ([float("nan"), 1.0], "returned numbers that are not finite"),
        (["much", "little"], "returned no table of numbers"),
        (None, "returned shape|no table of numbers"),
    ],
)
def test_what_is_no_answer_is_refused(said, message):
    with pytest.raises(ModelError, match=message):
        classifier(said).logits(["x"])


def test_its_folder_holds_labels_and_answers_while_the_function_does(tmp_path):
    folder = keep_labels(LABELS, tmp_path)
    assert is_function(folder) and is_other(folder)
    with pytest.raises(ModelError, match="is a function of the program that called"):
        open_other(folder)
    with answering(lambda texts: [[1.0, 2.0]] * len(texts)):
        opened = open_function(folder)
    assert opened.labels == LABELS
    assert opened.logits(["x"]).tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "a")])
def test_labels_are_two_or_more_and_each_once(tmp_path, labels):
    with pytest.raises(ModelError, match="give two or more, each once"):
        keep_labels(labels, tmp_path)


def test_another_function_has_another_fingerprint():
    texts = [str(i) for i in range(500)]
    one, other = classifier([1.0, 2.0]), classifier([1.0, 2.01])
    assert one.fingerprint(texts) == classifier([1.0, 2.0]).fingerprint(texts)
    assert one.fingerprint(texts) != other.fingerprint(texts)


def test_a_pair_of_model_and_tokenizer_is_no_function():
    class Model:
        config = None

        def __call__(self):
            """As torch's modules can be called."""

    assert _function((Model(), "tokenizer")) is None
    assert _function("minilm") is None
    assert _function((len, LABELS)) == (len, LABELS)
