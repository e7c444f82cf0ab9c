"""New announcements to peers, and what peers asked for (protocol 4, first form: to every peer).

Small ones are pushed at once; large ones, and what a peer chokes or would refuse, are announced and sent when asked
for. A peer that sent or announced one does not get it back, nor what it does not carry. An origin's certificate goes
before its first announcement. Nothing is delayed: what one event brings leaves with that event, except long answers,
which leave in pieces.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from p2pfw.core.announcement import Announcement, Kind, RawAnnouncement
from p2pfw.core.gossip.events import Lane
from p2pfw.core.gossip.links import Context, Link
from p2pfw.core.wire import Ihave, Miss, Push, Pushed, Refuse, RefuseCode, RefuseScope, Want

LARGE: Final = 4_096
"""A body of more bytes is announced, never pushed unasked."""
PUSH_BYTES: Final = 32_768
"""A PUSH of several announcements is cut at this size, so that other frames come between."""
PUSH_ITEMS: Final = 64
"""Announcements in one PUSH: verifying as many takes the receiver about 10 ms."""
IHAVE_IDS: Final = 1_000
SERVE_BYTES: Final = 262_144
"""Answered at once; the rest of a long answer goes out in pieces of this size."""
SERVE_EVERY: Final = 0.02
MAX_SERVING: Final = 4_000
LAST_HOP: Final = 255


def to_push(raw: RawAnnouncement, hop: int) -> Pushed:
    """An announcement as it travels in a PUSH."""
    return Pushed(hop=hop, header=raw.header, signature=raw.signature, body=raw.body)


class Broadcast:
    """What leaves for peers."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._certificates: dict[bytes, Pushed] = {}
        """As they leave with the event at hand: one object for all peers."""

    def relay(self, one: Announcement, hop: int, *, eager: bool) -> None:
        """Send one that is new here to everyone who carries its owner and is not known to have it."""
        context, identity = self._context, one.id[:16]
        owner = context.archive.owner_of(one, context.now.wall)
        item = to_push(one.raw, min(hop, LAST_HOP))
        for link in context.ready():
            if identity in link.known or owner not in (link.carried.owners or ()):
                continue
            link.known.add(identity)
            if eager and self._may_push(link, one, item):
                self._certificate_first(link, one, link.pushes)
                link.pushes.append(item)
            elif link.outbox.ids(1, context.now.mono):
                link.ihaves.append(identity)
                link.hop = max(link.hop, item.hop)
            else:
                # More news than the peer would take: it finds the rest by a reconciliation.
                context.counts["ids-held-back"] += 1
                link.sync_at = link.sync_at or context.now.mono + context.settings.sync_again

    def flush(self) -> None:
        """Send what was collected. Peers that get the same get the same frame object."""
        made: dict[tuple[int, ...], Push] = {}
        for link in self._context.links.values():
            if not (link.pushes or link.ihaves):
                continue
            for part in _parts(link.pushes):
                frame = made.setdefault(tuple(map(id, part)), Push(items=part))
                self._context.send(link, frame, Lane.EAGER)
            for at in range(0, len(link.ihaves), IHAVE_IDS):
                ids = tuple(link.ihaves[at : at + IHAVE_IDS])
                self._context.send(link, Ihave(hop=link.hop, ids=ids), Lane.IHAVE)
            link.pushes, link.ihaves, link.hop = [], [], 0
        self._certificates.clear()

    def asked(self, link: Link, frame: Want) -> None:
        """A peer wants some; what is not answered at once is answered soon."""
        if frame.runs:
            self._context.send(link, Miss(runs=frame.runs), Lane.REPLY)
        room = MAX_SERVING - len(link.serving)
        if len(frame.ids) > room:
            busy = Refuse(code=RefuseCode.BUSY, scope=RefuseScope.SESSION, limit=MAX_SERVING)
            self._context.send(link, busy)
        link.serving[:0] = reversed(frame.ids[: max(0, room)])
        self.serve(link)

    def serve(self, link: Link) -> None:
        """Answer the next piece of what the peer asked for."""
        now, size = self._context.now.mono, 0
        if now < link.serve_at:
            return
        items: list[Pushed] = []
        missing: list[bytes] = []
        while link.serving and size < SERVE_BYTES:
            identity = link.serving.pop()
            one = self._context.archive.get(identity)
            if one is None:
                missing.append(identity)
                continue
            link.known.add(identity)
            self._certificate_first(link, one, items)
            items.append(to_push(one.raw, 0))
            size += items[-1].size
        link.serve_at = now + SERVE_EVERY if link.serving else now
        for part in _parts(items):
            self._context.send(link, Push(items=part), Lane.REPLY)
        if missing:
            self._context.send(link, Miss(ids=tuple(missing)), Lane.REPLY)

    def tick(self) -> None:
        """Go on with long answers."""
        for link in self._context.links.values():
            if link.serving:
                self.serve(link)

    def next_deadline(self) -> float | None:
        """Monotonic seconds."""
        return min((link.serve_at for link in self._context.links.values() if link.serving), default=None)

    def _may_push(self, link: Link, one: Announcement, item: Pushed) -> bool:
        now = self._context.now.mono
        if link.choked or now < link.ihave_until or len(one.raw.body) > LARGE:
            return False
        return link.outbox.push(item.size, now)

    def _certificate_first(self, link: Link, one: Announcement, items: list[Pushed]) -> None:
        """protocol 5.0: an origin's certificate precedes its first announcement in a session."""
        if one.origin in link.certified:
            return
        link.certified.add(one.origin)
        if one.header.kind == Kind.CERTIFICATE:
            return
        certificate = self._context.archive.certificate(one.origin, self._context.now.wall)
        if certificate is not None and certificate.id[:16] not in link.known:
            link.known.add(certificate.id[:16])
            items.append(self._certificates.setdefault(certificate.id, to_push(certificate.raw, 0)))


def _parts(items: Sequence[Pushed]) -> Iterable[tuple[Pushed, ...]]:
    """In pieces of bounded size, in order."""
    part: list[Pushed] = []
    size = 0
    for item in items:
        if part and (size + item.size > PUSH_BYTES or len(part) >= PUSH_ITEMS):
            yield tuple(part)
            part, size = [], 0
        part.append(item)
        size += item.size
    if part:
        yield tuple(part)
