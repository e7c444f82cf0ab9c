"""Keys declare themselves: reader, default, and what they mean, in one place beside the field that holds the value.

The loader, `config show`, the schema, the commented file that `init` writes and the table in docs/operations.md all
come from these declarations, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cache
from typing import Final, TypeVar

from p2pfw.config.readers import Reader
from p2pfw.core.records import Category

T = TypeVar("T")
_KEY: Final = "key"


class Shape(Enum):
    """How many values a key takes."""

    ONE = "one"
    MANY = "many"
    TABLE = "table"
    """A value for each category."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a section."""

    name: str
    reader: Reader[object]
    shape: Shape
    default: object
    """As it would be written in TOML; None for a key that must be given, or where the loader knows (`derived`)."""
    about: str
    derived: str = ""
    """What the default is when it depends on who runs the node and where, in words."""
    adds_up: bool = False
    """A list that grows over files, environment and flags instead of being replaced."""
    secret: bool = False

    @property
    def required(self) -> bool:
        """True when there is no default."""
        return self.default is None and not self.derived


def one(reader: Reader[T], about: str, *, default: object, derived: str = "", secret: bool = False) -> T:
    """A key with one value. `default` is raw, as in TOML; `derived` says in words what the loader puts instead."""
    key = _declared(reader, Shape.ONE, about, default=default, derived=derived, secret=secret)
    return field(default=reader.read(default), metadata=key)


def must(reader: Reader[T], about: str) -> T:
    """A key without a default."""
    found: T = field(metadata=_declared(reader, Shape.ONE, about, default=None))
    return found


def many(
    reader: Reader[T], about: str, *, default: tuple[object, ...], derived: str = "", adds_up: bool = False
) -> tuple[T, ...]:
    """A key with a list of values."""
    key = _declared(reader, Shape.MANY, about, default=list(default), derived=derived, adds_up=adds_up)
    return field(default=tuple(reader.read(item) for item in default), metadata=key)


def table(reader: Reader[T], about: str) -> Mapping[Category, T]:
    """A key with a value for each of some categories."""
    return field(default_factory=dict, metadata=_declared(reader, Shape.TABLE, about, default={}))


@cache
def keys_of(section: type) -> Mapping[str, Key]:
    """The keys of a section's class, in the order in which they are declared."""
    return {
        found.name: Key(name=found.name, **found.metadata[_KEY]) for found in fields(section) if _KEY in found.metadata
    }


def _declared(reader: object, shape: Shape, about: str, **marks: object) -> Mapping[str, object]:
    return {_KEY: {"reader": reader, "shape": shape, "about": about, **marks}}
