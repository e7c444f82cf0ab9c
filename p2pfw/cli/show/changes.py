"""Answers to what the operator changed: blocks, whitelist, mode."""

import time

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer
from p2pfw.cli.show.times import epoch, until
from p2pfw.cli.show.words import host

_STATES = {
    "installed": "blocked",
    "recorded": "blocked, on its way to the kernel",
    "observed": "recorded; this node only observes, so nothing is dropped here (p2pfw enforce on)",
}


def block(printer: Printer, body: bytes) -> None:
    """One line a prefix."""
    found = msgspec.json.decode(body, type=schema.BlockAnswer)
    results = found.results or [schema.BlockResult(prefix=found.prefix, state=found.state, expires=found.expires)]
    now = time.time()
    for one in results:
        if printer.form is Form.PLAIN:
            printer.row(one.prefix, one.state, epoch(one.expires), found.announcement)
            continue
        again = ", as it was already; the later end holds" if one.extended else ""
        printer.line(f"{host(one.prefix)}  {_STATES[one.state]}, expires {until(one.expires, now)}{again}")
    if found.confirmed and printer.form is Form.HUMAN:
        printer.line(f"  {', '.join(found.confirmed)} had said so before")
    if found.not_installed:
        printer.warn(f"not in the kernel: {found.not_installed}")


def unblock(printer: Printer, body: bytes) -> None:
    """What was taken back, and who still has it blocked."""
    found = msgspec.json.decode(body, type=schema.UnblockAnswer)
    if printer.form is Form.PLAIN:
        printer.row(found.prefix, int(found.retracted), int(found.pardoned), ",".join(found.still_blocked_by))
        return
    done = [word for word, holds in (("retracted", found.retracted), ("pardoned", found.pardoned)) if holds]
    printer.line(f"{host(found.prefix)}  {' and '.join(done) or 'nothing to take back'}")
    if found.still_blocked_by:
        printer.line(f"  still blocked because of {', '.join(found.still_blocked_by)}")
    if found.hint:
        printer.line(f"  {found.hint}")


def allow_list(printer: Printer, body: bytes) -> None:
    """The whitelist, and with --protected what keeps the machine alive."""
    _allow_entries(printer, msgspec.json.decode(body, type=schema.AllowList).entries)


def allow_change(printer: Printer, body: bytes, word: str) -> None:
    """One entry that came or went, and what it let out of the kernel."""
    found = msgspec.json.decode(body, type=schema.AllowAnswer)
    if printer.form is Form.PLAIN:
        printer.row(found.entry.prefix, word, epoch(found.entry.expires), ",".join(found.released))
        return
    end = f", until {found.entry.expires}" if found.entry.expires else ""
    printer.line(f"{host(found.entry.prefix)}  {word}{end}")
    if found.released:
        printer.line(f"  no longer blocked: {', '.join(map(host, found.released))}")


def allow_check(printer: Printer, body: bytes) -> bool:
    """Whether it can be blocked; True when something protects it."""
    found = msgspec.json.decode(body, type=schema.AllowCheck)
    if printer.form is Form.HUMAN:
        printer.line(f"{host(found.prefix)}  {'cannot be blocked' if found.allowed else 'is not whitelisted'}")
    _allow_entries(printer, found.overlaps)
    return found.allowed


def mode(printer: Printer, body: bytes) -> None:
    """Observe or enforce, and whether it waits for a confirmation."""
    found = msgspec.json.decode(body, type=schema.ModeAnswer)
    if printer.form is Form.PLAIN:
        reverts = epoch(found.confirming.reverts_at) if found.confirming else None
        printer.row(found.mode, int(found.enforcing), found.installed, reverts)
        return
    what = f"{found.installed} prefixes are in the kernel" if found.mode == "enforce" else "nothing is dropped"
    printer.line(f"mode {found.mode}: {what}")
    if found.text:
        printer.line(found.text)
    if found.confirming is not None:
        end = until(found.confirming.reverts_at, time.time())
        printer.say(f"back to {found.confirming.reverts_to} {end}, unless you type: p2pfw confirm")


def _allow_entries(printer: Printer, entries: list[schema.AllowEntry]) -> None:
    if printer.form is Form.PLAIN:
        for one in entries:
            printer.row(one.prefix, one.source, epoch(one.expires), one.comment)
        return
    now = time.time()
    printer.table(
        ["prefix", "from", "ends", "comment"],
        [[host(one.prefix), one.source, until(one.expires, now), one.comment] for one in entries],
    )
