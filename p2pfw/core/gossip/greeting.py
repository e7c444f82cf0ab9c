"""HELLO and PING: who is on the other side, is it still there, and what does it hold of ours (protocol 3).

HELLO comes first in each direction. In it each side proves, by the other's own signed header, the newest announcement
of the other's that it holds: so a node restored from an old backup learns that it has numbered further. A claim without
that proof is counted and otherwise ignored. Round-trip times and clock offsets are measured here; judging them is not.
"""

from typing import Final

from p2pfw.core.announcement import CONTEXT
from p2pfw.core.gossip.events import Overtaken, Refused
from p2pfw.core.gossip.links import Context, Link
from p2pfw.core.header import Header
from p2pfw.core.identity import verify
from p2pfw.core.wire import VERSION, ByeCode, Hello, Ping, Pong
from p2pfw.errors import FrameError, PeerError, SignatureError, WrongNetworkError

JITTER: Final = 0.2
TOKEN_BITS: Final = 31


class Greeting:
    """The beginning of a session, and its pulse."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def greet(self, link: Link) -> None:
        """Our HELLO, with our proof of what we hold of the peer's."""
        held = self._context.archive.highest(link.node)
        hello = Hello(
            versions=(VERSION,),
            store_id=self._context.settings.store_id,
            clock_ms=self._context.now.wall_ms,
            held_header=held.raw.header if held else b"",
            held_signature=held.raw.signature if held else b"",
            record=self._context.settings.record,
        )
        self._context.send(link, hello)
        self.ping(link)

    def receive(self, link: Link, frame: Hello) -> None:
        """The peer's HELLO. FrameError: it is not the first."""
        if link.greeted:
            raise FrameError("a second HELLO")
        link.greeted = True
        if VERSION not in frame.versions:
            self._context.drop(link, "no common version", ByeCode.VERSION)
            return
        if frame.held_header:
            self._check_held(link, frame)

    def ping(self, link: Link) -> None:
        """Ask for a sign of life."""
        context, settings = self._context, self._context.settings
        token = int(context.random.random() * (1 << TOKEN_BITS))
        link.ping_sent = (token, context.now.mono, context.now.wall)
        jitter = 1 + JITTER * (2 * context.random.random() - 1)
        link.ping_at = context.now.mono + settings.ping_every * jitter
        context.send(link, Ping(token=token, clock_ms=context.now.wall_ms))

    def pinged(self, link: Link, frame: Ping) -> None:
        """Give a sign of life."""
        self._context.send(link, Pong(token=frame.token, clock_ms=self._context.now.wall_ms))

    def ponged(self, link: Link, frame: Pong) -> None:
        """Measure."""
        if link.ping_sent is None or link.ping_sent[0] != frame.token:
            return
        _, mono, wall = link.ping_sent
        link.ping_sent = None
        link.rtt = self._context.now.mono - mono
        link.offset = frame.clock_ms / 1000 - (wall + link.rtt / 2)

    def tick(self) -> None:
        """Ping who is due, end sessions that are silent."""
        context, mono = self._context, self._context.now.mono
        for link in list(context.links.values()):
            if mono >= self._dead_at(link):
                context.counts["silent"] += 1
                context.drop(link, "silent", ByeCode.SILENT)
            elif mono >= link.ping_at:
                self.ping(link)

    def next_deadline(self) -> float | None:
        """Monotonic seconds."""
        return min((min(link.ping_at, self._dead_at(link)) for link in self._context.links.values()), default=None)

    def _dead_at(self, link: Link) -> float:
        settings = self._context.settings
        return link.heard + settings.dead_after if link.greeted else link.opened + settings.hello_within

    def _check_held(self, link: Link, frame: Hello) -> None:
        try:
            order = self._proven(frame)
        except PeerError as error:
            # Not the end of the session: a node that kept what a forger gave it may believe in it.
            self._context.counts["hello-unproven"] += 1
            self._context.effects.append(Refused(peer=link.peer, error=error))
            return
        ours = self._context.archive.highest(self._context.own)
        if ours is None or order > ours.header.order:
            self._context.effects.append(Overtaken(epoch=order[0], seq=order[1]))

    def _proven(self, frame: Hello) -> tuple[int, int]:
        header = Header.decode(frame.held_header)
        if header.network != self._context.settings.network[: len(header.network)]:
            raise WrongNetworkError("a header of another network")
        if header.origin != self._context.own or not verify(
            self._context.own, CONTEXT, frame.held_header, frame.held_signature
        ):
            raise SignatureError("not a header that we signed")
        return header.order
