"""What the benchmarks of the core are fed with: owners, nodes, and lists of hosts as signed announcements."""

import time
from collections.abc import Iterator, Sequence

from p2pfw.app.domain import Domain, Ourself
from p2pfw.app.joining import fresh_certificate
from p2pfw.core.announcement import Action, Announcement, Category, Entry, Stamp, build_entries
from p2pfw.core.identity import NodeId, OwnerId, SigningKey, network_id
from p2pfw.core.intake import Recorded
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.core.vouch import Vouch

NETWORK = network_id("bench")
FIRST_HOST = 0x2D00_0000
"""45.0.0.0: from here on nothing is special for a long way."""
STRIDE = 101
"""Addresses from one host to the next, so that no network is crowded."""
WHOLE = 1024
"""Entries in an announcement of an import."""
TTL = 14_400
TRUSTED = 1.0
"""What strangers' owners are given: the limits that grow with trust are then a hundred thousand prefixes each."""
STRANGERS = 12
"""A million entries by as many owners keep within those limits."""
VOUCHED = 20
"""Owners whom each stranger vouches for."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


class Speaker:
    """A node key, its owner's, and the certificate between them."""

    def __init__(self, name: str, owner: SigningKey, now: int) -> None:
        self.owner, self.key = owner, signing_key(name)
        self.node, self.owner_id = NodeId(self.key.public_key), OwnerId(owner.public_key)
        self.certificate = fresh_certificate(owner, self.node, 1, now)
        self._now, self._seq = now, 0

    def announce(self, keys: Sequence[PrefixKey], size: int = WHOLE) -> Iterator[Announcement]:
        """Blocks of these, so many in an announcement."""
        for at in range(0, len(keys), size):
            yield self._announcement(keys[at : at + size])

    def _announcement(self, keys: Sequence[PrefixKey]) -> Announcement:
        self._seq += 1
        stamp = Stamp(network=NETWORK, epoch=self._now * 1000, seq=self._seq, created_ms=self._now * 1000)
        return build_entries(self.key, stamp, [_block(key) for key in keys])


class Scene:
    """Who there is: this node, a second one of its fleet, and strangers."""

    def __init__(self) -> None:
        self.now = int(time.time())
        ours = signing_key("owner")
        self.me, self.neighbour = Speaker("me", ours, self.now), Speaker("neighbour", ours, self.now)
        self.strangers = [Speaker(f"node {n}", signing_key(f"owner {n}"), self.now) for n in range(STRANGERS)]

    def domain(self) -> Domain:
        """This node's core, empty, but for knowing everybody.

        Strangers vouch for others, and something is known of each: trust, vouches, evidence and limits are in force.
        What they say counts as adopted before, not as a flood.
        """
        me = Ourself(node=self.me.node, owner=self.me.owner_id, network=NETWORK)
        made = Domain(me, SystemClock(), default_trust=0.3, allow_private=False)
        for speaker in (self.me, self.neighbour, *self.strangers):
            made.intake.learn(speaker.certificate, self.now)
        for stranger in self.strangers:
            made.trust.give(stranger.owner_id, TRUSTED)
            made.membership.confirm(stranger.owner_id, 1, self.now)
            for number in range(VOUCHED):
                made.membership.vouch(_vouch(stranger.owner_id, number, self.now), self.now)
        made.adoption.allowances.credit({stranger.owner_id: 1 << 20 for stranger in self.strangers})
        return made


def _vouch(voucher: OwnerId, number: int, now: int) -> Vouch:
    subject = OwnerId(f"vouched {number} by {voucher.hex()[:8]}".encode().ljust(32, b"."))
    return Vouch(voucher=voucher, subject=subject, level=100, created=now, expires=now + TTL, signature=bytes(64))


def _block(key: PrefixKey) -> Entry:
    return Entry(key=key, action=Action.BLOCK, category=Category.OTHER, confidence=7, ttl=TTL)


def signing_key(name: str) -> SigningKey:
    """The same for the same name."""
    return SigningKey(name.encode().ljust(32, b"."))


def hosts(count: int, first: int = 0) -> list[PrefixKey]:
    """So many hosts, ascending, from the `first`-th on."""
    return [v4_key(FIRST_HOST + n * STRIDE, 32) for n in range(first, first + count)]


def take(domain: Domain, announcement: Announcement, now: int) -> None:
    """From a peer's bytes to prefixes that wait to be judged."""
    outcome = domain.intake.receive(announcement.raw, now)
    assert isinstance(outcome, Recorded)
    domain.changed(outcome.dirty)


def judge_all(domain: Domain, now: float) -> int:
    """Judge until nothing is dirty; how many verdicts changed."""
    changed = 0
    while domain.adoption.pending:
        changed += len(domain.adoption.judge_some(now, 64))
    return changed
