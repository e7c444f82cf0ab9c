"""How much this operator trusts each owner, by category, and who gave that trust.

A number that the operator gave, or nothing: nobody earns trust by speaking. Trust is given to owners, never to nodes.
Says also whom this node carries: everybody that the operator named, trust 0 included, and the own fleet. Knows no
statements; see voices for what trust does to them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from p2pfw.core.identity import OwnerId
from p2pfw.core.presets import PRESETS, parse_trust
from p2pfw.core.records import Category
from p2pfw.errors import InputError

__all__ = ["NOTHING", "PRESETS", "Given", "TrustTable", "parse_trust"]

NOTHING: Final = (0.0,) * len(Category)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The operator's word on one owner: a number for all categories, and others for some."""

    trust: float
    trust_for: Mapping[Category, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in (self.trust, *self.trust_for.values()):
            if not 0 <= value <= 1:
                raise InputError(f"trust {value} is not within 0..1", field="trust")


class TrustTable:
    """What was given to whom. `default` is what a newly added peer or guest gets when nobody says a number."""

    def __init__(self, own_owner: OwnerId, default: float = PRESETS["trio"]) -> None:
        self.own_owner = own_owner
        self.default = Given(trust=default).trust
        self.version = 0
        """Grows with every change."""
        self._given: dict[OwnerId, Given] = {}
        self._base: dict[OwnerId, tuple[float, ...]] = {}

    def give(self, owner: OwnerId, trust: float, trust_for: Mapping[Category, float] | None = None) -> None:
        """The operator's word; replaces an earlier one. InputError when a number is not within 0..1."""
        given = Given(trust=trust, trust_for=dict(trust_for or {}))
        self.version += 1
        self._given[owner] = given
        self._base[owner] = tuple(given.trust_for.get(category, trust) for category in Category)

    def forget(self, owner: OwnerId) -> None:
        """As if the operator had never named this owner."""
        self.version += 1
        self._given.pop(owner, None)
        self._base.pop(owner, None)

    def given(self, owner: OwnerId) -> Given | None:
        """What the operator said of this owner."""
        return self._given.get(owner)

    def owners(self) -> Iterator[OwnerId]:
        """Everybody that the operator named, in that order."""
        return iter(self._given)

    def carries(self, owner: OwnerId) -> bool:
        """True when this node stores and relays that owner's announcements (protocol 1.8)."""
        return owner in self._given or owner == self.own_owner

    def base(self, owner: OwnerId | None, category: Category) -> float:
        """The number that counts (policy, Trust); 0 for whom nobody named."""
        return self._base.get(owner, NOTHING)[category] if owner else 0.0

    def origin_of(self, owner: OwnerId | None, category: Category) -> str:
        """How that number came about, in the operator's words."""
        given = self._given.get(owner) if owner else None
        if given is None:
            return "own fleet" if owner == self.own_owner else "unknown owner"
        if category in given.trust_for:
            return f"configured {given.trust_for[category]:.2f} for {category.name.lower()}"
        return f"configured {given.trust:.2f}"
