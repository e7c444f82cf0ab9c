"""How much each owner is worth to this operator, by category, and how that came about (policy, Trust).

    base(o, c) = the configured number, else the charter's, else vouched, else 0          T = base x rep

Nobody earns trust by speaking. Trust is given to owners, never to nodes. A vouched owner is worth at most a quarter,
and at most half of its best voucher, with whom it is one voice. Evidence only lowers (see evidence). Says also whom
this node carries: everybody named by anybody who may, trust 0 included, and the own fleet. Knows no statements.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from p2pfw.core.evidence import Evidence
from p2pfw.core.identity import OwnerId
from p2pfw.core.presets import PRESETS, parse_trust
from p2pfw.core.records import Category
from p2pfw.core.succession import Succession, Successions
from p2pfw.core.vouch import MAX_LEVEL
from p2pfw.core.vouches import Vouches
from p2pfw.errors import InputError

__all__ = ["NOTHING", "PRESETS", "Given", "TrustTable", "Worth", "parse_trust"]

NOTHING: Final = (0.0,) * len(Category)
MOST_BY_VOUCH: Final = 0.25
VOUCHER_PART: Final = 0.5
REFRESH: Final = 3_600
"""Seconds between looks at what time alone does to trust: evidence fades."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The operator's word on one owner: a number for all categories, and others for some."""

    trust: float
    trust_for: Mapping[Category, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in (self.trust, *self.trust_for.values()):
            if not 0 <= value <= 1:
                raise InputError(f"trust {value} is not within 0..1", field="trust")


class Worth(NamedTuple):
    """What an owner counts for. `base` and `trust` by category."""

    base: tuple[float, ...]
    trust: tuple[float, ...]
    """T: what its statements are weighed with."""
    sponsor: OwnerId
    """With whom it is one voice: itself, or who vouches for it."""
    source: str
    """"configured", "charter", "vouched" or "own fleet"."""
    overall: float
    """The number for categories that have none of their own, without evidence."""
    rep: float
    muted: bool


class TrustTable:
    """What was given to whom. `default` is what a newly added peer or guest gets when nobody says a number."""

    def __init__(self, own_owner: OwnerId, default: float = PRESETS["trio"]) -> None:
        self.own_owner = own_owner
        self.default = Given(trust=default).trust
        self.vouches = Vouches()
        self.evidence = Evidence()
        self.successions = Successions()
        self.version = 0
        """Grows with every change."""
        self._given: dict[OwnerId, Given] = {}
        self._charter: dict[OwnerId, float] = {}
        self._worth: dict[OwnerId, Worth] = {}
        self._trust: dict[OwnerId, tuple[float, ...]] = {}
        self._now = 0.0

    # --- what is said ------------------------------------------------------------------------------------------------

    def give(self, owner: OwnerId, trust: float, trust_for: Mapping[Category, float] | None = None) -> None:
        """The operator's word; replaces an earlier one. InputError when a number is not within 0..1."""
        self._given[owner] = Given(trust=trust, trust_for=dict(trust_for or {}))
        self._settle(owner)

    def forget(self, owner: OwnerId) -> None:
        """As if the operator had never named this owner."""
        self._given.pop(owner, None)
        self._settle(owner)

    def set_charter(self, members: Mapping[OwnerId, float]) -> frozenset[OwnerId]:
        """The members and their trust by the charter that holds; whoever was or is one."""
        touched = self._charter.keys() | members.keys()
        self._charter = dict(members)
        before = dict(self._worth)
        for owner in sorted(touched):
            self._settle(owner)
        return self._changed_since(before)

    def settle(self, owner: OwnerId, now: float) -> frozenset[OwnerId]:
        """A vouch or evidence about this owner is new; everybody whose worth that changed."""
        return self._settle_all([owner], now)

    def succeed(self, one: Succession, now: float) -> frozenset[OwnerId]:
        """An owner took another key; everybody whose worth that changed. ShareError: no room."""
        before = self.successions.line(one.old)
        if not self.successions.learn(one, self._named_keys()):
            return frozenset()
        return self._settle_all([*before, *self.successions.heirs(one.old), *self.successions.line(one.new)], now)

    def is_named(self, owner: OwnerId) -> bool:
        """True for whom the operator or the charter named, with any of its keys, and for the own owner."""
        return owner == self.own_owner or self._named(owner) is not None

    def refresh(self, now: float) -> frozenset[OwnerId]:
        """What time has done: evidence fades, vouches end. Everybody whose worth changed."""
        self._now = now
        before = dict(self._worth)
        named = {*self._given, *self._charter}
        lines = {key for one in named for key in self.successions.line(one)}
        for owner in sorted({*lines, *self._worth, *self.vouches.subjects()}):
            self._settle(owner)
        return self._changed_since(before)

    # --- what it comes to --------------------------------------------------------------------------------------------

    def given(self, owner: OwnerId) -> Given | None:
        """What the operator said of this owner."""
        return self._given.get(owner)

    def charter(self) -> Mapping[OwnerId, float]:
        """Members by the charter that holds."""
        return self._charter

    def worth(self, owner: OwnerId) -> Worth | None:
        """Everything about one; None for whom nobody named."""
        return self._worth.get(owner)

    def owners(self) -> Iterator[OwnerId]:
        """Everybody that is carried because somebody named it."""
        return iter(self._worth)

    def carries(self, owner: OwnerId) -> bool:
        """True when this node stores and relays that owner's announcements (protocol 1.8)."""
        return owner in self._worth or owner == self.own_owner

    def base(self, owner: OwnerId | None, category: Category) -> float:
        """The number before evidence (policy, Trust); 0 for whom nobody named."""
        found = self._worth.get(owner) if owner else None
        return found.base[category] if found else 0.0

    def trust(self, owner: OwnerId | None, category: Category) -> float:
        """T: the number that counts."""
        return self._trust.get(owner, NOTHING)[category] if owner else 0.0

    def most(self, owner: OwnerId) -> float:
        """T in the category where it counts most: what its limits are made of."""
        return max(self._trust.get(owner, NOTHING))

    def sponsor(self, owner: OwnerId) -> OwnerId:
        """With whom an owner is one voice: with itself, unless it is trusted for being vouched for."""
        found = self._worth.get(owner)
        return found.sponsor if found else owner

    def predecessors(self, owner: OwnerId) -> list[OwnerId]:
        """Named keys that this one took over from; mostly none."""
        if not self.successions:
            return []
        named = {*self._given, *self._charter} - {owner}
        return sorted(one for one in named if owner in self.successions.line(one))

    def kin(self, owner: OwnerId) -> list[OwnerId]:
        """Every key of this owner, from the oldest that is named or of which anything was seen: one voice."""
        if not self.successions:
            return [owner]
        known = {owner, *self._given, *self._charter, *self.evidence.owners()}
        lines = [self.successions.line(one) for one in known]
        heir = self.successions.heir(owner)
        return sorted({key for line in lines if line[-1] == heir for key in line})

    def is_muted(self, owner: OwnerId | None) -> bool:
        """True for whom evidence leaves nothing of."""
        found = self._worth.get(owner) if owner else None
        return found is not None and found.muted

    def origin_of(self, owner: OwnerId | None, category: Category) -> str:
        """How that number came about, in the operator's words."""
        found = self._worth.get(owner) if owner else None
        if found is None:
            return "own fleet" if owner == self.own_owner else "unknown owner"
        given = self._given.get(owner) if owner else None
        special = f" for {category.name.lower()}" if given is not None and category in given.trust_for else ""
        seen = " (muted by evidence)" if found.muted else f" x {found.rep:.2f} by evidence" if found.rep < 1 else ""
        return f"{found.source} {found.base[category]:.2f}{special}{seen}"

    def imagined(self, owner: OwnerId, trust: float) -> "TrustTable":
        """A table as it would be if the operator gave this owner another number. Shares vouches and evidence."""
        other = TrustTable(self.own_owner, self.default)
        other.vouches, other.evidence, other.successions = self.vouches, self.evidence, self.successions
        other._given, other._charter = {**self._given, owner: Given(trust=trust)}, dict(self._charter)
        other.refresh(self._now)
        return other

    def _named_keys(self) -> set[OwnerId]:
        """Every key of those who are named, as far as their lines are known, and the own owner's."""
        return {key for one in (self.own_owner, *self._given, *self._charter) for key in self.successions.line(one)}

    # --- settling ----------------------------------------------------------------------------------------------------

    def _settle_all(self, owners: Iterable[OwnerId], now: float) -> frozenset[OwnerId]:
        """Of these, with all their keys, and of everybody they may sponsor: whose worth changes."""
        self._now = max(now, self._now)
        keys = {key for owner in owners for key in (owner, *self.kin(owner))}
        touched = keys.union(*(self.vouches.by(one) for one in keys))
        before = {one: _weight(self._worth.get(one)) for one in touched}
        for owner in sorted(keys):
            self._settle(owner)
        return frozenset(one for one, weight in before.items() if weight != _weight(self._worth.get(one)))

    def _settle(self, owner: OwnerId) -> None:
        """Bring one owner's worth up to date, with all its keys, and that of everybody it may sponsor."""
        self.version += 1
        for one in self.kin(owner):
            self._put(one, self._named(one) or self._vouched(one))
            for subject in sorted(self.vouches.by(one)):
                if self._named(subject) is None:
                    self._put(subject, self._vouched(subject))

    def _put(self, owner: OwnerId, worth: Worth | None) -> None:
        if worth is None:
            self._worth.pop(owner, None)
            self._trust.pop(owner, None)
        else:
            self._worth[owner], self._trust[owner] = worth, worth.trust

    def _named(self, owner: OwnerId) -> Worth | None:
        """By the operator, or by the charter: itself, or a key that it took over from. Old and new are one voice."""
        if owner == self.own_owner and owner not in self._given:
            return None
        voice = self.successions.heir(owner)
        for one in (owner, *self.predecessors(owner)):
            given, by_charter = self._given.get(one), self._charter.get(one)
            if given is not None:
                base = tuple(given.trust_for.get(category, given.trust) for category in Category)
                return self._weighed(owner, base, voice, "configured", given.trust)
            if by_charter is not None:
                return self._weighed(owner, (by_charter,) * len(Category), voice, "charter", by_charter)
        return None

    def _vouched(self, owner: OwnerId) -> Worth | None:
        """By the best voucher among those that are named themselves (tie: the smaller key); depth 1."""
        if owner == self.own_owner:
            return None
        offers = []
        for vouch in self.vouches.of(owner, self._now):
            voucher = self._own() if vouch.voucher == self.own_owner else self._named(vouch.voucher)
            if voucher is not None:
                part = VOUCHER_PART * vouch.level / MAX_LEVEL
                reach = 0.0 if voucher.muted else part * voucher.rep
                offers.append((-min(MOST_BY_VOUCH, reach * voucher.overall), vouch.voucher, part, voucher))
        if not offers:
            return None
        worth, sponsor, part, voucher = min(offers, key=lambda offer: offer[:2])
        base = tuple(round(min(MOST_BY_VOUCH, part * trust), 4) for trust in voucher.trust)
        return self._weighed(owner, base, sponsor, "vouched", round(-worth, 4))

    def _own(self) -> Worth:
        """The operator's own owner as a voucher: believed in whole."""
        whole = (1.0,) * len(Category)
        return Worth(whole, whole, self.own_owner, "own fleet", 1.0, 1.0, muted=False)

    def _weighed(self, owner: OwnerId, base: tuple[float, ...], sponsor: OwnerId, source: str, overall: float) -> Worth:
        # Nobody leaves what was seen of him behind by taking another key.
        seen = min(self.kin(owner), key=lambda one: self.evidence.rep(one, self._now))
        rep, muted = self.evidence.rep(seen, self._now), self.evidence.is_muted(seen, self._now)
        trust = NOTHING if muted else base if rep == 1 else tuple(round(one * rep, 4) for one in base)
        return Worth(base, trust, sponsor, source, overall, rep, muted)

    def _changed_since(self, before: Mapping[OwnerId, Worth]) -> frozenset[OwnerId]:
        everybody = before.keys() | self._worth.keys()
        return frozenset(owner for owner in everybody if _weight(before.get(owner)) != _weight(self._worth.get(owner)))


def _weight(worth: Worth | None) -> tuple[object, ...] | None:
    """What verdicts depend on."""
    return None if worth is None else (worth.trust, worth.sponsor)
