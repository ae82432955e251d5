"""How a setting is declared: once, for TOML files, flags, documents and provenance.

It knows no single setting; `config` declares them all.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass
from functools import reduce
from typing import Any, TypeVar, get_type_hints

from pydantic import ConfigDict

T = TypeVar("T")
DECLARED = "setting"  # key in a field's metadata


@dataclass(frozen=True)
class Declared:
    """What a setting says of itself besides type and default."""

    help: str
    low: float | None
    high: float | None
    flag: str  # on the command line; without one, --set gives it
    file: bool  # whether its value may name a file
    decides: bool  # whether what is made depends on it


def setting(
    default: T,
    help: str,
    low: float | None = None,
    high: float | None = None,
    *,
    flag: str = "",
    file: bool = False,
    decides: bool = True,
) -> T:
    """Declare a field of a configuration, whose numbers lie from `low` to `high`."""
    declared = Declared(help, low, high, flag, file, decides)
    return field(default=default, metadata={DECLARED: declared})


class Checked:
    """A dataclass of settings: within their limits once it is built, and no others."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Raise `ValueError` with the first number outside its limits."""
        for one in fields(self):  # type: ignore[arg-type]
            declared, value = one.metadata.get(DECLARED), getattr(self, one.name)
            if declared is None or declared.low is None or value is None:
                continue
            for number in value if isinstance(value, tuple) else (value,):
                if not declared.low <= number <= declared.high:
                    raise ValueError(
                        f"{one.name} is {number:g}; choose a value from {declared.low:g} to "
                        f"{declared.high:g}"
                    )


@dataclass(frozen=True)
class Setting:
    """One declared setting, and where it stands."""

    path: tuple[str, ...]  # section and name, or the name alone
    type: Any
    declared: Declared

    @property
    def name(self) -> str:
        """As in `--set` and in messages: distill.epochs."""
        return ".".join(self.path)

    def of(self, config: Any) -> Any:
        """The value in `config`."""
        return reduce(getattr, self.path, config)

    def nested(self, value: Any) -> dict[str, Any]:
        """`value` below the setting's section, as a TOML file nests it."""
        return reduce(lambda inner, key: {key: inner}, reversed(self.path), value)


def declared_in(config: type, section: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every setting of a configuration class and of the sections in it, in order."""
    types = get_type_hints(config)
    inside: list[Field[Any]] = []
    for one in fields(config):
        if is_dataclass(types[one.name]):
            inside.append(one)
        else:
            yield Setting((*section, one.name), types[one.name], one.metadata[DECLARED])
    for one in inside:
        yield from declared_in(types[one.name], (*section, one.name))
