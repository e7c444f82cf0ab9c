"""Nodes that are wired to each other directly: every frame goes through its bytes, nothing else is simulated."""

import random
from collections import deque

from p2pfw.core.announcement import (
    Action,
    Category,
    Entry,
    Kind,
    Stamp,
    build_certificate,
    build_entries,
    build_revocation,
)
from p2pfw.core.directory import Directory
from p2pfw.core.gossip.archive import Archive
from p2pfw.core.gossip.events import Drop, Moment, PeerDown, PeerUp, Published, Received, Send, Tick
from p2pfw.core.gossip.links import Settings
from p2pfw.core.gossip.swarm import Gossip
from p2pfw.core.identity import NodeId, OwnerId, SigningKey, certify, network_id, revoke
from p2pfw.core.intake import Intake
from p2pfw.core.ledger import Ledger
from p2pfw.core.prefix import v4_key
from p2pfw.core.trust import TrustTable
from p2pfw.core.wire import Hello, decode_frame, encode_frame

START = 1_800_000_000
NETWORK = network_id("test")
OWNERS = [SigningKey(bytes([200 + number]) * 32) for number in range(8)]


def block(number, *, action=Action.BLOCK, ttl=3_600):
    """One entry about a public address."""
    return Entry(
        key=v4_key((45 << 24) + number, 32), action=action, category=Category.SSH, confidence=7, ttl=ttl, age=0
    )


class Node:
    """One real gossip over a real ledger. `sent`: what it wants to send; `seen`: all other effects."""

    def __init__(self, number, *, owner=0, carries=(), net=None, certified=True, **settings):
        self.number, self.owner_key = number, OWNERS[owner]
        self.key = SigningKey(bytes([number + 1]) * 32)
        self.id = NodeId(self.key.public_key)
        self.owner = OwnerId(self.owner_key.public_key)
        self.now = Moment(START + 1_000.0, 1_000.0)
        self.directory = Directory()
        self.trust = TrustTable(self.owner)
        for other in carries:
            self.trust.give(OwnerId(OWNERS[other].public_key), 0.5)
        self.ledger = Ledger(self.directory)
        self.intake = Intake(NETWORK, self.directory, self.ledger, self.trust)
        self.archive = Archive(self.intake, self.ledger, self.directory)
        self.epoch, self.seq = (START + 999) * 1000, 0
        self.seen = []
        self.sent = deque()
        self.net = net
        self.gossip = Gossip(
            self.id,
            self.archive,
            lambda: frozenset({self.owner, *self.trust.owners()}),
            Settings(network=NETWORK, store_id=bytes([number]) * 16, **settings),
            random.Random(number),
            self.now,
        )
        self.certificate = certify(
            self.owner_key, self.id, serial=number + 1, not_before=START, not_after=START + 60 * 86_400
        )
        self.cert = None
        if certified:
            self.cert = self.own(build_certificate(self.key, self.stamp(), self.certificate))

    def stamp(self, *, at=None):
        """The next number; `at` in Unix seconds."""
        self.seq += 1
        created = int((self.now.wall if at is None else at) * 1000)
        return Stamp(network=NETWORK, epoch=min(self.epoch, created), seq=self.seq, created_ms=created)

    def own(self, one):
        """Into the own ledger, as the use case does."""
        self.intake.receive(one.raw, self.now.wall)
        return one

    def entries(self, *numbers, record=True, at=None, **entry):
        """Sign (and record) entries about these addresses."""
        one = build_entries(self.key, self.stamp(at=at), [block(number, **entry) for number in numbers])
        return self.own(one) if record else one

    def say(self, *numbers, **entry):
        """Announce."""
        one = self.entries(*numbers, **entry)
        self.handle(Published(announcements=[one]))
        return one

    def revocation(self, node):
        """The owner's word that a node key is dead."""
        return build_revocation(
            self.key, self.stamp(), revoke(self.owner_key, node=node.id, created=int(self.now.wall))
        )

    def handle(self, event):
        """One event; frames into `sent`, the rest into `seen`. The effects of this event."""
        effects = self.gossip.handle(self.now, event)
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.append(effect)
            else:
                self.seen.append(effect)
        return effects

    def get(self, peer, frame):
        """A frame from a peer."""
        return self.handle(Received(peer=peer, frame=frame))

    def tick(self, seconds):
        """Time goes by on both clocks."""
        self.now = Moment(self.now.wall + seconds, self.now.mono + seconds)
        return self.handle(Tick())

    def meet(self, peer, other, *, outbound=False, carry=True):
        """A session with a peer that this test plays by hand: HELLO done, and what `other` carries told."""
        self.handle(PeerUp(peer=peer, node=other.id, outbound=outbound))
        self.get(peer, Hello(versions=(1,), store_id=bytes(16), clock_ms=self.now.wall_ms))
        if carry:
            frames = [effect.frame for effect in self.sent if effect.peer == peer]
            digest = next(frame for frame in frames if type(frame).__name__ == "Carry")
            self.get(peer, digest)
        self.sent.clear()

    def of(self, kind):
        """Effects of this kind so far."""
        return [effect for effect in self.seen if isinstance(effect, kind)]

    def frames(self, kind):
        """Frames of this kind that wait to be sent."""
        return [effect.frame for effect in self.sent if isinstance(effect.frame, kind)]

    def holds(self, one):
        """True when the announcement is in the ledger."""
        return self.ledger.get(one.id) is not None


