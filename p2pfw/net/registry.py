"""Which sessions are open, and who may open one: one session an id, bans, and the listener's own admission.

Of two sessions with one node, opened at about the same time because both sides dialled, the one that the smaller id
dialled is kept; both sides decide the same. Later than that, a new handshake proves that the peer lost the old session
(nobody dials a node that it has a session with), and the new one is kept.
"""

import asyncio
import logging
from typing import Final, Protocol

from p2pfw.core.identity import NodeId
from p2pfw.errors import AdmissionError
from p2pfw.net.backoff import Chance
from p2pfw.net.limits import Limits
from p2pfw.ports import Ban, Clock, Credentials, PeerProof, PeerSession, SendClass, SessionListener, SessionStats

log = logging.getLogger(__name__)

_MAX_BANS: Final = 4_096

NO_REFUSAL: Final = frozenset({"unreachable", "duplicate", "bye-duplicate", "far-duplicate"})
"""Ends of calls in which nobody refused anybody: two nodes called one another, and kept one of the two sessions."""


class Linked(Protocol):
    """A link, as others than itself see it (net.link)."""

    peer: PeerSession
    opened_at: float
    over: asyncio.Future[str]
    retry_after: int

    def send(self, frame: bytes, send_class: SendClass) -> bool:
        """Queue a frame."""
        ...

    def end(self, reason: str, *, tell: bool = True, retry_after: int = 0) -> None:
        """End it soon."""
        ...

    def finish(self) -> None:
        """Take it off the register now."""
        ...

    def stats(self) -> SessionStats:
        """What went through it."""
        ...


class Registry:
    """The open sessions of this node, and what every session shares: limits, clock, chance, the listener."""

    def __init__(
        self, credentials: Credentials, listener: SessionListener, *, clock: Clock, chance: Chance, limits: Limits
    ) -> None:
        self.credentials, self.listener = credentials, listener
        self.clock, self.chance, self.limits = clock, chance, limits
        self._links: dict[int, Linked] = {}
        self._by_node: dict[NodeId, Linked] = {}
        self._bans: dict[NodeId, tuple[float, str]] = {}
        self._number = 0
        self._past_in = self._past_out = 0
        self.stopping = False
        """True: nobody is let in any more."""

    def next_number(self) -> int:
        """For a new session."""
        self._number += 1
        return self._number

    def links(self) -> list[Linked]:
        """All open ones."""
        return list(self._links.values())

    def link(self, number: int) -> Linked | None:
        """The open one with this number."""
        return self._links.get(number)

    def link_to(self, node: NodeId) -> Linked | None:
        """The open one with this node."""
        return self._by_node.get(node)

    def add(self, link: Linked) -> None:
        """It is open now; `admit` and `make_room` were asked before."""
        self._links[link.peer.number] = link
        self._by_node[link.peer.node] = link

    def remove(self, link: Linked) -> None:
        """It is over."""
        if self._links.pop(link.peer.number, None) is not None:
            past = link.stats()
            self._past_in += past.bytes_in
            self._past_out += past.bytes_out
        if self._by_node.get(link.peer.node) is link:
            del self._by_node[link.peer.node]

    def traffic(self) -> tuple[int, int]:
        """Bytes in and out of all sessions since the start, those that are over included."""
        open_now = [link.stats() for link in self._links.values()]
        received = self._past_in + sum(one.bytes_in for one in open_now)
        return received, self._past_out + sum(one.bytes_out for one in open_now)

    def admit(self, proof: PeerProof) -> None:
        """AdmissionError when this peer is banned, or the listener does not want it."""
        if self.stopping:
            raise AdmissionError("stopping", "this node is about to stop")
        ban = self.ban_of(proof.node)
        if ban is not None:
            raise AdmissionError("banned", f"banned for {ban.seconds_left:.0f} more seconds: {ban.reason}")
        self.listener.admit(proof)

    def make_room(self, node: NodeId, *, inbound: bool) -> None:
        """End the session with `node` that is there already, or AdmissionError("duplicate") when that one is kept."""
        old = self._by_node.get(node)
        if old is None:
            return
        we_are_smaller = self.credentials.signer.public_key < node
        right = old.peer.inbound is not we_are_smaller
        young = self.clock.monotonic() - old.opened_at < self.limits.young_s
        if young and right and inbound is not old.peer.inbound:
            raise AdmissionError("duplicate", "there is a session with this node already")
        old.end("duplicate")
        old.finish()

    def ban(self, node: NodeId, seconds: int, reason: str) -> None:
        """Keep a node out. When there is no room for more bans, the one that ends first is forgotten."""
        log.warning("banned", extra={"node": node.hex(), "seconds": seconds, "reason": reason})
        self._bans[node] = (self.clock.monotonic() + seconds, reason)
        if len(self._bans) > _MAX_BANS:
            del self._bans[min(self._bans, key=lambda one: self._bans[one][0])]

    def ban_of(self, node: NodeId) -> Ban | None:
        """The ban of this node that still holds."""
        until, reason = self._bans.get(node, (0.0, ""))
        left = until - self.clock.monotonic()
        if left > 0 and reason:
            return Ban(node=node, reason=reason, seconds_left=left)
        self._bans.pop(node, None)
        return None

    def bans(self) -> list[Ban]:
        """All that still hold."""
        return [ban for node in list(self._bans) if (ban := self.ban_of(node)) is not None]
