"""Owners as people read them: what a trust would do, scorecards, vouches, who could block what, the charter."""

from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer, Styled
from p2pfw.cli.show.times import epoch

_SHORT: Final = 8
"""Characters of a charter's hash: enough to name it."""


def tried(printer: Printer, body: bytes) -> None:
    """peer try."""
    found = msgspec.json.decode(body, type=schema.TryAnswer)
    if printer.form is Form.PLAIN:
        for what, prefixes in (("adopt", found.adopts), ("drop", found.drops)):
            for prefix in prefixes:
                printer.row(what, prefix)
        for hit in found.clients:
            printer.row("client", hit.address, hit.prefix, hit.what)
        return
    printer.line(Styled(f"{found.owner}: {found.trust_now:.2f} -> {found.trust:.2f}", bold=True), "  nothing changed")
    printer.line(f"  would adopt  {found.adopted:,}{_examples(found.adopts)}")
    printer.line(f"  would drop   {found.dropped:,}{_examples(found.drops)}")
    printer.line(f"  its limits   {found.prefixes_limit:,} prefixes; alone {found.rate_limit:,} new an hour")
    for hit in found.clients:
        printer.line(Styled(f"  would cut off {hit.address}", "red"), f" ({hit.what}), by {hit.prefix}")
    if not found.clients:
        printer.line("  nobody who is connected now would be cut off")


def scorecards(printer: Printer, body: bytes) -> None:
    """peer score."""
    found = msgspec.json.decode(body, type=schema.Scorecards)
    if printer.form is Form.PLAIN:
        for card in found.cards:
            printer.row(
                card.owner, card.name, card.trust, card.confirmed, card.contradicted, card.entries, card.alone_share,
                card.first, card.lead_seconds, card.suggested,
            )  # fmt: skip
        return
    rows: list[list[str | Styled]] = [
        [
            card.name,
            f"{card.trust:.2f}",
            str(card.confirmed),
            Styled(str(card.contradicted), "red" if card.contradicted else ""),
            f"{card.entries:,}",
            f"{card.alone_share:.0%}",
            f"{card.first:,}" + (f" by {card.lead_seconds} s" if card.lead_seconds is not None else ""),
            f"{card.suggested:.2f} ({card.suggested_because})",
        ]
        for card in found.cards
    ]
    printer.table(["owner", "trust", "right", "wrong", "entries", "alone", "first", "suggested"], rows)


def vouches(printer: Printer, body: bytes) -> None:
    """peer vouch."""
    found = msgspec.json.decode(body, type=schema.VouchList).vouches
    if printer.form is Form.PLAIN:
        for one in found:
            printer.row(one.voucher, one.subject, one.level, epoch(one.expires), int(one.counts))
        return
    rows: list[list[str | Styled]] = [
        [one.voucher_name, one.subject_name, f"{one.level:.2f}", one.expires, "counts" if one.counts else "-"]
        for one in found
    ]
    printer.table(["voucher", "for", "level", "until", "here"], rows)


def report(printer: Printer, found: schema.TrustReport) -> None:
    """The doctor's numbers: who could together have what blocked here, who alone, who is needed now."""
    printer.line("")
    printer.line(Styled("who could make this machine block", bold=True))
    for one in found.coalitions:
        who = ", ".join(one.owners) if one.number else "not even all together"
        number = str(one.number) if one.number else "-"
        printer.line(f"  {one.prefix:<12}  {number:>2}  {who} ({one.score:.2f} of {one.threshold:.2f})")
    for alone in found.alone:
        able = f"alone: {', '.join(alone.can_block)}" if alone.can_block else "alone: nothing"
        limits = f"; at most {alone.prefixes_limit:,} prefixes, {alone.lone_hour_limit:,} new an hour"
        printer.line(f"  {alone.owner}  {alone.trust:.2f}  {able}{limits if alone.can_block else ''}")
    printer.line(f"  the own fleet: each of {found.fleet} nodes, down to /16 and /32 (IPv6)")
    for needed in found.needed_now:
        printer.line(f"  without {needed.owner} {needed.prefixes:,} blocks would end now")


def charter(printer: Printer, body: bytes) -> None:
    """charter show, of a node."""
    found = msgspec.json.decode(body, type=schema.CharterView)
    if printer.form is Form.PLAIN:
        for word, versions in (("holds", [found.current]), ("proposed", found.proposals), ("conflict", found.conflict)):
            for one in versions:
                printer.row(word, one.number, one.hash, one.signatures, one.needed, epoch(one.valid_until))
        return
    printer.line(Styled(f"{found.network}", bold=True), f"  network id {found.network_id}")
    _version(printer, found.current, "holds")
    for one in found.proposals:
        _version(printer, one, f"proposed: {one.signatures} of {one.needed} signatures")
    for one in found.conflict:
        _version(printer, one, "CONFLICT: valid, and so is another; neither is applied")
    if found.forked:
        printer.line(Styled("another past was signed, and is not followed", "red"))


def _version(printer: Printer, one: schema.CharterVersion, word: str) -> None:
    printer.line(
        f"version {one.number}  {one.hash[:_SHORT]}  {word}; changes need {one.changes_need}, until {one.valid_until}"
    )
    rows: list[list[str | Styled]] = [
        ["  " + member.name, member.trust, "signed" if member.signed else "-", "you" if member.ours else ""]
        for member in one.members
    ]
    printer.table(["  member", "trust", "", ""], rows)


def _examples(prefixes: list[str]) -> str:
    return f"  {', '.join(prefixes[:5])}{', ...' if len(prefixes) > 5 else ''}" if prefixes else ""
