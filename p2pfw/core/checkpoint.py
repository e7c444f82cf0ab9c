"""A checkpoint's body: what of its origin's announcements still counts, in one signed list (protocol 1.6).

    epoch (8) seq (8), then per announcement that stays: id (32) expires (8), ascending by id

It voids the origin's entries announcements before (epoch, seq) that it does not list, at every node that holds all it
lists. Pure data and the three questions about it; holding, deleting and asking for what is missing is the ledger's.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from operator import lt
from typing import Final, NewType, Self

from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME
from p2pfw.errors import InputError, MalformedError, NotCanonicalError

AnnouncementId = NewType("AnnouncementId", bytes)
"""BLAKE2b-256 of an announcement's header, 32 bytes."""

# Changing anything here breaks peers.
_HEAD: Final = struct.Struct(">QQ")
_HELD: Final = struct.Struct(">32sQ")
MAX_BODY: Final = 32_768
"""Bytes of any announcement's body."""
MAX_HELD: Final = (MAX_BODY - _HEAD.size) // _HELD.size
"""818 announcements: more than a full share needs in segments of 1,024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Of the origin's entries announcements before (epoch, seq) only those in `held` count: (id, expires in Unix s)."""

    epoch: int
    seq: int
    held: tuple[tuple[AnnouncementId, int], ...]

    def __post_init__(self) -> None:
        if len(self.held) > MAX_HELD:
            raise InputError(f"a checkpoint lists at most {MAX_HELD} announcements: compact first", field="held")
        if not (0 <= self.epoch <= MAX_COUNTER and 0 <= self.seq <= MAX_COUNTER):
            raise MalformedError("epoch or seq out of range")
        ids = [held for held, _ in self.held]
        if any(len(held) != 32 for held in ids) or any(not 0 <= expires <= MAX_TIME for _, expires in self.held):
            raise MalformedError("an id or time that is none")
        if not all(map(lt, ids, ids[1:])):
            raise NotCanonicalError("ids not in strictly ascending order")

    def encode(self) -> bytes:
        """The body of the announcement of kind checkpoint."""
        return _HEAD.pack(self.epoch, self.seq) + b"".join(_HELD.pack(held, expires) for held, expires in self.held)

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """From a body of at most 32 KiB; MalformedError, NotCanonicalError."""
        if not _HEAD.size <= len(body) <= MAX_BODY or (len(body) - _HEAD.size) % _HELD.size:
            raise MalformedError("a checkpoint of another length")
        epoch, seq = _HEAD.unpack_from(body)
        listed = _HELD.iter_unpack(body[_HEAD.size :])
        return cls(epoch=epoch, seq=seq, held=tuple((AnnouncementId(held), expires) for held, expires in listed))

    def missing(self, holds: Callable[[AnnouncementId], bool], now: float) -> list[AnnouncementId]:
        """What must still be fetched before it applies. What has expired counts as held."""
        return [held for held, expires in self.held if expires > now and not holds(held)]

    def applies(self, holds: Callable[[AnnouncementId], bool], now: float) -> bool:
        """True once everything that it lists is held or has expired."""
        return not self.missing(holds, now)

    def voids(self, order: tuple[int, int], held: AnnouncementId) -> bool:
        """True for an entries announcement of the same origin at `order` with this id, once the checkpoint applies."""
        return order < (self.epoch, self.seq) and all(held != listed for listed, _ in self.held)
