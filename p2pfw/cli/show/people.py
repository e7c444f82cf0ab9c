"""Peers, fleets, invitations."""

import time
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer, Styled
from p2pfw.cli.show.times import ago, epoch, until

_COLOURS: Final = {
    "connected": "green",
    "unreachable": "red",
    "banned": "red",
    "revoked": "red",
    "connecting": "yellow",
}
_SHORT: Final = 16
"""Characters of an id that are shown where the reader knows it (identity.md, "Files")."""


def peers(printer: Printer, body: bytes) -> None:
    """One line a node; an owner has one of its own only where none of its nodes is listed."""
    found = msgspec.json.decode(body, type=schema.PeerList).peers
    there = {one.owner for one in found if one.id != one.owner}
    if printer.form is Form.HUMAN:
        found = [one for one in found if one.id != one.owner or one.owner not in there]
    _table(printer, found)


def owner(printer: Printer, body: bytes) -> None:
    """The fleet."""
    found = msgspec.json.decode(body, type=schema.OwnerView)
    if printer.form is Form.HUMAN:
        key = "the owner's key is on this node" if found.holds_key else "the owner's key is elsewhere"
        printer.line(f"owner  {found.owner_id}")
        printer.line(f"       {key}")
    else:
        printer.row("owner", found.owner_id, int(found.holds_key))
    _table(printer, found.nodes)


def peer(printer: Printer, body: bytes) -> None:
    """Everything about one."""
    one = msgspec.json.decode(body, type=schema.PeerView)
    if printer.form is Form.PLAIN:
        _plain(printer, one)
        return
    now = time.time()
    printer.line(Styled(one.name or one.id[:_SHORT], bold=True), "  ", _state(one))
    lines = {
        "id": one.id,
        "owner": one.owner,
        "trust": _trust(one) + (f"  ({one.trust_from})" if one.trust_from else ""),
        "counts": _counts(one),
        "seen": f"{one.confirmed} right, {one.contradicted} wrong" if one.confirmed or one.contradicted else "",
        "limits": _limits(one.limits),
        "address": ", ".join(one.addresses) or one.address,
        "since": ago(one.since, now) if one.since else "",
        "certificate": f"ends {until(one.certificate_expires, now)}" if one.certificate_expires else "",
        "said": f"{one.announcements} announcements, {one.entries} entries, {one.adopted} adopted here",
        "traffic": f"{one.bytes_in} bytes in, {one.bytes_out} bytes out",
        "round trip": f"{one.round_trip_ms:.0f} ms" if one.round_trip_ms is not None else "",
        "clock": f"{one.clock_offset_ms:+} ms" if one.clock_offset_ms is not None else "",
        "last error": one.last_error,
    }
    for label, text in lines.items():
        if text:
            printer.line(f"  {label:<11}  {text}")


def _counts(one: schema.PeerView) -> str:
    """What it counts for, where that is not simply its trust."""
    if one.muted:
        return f"0.00: muted, what was seen of it speaks against it; p2pfw peer forgive {one.name or one.id}"
    parts = [f"x {one.rep:.2f} by what was seen of it"] if one.rep < 1 else []
    parts += [f"one voice with {one.sponsor}, who vouches for it"] if one.sponsor else []
    return f"{one.weight:.2f} ({', '.join(parts)})" if parts else ""


def _limits(found: schema.PeerLimits | None) -> str:
    if found is None:
        return ""
    alone = f"alone {found.alone_hour:,} of {found.rate_limit:,} an hour"
    text = f"{found.adopted:,} of {found.adopted_limit:,} prefixes; {alone}"
    return text + (f"; {found.held:,} held" if found.held else "")


def invite(printer: Printer, body: bytes) -> None:
    """The line to paste, last and alone on stdout; what to know about it on stderr."""
    found = msgspec.json.decode(body, type=schema.InviteAnswer)
    if printer.form is Form.PLAIN:
        printer.row(found.line, epoch(found.expires), found.uses, found.fingerprint)
        return
    times = "once" if found.uses == 1 else f"{found.uses} times"
    printer.say(f"On the other server, {times}, until {found.expires}:")
    printer.line(found.line)
    printer.say(f"This node, to be compared: {found.fingerprint}")


def join(printer: Printer, body: bytes) -> None:
    """The closing words."""
    found = msgspec.json.decode(body, type=schema.JoinAnswer)
    if printer.form is Form.PLAIN:
        printer.row(found.fleet, found.nodes, int(found.guest), found.network, found.mode)
        return
    printer.line(found.text)
    for who, fingerprint in (("this node", found.fingerprint), ("that node", found.peer_fingerprint)):
        if fingerprint:
            printer.say(f"{who}, to be compared: {fingerprint}")


def _table(printer: Printer, found: list[schema.PeerView]) -> None:
    if printer.form is Form.PLAIN:
        for one in found:
            _plain(printer, one)
        return
    rows: list[list[str | Styled]] = [
        [one.name or "-", one.id[:_SHORT], _state(one), _trust(one), str(one.adopted), one.address or one.last_error]
        for one in found
    ]
    printer.table(["name", "id", "state", "trust", "adopted", "address"], rows)


def _plain(printer: Printer, one: schema.PeerView) -> None:
    printer.row(
        one.id, one.owner, one.name, one.state, one.trust, int(one.fleet), one.address, epoch(one.since), one.adopted
    )


def _state(one: schema.PeerView) -> Styled:
    return Styled(one.state, _COLOURS.get(one.state, ""))


def _trust(one: schema.PeerView) -> str:
    if one.fleet:
        return "fleet"
    extra = "".join(f" {category} {trust:.2f}" for category, trust in sorted(one.trust_for.items()))
    return f"{one.trust:.2f}{extra}"
