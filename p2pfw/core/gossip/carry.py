"""Which owners both sides carry (protocol 5.0): hashes first, sets where these differ, changes afterwards.

Only announcements of owners that both carry are sent, announced and reconciled. Who is carried is the operator's
choice; gossip is only told. A peer that never finishes telling is not synchronised with, and harms nobody else.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from p2pfw.core.gossip.events import Lane
from p2pfw.core.gossip.links import Context, Link
from p2pfw.core.identity import OwnerId
from p2pfw.core.wire import Carry, CarryForm
from p2pfw.errors import FrameError

MAX_OWNERS: Final = 65_536
"""Owners that a peer may say it carries."""
PART: Final = 1_500
"""Owners in one frame: 48 kB."""
CONTEXT: Final = b"p2pfw/carry/1\0"


def carried_digest(owners: Iterable[OwnerId]) -> bytes:
    """The hash of a set of owners: BLAKE2b-256 over the context and the sorted keys. Changing this breaks peers."""
    return blake2b(CONTEXT + b"".join(sorted(owners)), digest_size=32).digest()


class CarryExchange:
    """Tells peers whom this node carries, and learns whom they do."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told = context.carried()
        self._digest = carried_digest(self._told)

    def greet(self, link: Link) -> None:
        """Right behind our HELLO."""
        self._say(link, CarryForm.DIGEST)

    def receive(self, link: Link, frame: Carry) -> frozenset[OwnerId] | None:
        """Learn. The owners that both sides carry since this frame; None when nothing became known."""
        match frame.form:
            case CarryForm.DIGEST if frame.digest != self._digest:
                self._say(link, CarryForm.ASK)
                return None
            case CarryForm.DIGEST:
                return self._learned(link, set(self._told), frame.digest)
            case CarryForm.ASK:
                self._tell_set(link)
                return None
            case CarryForm.SET:
                return self._learned(link, {OwnerId(owner) for owner in frame.added}, frame.digest)
            case _:
                return self._change(link, frame)

    def changed(self) -> frozenset[OwnerId]:
        """Our own set may have changed: tell everyone. The owners that are new to it."""
        now = self._context.carried()
        added, removed = now - self._told, self._told - now
        if not (added or removed):
            return frozenset()
        self._told, self._digest = now, carried_digest(now)
        for link in self._context.links.values():
            self._tell_change(link, sorted(added), sorted(removed))
        return added

    def _change(self, link: Link, frame: Carry) -> frozenset[OwnerId] | None:
        telling = link.carried.telling
        if telling is None:
            # A change of a set that we asked for and that has not come: the set will have it.
            return None
        telling |= {OwnerId(owner) for owner in frame.added}
        telling -= {OwnerId(owner) for owner in frame.removed}
        if len(telling) > MAX_OWNERS:
            raise FrameError("more owners than anybody carries")
        return self._learned(link, telling, frame.digest)

    def _learned(self, link: Link, telling: set[OwnerId], digest: bytes) -> frozenset[OwnerId] | None:
        link.carried.telling = telling
        if carried_digest(telling) != digest:
            return None
        before = link.carried.owners or frozenset()
        link.carried.owners = frozenset(telling)
        return (link.carried.owners - before) & self._told

    def _tell_set(self, link: Link) -> None:
        owners = sorted(self._told)
        self._say(link, CarryForm.SET, owners[:PART])
        self._tell_change(link, owners[PART:], [])

    def _tell_change(self, link: Link, added: list[OwnerId], removed: list[OwnerId]) -> None:
        for at in range(0, len(added), PART):
            self._say(link, CarryForm.CHANGE, added[at : at + PART])
        for at in range(0, len(removed), PART):
            self._say(link, CarryForm.CHANGE, (), removed[at : at + PART])

    def _say(self, link: Link, form: CarryForm, added: Iterable[OwnerId] = (), removed: Iterable[OwnerId] = ()) -> None:
        frame = Carry(form=form, digest=self._digest, added=tuple(added), removed=tuple(removed))
        self._context.send(link, frame, Lane.CONTROL)