class Net:
    """Sessions between nodes, and all that is on the way."""

    def __init__(self):
        self.peers = 0
        self.ends = {}
        self.frames = []

    def connect(self, one, other, *, learn=True):
        """A session; the first one dialled. Both know the other's certificate, by the handshake."""
        here, there = self.peers + 1, self.peers + 2
        self.peers += 2
        self.ends[one.number, here] = (other, there)
        self.ends[other.number, there] = (one, here)
        if learn:
            one.intake.learn(other.certificate, one.now.wall)
            other.intake.learn(one.certificate, other.now.wall)
        one.handle(PeerUp(peer=here, node=other.id, outbound=True))
        other.handle(PeerUp(peer=there, node=one.id, outbound=False))
        return here, there

    def cut(self, one, peer):
        """The session is gone."""
        other, there = self.ends.pop((one.number, peer))
        self.ends.pop((other.number, there), None)
        one.handle(PeerDown(peer=peer))
        other.handle(PeerDown(peer=there))

    def run(self, *nodes):
        """Deliver until nothing is on the way."""
        while any(node.sent for node in nodes):
            for node in nodes:
                while node.sent:
                    self.deliver(node, node.sent.popleft())
            for node in nodes:
                self.close_dropped(node)

    def deliver(self, node, effect):
        """One frame, through its bytes."""
        end = self.ends.get((node.number, effect.peer))
        if end is None:
            return
        other, there = end
        frame = decode_frame(encode_frame(effect.frame))
        self.frames.append((node.number, other.number, frame))
        other.handle(Received(peer=there, frame=frame))

    def close_dropped(self, node):
        """What gossip drops is closed."""
        for drop in node.of(Drop):
            end = self.ends.pop((node.number, drop.peer), None)
            if end is not None:
                other, there = end
                self.ends.pop((other.number, there), None)
                other.handle(PeerDown(peer=there))

    def count(self, kind):
        """How many frames of this kind went by."""
        return sum(isinstance(frame, kind) for _, _, frame in self.frames)


def pair(**settings):
    """Two nodes of one owner, connected and caught up."""
    net = Net()
    one, other = Node(1, **settings), Node(2, **settings)
    net.connect(one, other)
    net.run(one, other)
    return net, one, other


__all__ = ["NETWORK", "OWNERS", "START", "Kind", "Net", "Node", "block", "pair"]
