"""Keys, stamps and entries that the tests of announcements and identities share; nothing random, nothing hidden."""

from collections.abc import Sequence

from hypothesis import strategies as st

from p2pfw.core.announcement import (
    MAX_LIFETIME,
    Action,
    Announcement,
    Category,
    Entry,
    RawAnnouncement,
    Stamp,
    build_entries,
    check_body,
    check_signature,
    check_time,
    parse,
)
from p2pfw.core.identity import Certificate, NodeId, OwnerId, SigningKey, Uses, certify, network_id
from p2pfw.core.prefix import Family, Prefix, truncate, v4_key, v6_key

NETWORK = network_id("example")
NOW = 1_800_000_000
DAY = 86_400


def key(number: int) -> SigningKey:
    """The signing key with this number."""
    return SigningKey(number.to_bytes(32))


def node_id(number: int) -> NodeId:
    """A node's id: the public half of key number so-and-so."""
    return NodeId(key(number).public_key)


def owner_id(number: int) -> OwnerId:
    """An owner's id, likewise."""
    return OwnerId(key(number).public_key)


def stamp(*, seq: int = 1, epoch: int = NOW * 1000, created_ms: int = NOW * 1000) -> Stamp:
    """A place in the order, in the network of the tests."""
    return Stamp(network=NETWORK, epoch=epoch, seq=seq, created_ms=created_ms)


def certificate(
    *, owner: int = 100, node: int = 1, serial: int = 1, begins: int = NOW - 120, days: int = 90, uses: Uses = Uses.ALL
) -> Certificate:
    """A certificate by one numbered key for another."""
    return certify(
        key(owner), node_id(node), serial=serial, not_before=begins, not_after=begins + days * DAY, uses=uses
    )


def block(text: str, *, ttl: int = 3600, age: int = 0, action: Action = Action.BLOCK) -> Entry:
    """One entry about a prefix in text."""
    return Entry(key=Prefix.parse(text).key, action=action, category=Category.SSH, confidence=7, ttl=ttl, age=age)


def hosts(number: int, *, ttl: int = 3600) -> list[Entry]:
    """So many IPv4 hosts of 198.18.0.0/15."""
    first = Prefix.parse("198.18.0.0").key
    return [
        Entry(key=v4_key((first >> 8) + i, 32), action=Action.BLOCK, category=Category.SCAN, confidence=3, ttl=ttl)
        for i in range(number)
    ]


def signed(entries: Sequence[Entry], *, by: int = 1) -> Announcement:
    """Entries under the signature of a numbered key."""
    return build_entries(key(by), stamp(), entries)


def accept(raw: RawAnnouncement, now: float = NOW) -> Announcement:
    """Every check of announcement, in the order that its docstring demands."""
    announcement = parse(raw)
    check_time(announcement.header, NETWORK, now)
    check_signature(announcement)
    check_body(announcement)
    return announcement


def flips(data: bytes) -> list[bytes]:
    """The data with each one of its bits turned over."""
    whole = int.from_bytes(data)
    return [(whole ^ 1 << bit).to_bytes(len(data)) for bit in range(8 * len(data))]


@st.composite
def prefix_keys(draw: st.DrawFn) -> int:
    """Any prefix of either family."""
    family = draw(st.sampled_from(Family))
    length = draw(st.integers(0, family.bits))
    address = draw(st.integers(0, (1 << family.bits) - 1))
    full = v4_key(address, 32) if family is Family.V4 else v6_key(address, 128)
    return truncate(full, length)


@st.composite
def entries(draw: st.DrawFn, *, actions: Sequence[Action] = (Action.BLOCK, Action.RETRACT)) -> Entry:
    """Any entry that may exist with one of these actions."""
    ttl = draw(st.integers(1, MAX_LIFETIME))
    return Entry(
        key=draw(prefix_keys()),
        action=draw(st.sampled_from(actions)),
        category=draw(st.sampled_from(Category)),
        confidence=draw(st.integers(0, 7)),
        ttl=ttl,
        age=draw(st.integers(0, MAX_LIFETIME - ttl)),
    )


batches = st.lists(entries(), min_size=1, max_size=40, unique_by=lambda entry: entry.key)
