"""Recipes: how weights are stored and activations computed. Data, which the targets act on.

A recipe is asked about one weight at a time, by the path of its module in the lean graph.
"""

from dataclasses import dataclass
from typing import Literal

Storage = Literal["int8", "int4", "float"]
EMBEDDING = "embedding"  # the word table's path in the lean graph
INT4_GROUP = 32  # weights of a row that share a scale in int4


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is stored in how many bits. Scales are one a row, in int4 one a group of 32."""

    name: str
    linear: Storage
    embedding: Storage
    dynamic: bool  # activations in int8, quantized on the fly, where the runtime computes so
    keep_float: tuple[str, ...] = ()  # modules, with all below them, that stay in float

    def storage(self, path: str) -> Storage:
        """How the weight of the module at `path` is stored."""
        if any(f"{path}.".startswith(f"{kept}.") for kept in self.keep_float):
            return "float"
        return self.embedding if path == EMBEDDING else self.linear


def check_parts(parts: tuple[str, ...], layers: int) -> None:
    """Raise `ValueError` where one of `parts` is none of a model with so many `layers`."""
    known = ["embedding", "pooler", "classifier"]
    inside = ["attention", "attention.joint", "attention.output"]
    inside += ["feed_forward", "feed_forward.expand", "feed_forward.contract"]
    for layer in (f"layers.{number}" for number in range(layers)):
        known += [layer, *(f"{layer}.{part}" for part in inside)]
    known.append(f"layers.{layers - 1}.attention.query")  # whose query is of the first row alone
    for part in parts:
        if part not in known:
            raise ValueError(
                f"--float {part}: a model of {layers} layers has no such part. Choose from "
                f"embedding, layers.0 to layers.{layers - 1}, layers.0.attention, "
                "layers.0.attention.joint and so on, layers.0.feed_forward, pooler, classifier"
            )


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="int8", linear="int8", embedding="int8", dynamic=True),
        # For runtimes that would compute int8 activations wrongly, or not at all.
        Recipe(name="int8-compat", linear="int8", embedding="int8", dynamic=False),
        Recipe(name="int4-embedding", linear="int8", embedding="int4", dynamic=True),
        Recipe(name="float", linear="float", embedding="float", dynamic=False),
    )
}
