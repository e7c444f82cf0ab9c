"""What would liars get blocked, and what would honest witnesses get blocked, under this trust: both, side by side.

The statements of a day on one node: honest peers report attackers that they see, and now and then an innocent one;
malicious peers, each with Sybils that it vouches for, do what the attack says. Our verdicts come from the production
core (trust, vouches, evidence, limits, policy); beside them stand three simple rules that others use:

    union          whatever anybody reports
    3 keys         what three distinct keys report, whoever they are
    3 owners       what three owners report that the operator named

Malicious are the peers with most trust: the worst case. Seeded: the same arguments give the same numbers.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from p2pfw.core.adoption import Adoption
from p2pfw.core.announcement import Action, Category
from p2pfw.core.collusion import cheapest, voices_of
from p2pfw.core.evidence import Account
from p2pfw.core.identity import DAY, NodeId, OwnerId
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.core.protected import Protected
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.core.trust import TrustTable
from p2pfw.core.verdict import Decision
from p2pfw.core.vouch import Vouch
from p2pfw.core.whitelist import Whitelist

NOW: Final = 1_800_000_000
FIRST: Final = 0x2D00_0000
"""45.0.0.0: nothing is special for a long way."""
KEYS_NEEDED: Final = 3
CONTRADICTIONS: Final = 3


class Attack(StrEnum):
    """What malicious peers do."""

    SYBILS = "sybils"
    """Each and all of its Sybils report every innocent host."""
    FLOOD = "flood"
    """They report ten times as many innocent hosts."""
    WIDE = "wide"
    """They report the /24 around every innocent host."""
    SLEEPER = "sleeper"
    """They were right a hundred times, lie now, and are caught three times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Who there is. `trusts`: what the operator gives to each peer."""

    trusts: Sequence[float]
    malicious: int = 0
    sybils: int = 50
    attack: Attack = Attack.SYBILS
    attackers: int = 200
    innocent: int = 200
    detection: float = 0.3
    """Chance that an honest peer reports an attacker."""
    error: float = 0.01
    """Chance that an honest peer reports an innocent host."""


@dataclass(slots=True)
class Share:
    """How much of what should not, and of what should be adopted, was: 0..1."""

    false_adopt: float = 0.0
    true_adopt: float = 0.0


@dataclass(slots=True)
class Outcome:
    """By rule, means over seeds."""

    collusion: int | None
    """The collusion number for a host; None: not even all of them."""
    shares: dict[str, Share] = field(default_factory=dict)


RULES: Final = ("union", "3 keys", "3 owners", "ours")


def simulate(setting: Setting, seeds: int) -> Outcome:
    """Means over so many seeds."""
    outcome = Outcome(cheapest(voices_of(_trust(setting)), 0).number, {rule: Share() for rule in RULES})
    for seed in range(seeds):
        for rule, share in _one(setting, random.Random(f"attack {seed}")).items():
            outcome.shares[rule].false_adopt += share.false_adopt / seeds
            outcome.shares[rule].true_adopt += share.true_adopt / seeds
    return outcome


def _one(setting: Setting, rng: random.Random) -> Mapping[str, Share]:
    bad = [_host(number, setting) for number in range(setting.attackers)]
    wanted = 10 * setting.innocent if setting.attack is Attack.FLOOD else setting.innocent
    good = [_host(setting.attackers + number, setting) for number in range(wanted)]
    told: dict[PrefixKey, list[tuple[int, int]]] = {key: [] for key in (*bad, *good)}
    for peer in range(setting.malicious, len(setting.trusts)):
        for key in bad:
            if rng.random() < setting.detection:
                told[key].append((peer, -1))
        for key in good:
            if rng.random() < setting.error:
                told[key].append((peer, -1))
    for peer in range(setting.malicious):
        for key in good:
            told[key] += [(peer, -1), *((peer, sybil) for sybil in range(setting.sybils))]
    adopted = {
        "union": {key for key, said in told.items() if said},
        "3 keys": {key for key, said in told.items() if len(set(said)) >= KEYS_NEEDED},
        "3 owners": {key for key, said in told.items() if len({p for p, s in said if s < 0}) >= KEYS_NEEDED},
        "ours": _ours(setting, told, rng),
    }
    return {
        rule: Share(len(found & set(good)) / len(good), len(found & set(bad)) / len(bad))
        for rule, found in adopted.items()
    }


def _ours(setting: Setting, told: Mapping[PrefixKey, Sequence[tuple[int, int]]], rng: random.Random) -> set[PrefixKey]:
    """What the production core adopts, in a random order of arrival."""
    policy = Policy(
        own_node=NodeId(b"n" * 32),
        own_owner=_owner(-1, -1),
        trust=_trust(setting),
        whitelist=Whitelist(),
        protected=Protected(),
    )
    statements = {key: [_said(peer, sybil) for peer, sybil in said] for key, said in told.items()}
    adoption = Adoption(policy, lambda key, _: statements[key])
    order = list(told)
    rng.shuffle(order)
    for key in order:
        adoption.judge_these([key], NOW)
    return {key for key, word in adoption.verdicts() if word.decision is Decision.ADOPT}


def _trust(setting: Setting) -> TrustTable:
    table = TrustTable(_owner(-1, -1))
    table.refresh(NOW)
    for peer, trust in enumerate(sorted(setting.trusts, reverse=True)):
        table.give(_owner(peer, -1), trust)
    for peer in range(setting.malicious):
        if setting.attack is Attack.SLEEPER:
            table.evidence.load(_owner(peer, -1), Account(pos=12, neg=CONTRADICTIONS, at=NOW))
            table.settle(_owner(peer, -1), NOW)
        for word in _vouches(peer, setting.sybils):
            table.vouches.learn(word, NOW)
            table.settle(word.subject, NOW)
    return table


def _vouches(peer: int, sybils: int) -> Iterator[Vouch]:
    for sybil in range(sybils):
        yield Vouch(
            voucher=_owner(peer, -1),
            subject=_owner(peer, sybil),
            level=100,
            created=NOW,
            expires=NOW + DAY,
            signature=bytes(64),
        )


def _said(peer: int, sybil: int) -> Statement:
    owner = _owner(peer, sybil)
    return Statement(
        source=Source.SIGNED,
        origin=NodeId(owner),
        owner=owner,
        fleet=False,
        action=Action.BLOCK,
        category=Category.SSH,
        confidence=1.0,
        created=NOW,
        stated=NOW,
        expires=NOW + DAY,
        basis=0,
        standing=Standing.LIVE,
        announcement=None,
    )


def _owner(peer: int, sybil: int) -> OwnerId:
    return OwnerId(f"{peer}/{sybil}".encode().ljust(32, b"."))


def _host(number: int, setting: Setting) -> PrefixKey:
    """Hosts of networks of their own; with the attack `wide`, those networks."""
    length = 24 if setting.attack is Attack.WIDE and number >= setting.attackers else 32
    return v4_key(FIRST + number * 256, length)
