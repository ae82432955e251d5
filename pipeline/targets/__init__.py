"""The formats a student is lowered to, each a folder with the same verbs.

`base.formats` lists them; their modules are imported when one is asked for.
"""

from importlib import import_module

from ..base.formats import TARGETS
from .base import Target


def get_target(name: str) -> Target:
    """The target called `name`, one of `base.formats.TARGETS`."""
    module, cls = TARGETS[name]
    target: Target = getattr(import_module(f".{module}", __package__), cls)()
    return target
