"""What a recipe says of each part."""

from dataclasses import replace

import pytest
from transformers import BertConfig, BertForSequenceClassification

from pocketbert.base.config_file import load_config
from pocketbert.base.errors import PipelineError
from pocketbert.base.recipes import RECIPES, check_parts
from pocketbert.models.lean import LeanBert


def test_exception_holds_for_all_below_it_and_nothing_beside():
    recipe = replace(RECIPES["int8"], keep_float=("layers.1", "classifier"))
    assert recipe.storage("layers.1.attention.query") == "float"
    assert recipe.storage("classifier") == "float"
    assert recipe.storage("layers.10.attention.query") == "int8"
    assert recipe.storage("layers.0.attention.query") == "int8"


def test_embedding_is_stored_as_its_own_line_says():
    assert RECIPES["int4-embedding"].storage("embedding") == "int4"
    assert RECIPES["int4-embedding"].storage("pooler") == "int8"


def test_plan_names_every_matrix_of_the_graph(toy_student):
    plan = LeanBert(toy_student.model, 32).storage_plan(RECIPES["int8"])
    assert len(plan) == 1 + 4 + 5 + 2
    assert set(plan.values()) == {"int8"}


@pytest.mark.parametrize(
    "part", ["layers.2", "layers.0.attention.norm", "layers.0.attention.query", "embeddings"]
)
def test_part_that_the_student_lacks_is_refused_before_anything_is_trained(part):
    with pytest.raises(PipelineError, match=f"--float {part}: .*layers.0 to layers.1"):
        load_config(None, {"keep_float": (part,)})


def test_every_part_that_is_offered_is_in_the_graph(toy_student):
    paths = {name for name, _ in LeanBert(toy_student.model, 32).named_modules()}
    for part in (
        *("embedding", "layers.0.attention.joint", "layers.1.attention.joint"),
        *("layers.1.attention.query", "layers.1.feed_forward.expand", "pooler"),
    ):
        check_parts((part,), 2)
        assert part in paths


def test_int4_of_a_width_that_does_not_divide_says_so(toy_vocabulary):
    config = BertConfig(
        vocab_size=len(toy_vocabulary), hidden_size=48, num_hidden_layers=1, num_attention_heads=2
    )
    graph = LeanBert(BertForSequenceClassification(config), 32)
    with pytest.raises(PipelineError, match="has 48 columns, and int4 needs a multiple of 32"):
        graph.storage_plan(RECIPES["int4-embedding"])
