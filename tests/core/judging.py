"""Statements, owners and a policy that the tests of judgement share. Nothing random, nothing hidden."""

from p2pfw.core.announcement import Action, Category
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.core.protected import Protected, ProtectedRange, Strength
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.core.trust import TrustTable
from p2pfw.core.whitelist import Whitelist, WhitelistEntry

NOW = 1_000_000
DAY = 86_400
HOST = Prefix.parse("203.0.113.7").key


def key(text: str) -> PrefixKey:
    """The key of a prefix in text."""
    return Prefix.parse(text).key


def node(name: str) -> NodeId:
    """A node by name."""
    return NodeId(f"node {name}".encode().ljust(32, b"."))


def owner(name: str) -> OwnerId:
    """An owner by name."""
    return OwnerId(f"owner {name}".encode().ljust(32, b"."))


ME = node("me")
MINE = owner("mine")


def said(by="a", *, of=None, ttl=DAY, age=0, created=NOW, **fields) -> Statement:
    """A signed BLOCK by node `by` of owner `of` (the same name when left out), with the fields that differ."""
    given = {
        "source": Source.SIGNED,
        "origin": node(by),
        "owner": owner(of or by),
        "fleet": False,
        "action": Action.BLOCK,
        "category": Category.OTHER,
        "confidence": 1.0,
        "created": created,
        "stated": created - age,
        "expires": created + ttl,
        "basis": 0,
        "standing": Standing.LIVE,
        "announcement": None,
    }
    return Statement(**{**given, **fields})


def by_fleet(by="f", **fields) -> Statement:
    """A BLOCK by another node of the own fleet."""
    return said(by, **{"owner": MINE, "fleet": True, **fields})


def by_operator(**fields) -> Statement:
    """A BLOCK that this node announced."""
    return said("me", **{"owner": MINE, "fleet": True, **fields})


def local(source: Source, *, until=NOW + DAY, **fields) -> Statement:
    """A statement of a local source."""
    return said("local", **{"source": source, "origin": None, "owner": None, "expires": until, **fields})


def table(**trust: float) -> TrustTable:
    """Trust by the names of owners."""
    made = TrustTable(MINE)
    for name, value in trust.items():
        made.give(owner(name), value)
    return made


def whitelist(*prefixes: str) -> Whitelist:
    """The operator's whitelist."""
    made = Whitelist()
    for text in prefixes:
        made.put(WhitelistEntry(key=key(text)))
    return made


def protected(strength: Strength, *prefixes: str) -> Protected:
    """Protected ranges of one strength."""
    return Protected(ProtectedRange(key=key(text), strength=strength, reason="a test") for text in prefixes)


def policy(trust: TrustTable | None = None, **fields) -> Policy:
    """A policy of node ME of owner MINE."""
    given = {
        "own_node": ME,
        "own_owner": MINE,
        "trust": trust or table(),
        "whitelist": Whitelist(),
        "protected": Protected(),
    }
    return Policy(**{**given, **fields})
