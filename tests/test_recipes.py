"""What a recipe says of each part."""

from dataclasses import replace

import pytest

from pipeline.errors import PipelineError
from pipeline.graph import LeanBert
from pipeline.recipes import RECIPES


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
    assert len(plan) == 1 + 2 * 6 + 2
    assert set(plan.values()) == {"int8"}


def test_part_that_the_student_lacks_is_refused_with_those_it_has(toy_student):
    recipe = replace(RECIPES["int8"], keep_float=("layers.7",))
    with pytest.raises(PipelineError, match=r"--float layers.7: .*layers.0 to layers.1"):
        LeanBert(toy_student.model, 32).storage_plan(recipe)
