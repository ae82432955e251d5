"""The templates, and how they show values."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from ....base.errors import NotRun
from ....measure.record import describe_memory


def environment(*, autoescape: bool = True) -> Environment:
    """The environment of the page or, without escaping, of Markdown."""
    made = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=autoescape,  # noqa: S701  off for Markdown alone
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.tests["not_run"] = lambda value: isinstance(value, NotRun)
    made.filters["mb"] = lambda size: f"{size / 1e6:.2f} MB"
    made.filters["percent"] = lambda share: f"{share:.1%}"
    made.filters["memory"] = describe_memory
    made.filters["ms"] = lambda value: f"{value:.2f} ms"
    return made
