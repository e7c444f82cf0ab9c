"""What dishonest nodes send, as bytes. Everything a liar could make with its own key and what it holds, and no more."""

from dataclasses import replace

from p2pfw.core.announcement import (
    CONTEXT,
    Action,
    Announcement,
    Category,
    Entry,
    Header,
    Kind,
    RawAnnouncement,
    build_entries,
)
from p2pfw.core.header import content_hash
from p2pfw.core.identity import NodeId, SigningKey
from p2pfw.core.wire import Hello, Push, Pushed, encode_frame
from p2pfw.sim.machine import Machine, prefix
from p2pfw.sim.scenario import Lies

YEAR_MS = 365 * 86_400_000
FLOOD = 3_000


def lies(liar: Machine, lie: Lies, first: int, true: Announcement, time: float) -> list[bytes]:
    """The frames of one lie. `true`: an honest announcement that nobody but the liar has seen yet."""
    if lie is Lies.GARBAGE:
        return [b"\x93\x06\xc1garbage"]
    if lie is Lies.FLOOD:
        return [_pushed(_own(liar, first + number, time)) for number in range(FLOOD)]
    return [_pushed(_lie(liar, lie, first, true, time))]


def claim(hello: Hello, liar: Machine, victim: NodeId, time: float) -> Hello:
    """A HELLO that pretends to hold the victim's announcement with the largest number there is."""
    header = replace(_signed(liar, liar.key, 0, time)[0], origin=victim, epoch=2**63 - 1, seq=2**63 - 1).encode()
    return replace(hello, held_header=header, held_signature=liar.key.sign(CONTEXT, header))


def _lie(liar: Machine, lie: Lies, first: int, true: Announcement, time: float) -> RawAnnouncement:
    match lie:
        case Lies.FORGED:
            return RawAnnouncement(true.raw.header, liar.key.sign(CONTEXT, true.raw.header), true.raw.body)
        case Lies.TAMPERED:
            return RawAnnouncement(true.raw.header, true.raw.signature, true.raw.body[:-1] + b"\x00")
        case Lies.NOT_CANONICAL:
            return _signed(liar, liar.key, first, time, host_bits=True)[1]
        case Lies.FUTURE:
            ahead = replace(liar.stamp(time), created_ms=liar.stamp(time).created_ms + YEAR_MS)
            return build_entries(liar.key, ahead, [_entry(first)]).raw
        case _:
            stranger = SigningKey(liar.random.randbytes(32))
            return build_entries(stranger, liar.stamp(time), [_entry(first)]).raw


def _own(liar: Machine, number: int, time: float) -> RawAnnouncement:
    return build_entries(liar.key, liar.stamp(time), [_entry(number)]).raw


def _entry(number: int) -> Entry:
    return Entry(key=prefix(number), action=Action.BLOCK, category=Category.WEB, confidence=7, ttl=3_600, age=0)


def _signed(
    liar: Machine, key: SigningKey, number: int, time: float, *, host_bits: bool = False
) -> tuple[Header, RawAnnouncement]:
    """Signed by hand, so that it may be what no builder makes."""
    good = build_entries(key, liar.stamp(time), [_entry(number)])
    body = good.raw.body[:4] + bytes([8]) + good.raw.body[5:] if host_bits else good.raw.body
    header = replace(good.header, kind=Kind.ENTRIES, body_hash=content_hash(body))
    return header, RawAnnouncement(header.encode(), key.sign(CONTEXT, header.encode()), body)


def _pushed(raw: RawAnnouncement) -> bytes:
    return encode_frame(Push(items=(Pushed(hop=0, header=raw.header, signature=raw.signature, body=raw.body),)))
