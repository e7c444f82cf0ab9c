"""One simulated node: the real core, with a signing key, a clock that is a little wrong, and no disk but its memory."""

import random
from collections.abc import Sequence

from p2pfw.core.adoption import Adoption
from p2pfw.core.allowance import Allowances
from p2pfw.core.announcement import (
    Action,
    Announcement,
    Category,
    Entry,
    Kind,
    RawAnnouncement,
    Stamp,
    build_certificate,
    build_entries,
    build_other,
)
from p2pfw.core.directory import Directory
from p2pfw.core.gossip.archive import Archive
from p2pfw.core.gossip.events import Effect, Event, Moment, Recorded
from p2pfw.core.gossip.limits import Limits
from p2pfw.core.gossip.links import Settings
from p2pfw.core.gossip.swarm import Gossip
from p2pfw.core.identity import Certificate, NetworkId, NodeId, OwnerId, SigningKey, Uses, certify
from p2pfw.core.intake import Intake
from p2pfw.core.intake import Recorded as Outcome
from p2pfw.core.ledger import Ledger
from p2pfw.core.membership import Membership
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.core.protected import Protected
from p2pfw.core.trust import PRESETS, TrustTable
from p2pfw.core.verdict import Reason
from p2pfw.core.whitelist import Whitelist

START: int = 1_800_000_000
"""Unix seconds at the beginning of every simulation."""
FIRST_ADDRESS: int = 45 << 24
DAY: int = 86_400


def prefix(number: int) -> PrefixKey:
    """The prefix that a scenario calls by this number: a public address."""
    return v4_key(FIRST_ADDRESS + number, 32)


class Boundless(Allowances):
    """What travels, and how fast, is measured here: limits on adoption would only hide it."""

    def check(self, key: PrefixKey, number: int, now: float) -> tuple[Reason | None, frozenset[bytes]]:  # noqa: ARG002
        """Everybody may."""
        return None, frozenset()


class Machine:
    """A node that is up or down. What it holds survives `restart`, sessions do not."""

    def __init__(self, index: int, seed: int, network: NetworkId, owner: SigningKey, offset: float) -> None:
        self.index, self.network, self.offset = index, network, offset
        self.random = random.Random(f"machine {seed} {index}")
        self.key = SigningKey(self.random.randbytes(32))
        self.node = NodeId(self.key.public_key)
        self.owner_key, self.owner = owner, OwnerId(owner.public_key)
        self.certificate: Certificate = certify(
            owner, self.node, serial=index + 1, not_before=START - DAY, not_after=START + 60 * DAY, uses=Uses.ALL
        )
        self.up = False
        self.epoch = 0
        self.seq = 0
        self.directory = Directory()
        self.trust = TrustTable(self.owner)
        self.ledger = Ledger(self.directory)
        self.membership = Membership(self.trust)
        self.intake = Intake(network, self.directory, self.ledger, self.trust, self.membership)
        policy = Policy(
            own_node=self.node,
            own_owner=self.owner,
            trust=self.trust,
            whitelist=Whitelist(),
            protected=Protected(),
        )
        self.adoption = Adoption(policy, self.ledger.statements)
        self.adoption.allowances = Boundless(self.trust.most)
        self.gossip: Gossip

    def carries(self) -> frozenset[OwnerId]:
        """The owners that it carries."""
        return frozenset({self.owner, *self.trust.owners()})

    def give_trust(self, owner: OwnerId) -> None:
        """The operator's word on somebody."""
        self.trust.give(owner, PRESETS["solo"])

    def wall(self, time: float) -> float:
        """What its clock shows."""
        return START + time + self.offset

    def restart(self, time: float, limits: Limits) -> list[Announcement]:
        """A new process over the same store: new epoch, no sessions. What it says first: its certificate, once."""
        self.up = True
        self.epoch, self.seq = int(self.wall(time) * 1000), 0
        settings = Settings(network=self.network, store_id=self.random.randbytes(16), limits=limits)
        archive = Archive(self.intake, self.ledger, self.directory)
        self.gossip = Gossip(self.node, archive, self.carries, settings, self.random, Moment(self.wall(time), time))
        if self.ledger.announcements_of(self.node, self.wall(time), kind=Kind.CERTIFICATE):
            return []
        return [self.record(build_certificate(self.key, self.stamp(time), self.certificate), time)]

    def stamp(self, time: float) -> Stamp:
        """The next number."""
        self.seq += 1
        now = int(self.wall(time) * 1000)
        return Stamp(network=self.network, epoch=self.epoch, seq=self.seq, created_ms=now)

    def say(self, time: float, action: Action, numbers: Sequence[int], ttl: int) -> Announcement:
        """Announce about prefixes, and record it here."""
        kind = Kind.PARDON if action is Action.PARDON else Kind.ENTRIES
        entries = [
            Entry(key=prefix(number), action=action, category=Category.SSH, confidence=7, ttl=ttl, age=0)
            for number in numbers
        ]
        return self.record(build_entries(self.key, self.stamp(time), entries, kind=kind), time)

    def say_document(self, time: float, kind: Kind, body: bytes, life: int) -> Announcement:
        """Announce something that is no entries, and record it here."""
        expires = int(self.wall(time)) + life
        return self.record(build_other(self.key, self.stamp(time), kind, body, expires), time)

    def record(self, one: Announcement, time: float) -> Announcement:
        """Its own word, into its own ledger."""
        outcome = self.intake.receive(one.raw, self.wall(time))
        if isinstance(outcome, Outcome):
            self.judge(outcome, time)
        return one

    def handle(self, time: float, event: Event) -> list[Effect]:
        """One event, through gossip, ledger, policy."""
        effects = self.gossip.handle(Moment(self.wall(time), time), event)
        for effect in effects:
            if isinstance(effect, Recorded):
                self.judge(effect.outcome, time)
        return effects

    def judge(self, outcome: Outcome, time: float) -> None:
        """Judge what an announcement made dirty."""
        self.adoption.mark(outcome.dirty)
        self.adoption.judge_some(self.wall(time), len(outcome.dirty))

    def tick(self, time: float) -> None:
        """Let what is over end."""
        dropped = self.ledger.tick(self.wall(time))
        self.adoption.tick(self.wall(time))
        self.adoption.mark(dropped.dirty)
        self.adoption.judge_some(self.wall(time), self.adoption.pending)

    def holds(self, time: float, owners: frozenset[OwnerId]) -> set[bytes]:
        """Ids of what is alive of these owners."""
        return {row.id for row in self.ledger.ids_of(owners, self.wall(time))}

    def forge(self, victim: NodeId, one: Announcement) -> RawAnnouncement:
        """A header that names the victim as origin, under a signature of this node's own key."""
        header = one.raw.header.replace(self.node, victim)
        return RawAnnouncement(header, self.key.sign("p2pfw/announcement/1", header), one.raw.body)
