"""Feeds as people read them."""

from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer, Styled
from p2pfw.cli.show.times import epoch

_TIME: Final = 16
"""Characters of a time: to the minute."""


def listing(printer: Printer, body: bytes) -> None:
    """feed list."""
    found = msgspec.json.decode(body, type=schema.FeedList)
    if printer.form is Form.PLAIN:
        for one in found.feeds:
            _row(printer, one)
        return
    rows: list[list[str | Styled]] = [
        [
            one.name,
            f"{one.entries:,}",
            f"{one.announced:,}",
            _short(one.date),
            _short(one.next_refresh) if one.next_refresh else "now",
            one.format,
            one.source,
            Styled(one.problem, "red"),
        ]
        for one in found.feeds
    ]
    printer.table(["feed", "entries", "announced", "of", "next", "format", "from", "problem"], rows)


def one(printer: Printer, body: bytes) -> None:
    """feed add, feed refresh."""
    found = msgspec.json.decode(body, type=schema.FeedView)
    if printer.form is Form.PLAIN:
        _row(printer, found)
        return
    printer.line(f"{found.name}: {found.entries:,} entries, {found.cut:,} cut around what must not be blocked")
    _left_out(printer, found.left_out)
    _problem(printer, found.problem, found.remedy)


def tested(printer: Printer, body: bytes) -> None:
    """feed test."""
    found = msgspec.json.decode(body, type=schema.FeedTest)
    if printer.form is Form.PLAIN:
        printer.row("taken" if found.accepted else "refused", found.entries, found.added, found.removed, found.problem)
        return
    word = Styled("would be taken in", "green") if found.accepted else Styled("would be refused", "red")
    printer.line(word, f": {found.entries:,} entries, {found.added:,} more, {found.removed:,} fewer; nothing changed")
    _left_out(printer, found.left_out)
    for line in found.unreadable:
        printer.line(f"  {line}")
    _problem(printer, found.problem, found.remedy)


def _left_out(printer: Printer, left_out: dict[str, int]) -> None:
    for reason, count in sorted(left_out.items()):
        printer.line(f"  {count:,} left out: {reason}")


def _problem(printer: Printer, problem: str, remedy: str) -> None:
    if problem:
        printer.line(Styled(f"  {problem}", "red"))
    if remedy:
        printer.line(f"  {remedy}")


def _row(printer: Printer, one: schema.FeedView) -> None:
    times = [epoch(when) if when else "" for when in (one.date, one.until, one.next_refresh)]
    printer.row(one.name, one.place, one.format, one.adopt, one.source, one.entries, *times, one.problem)


def _short(when: str | None) -> str:
    return when[:_TIME].replace("T", " ") if when else "-"
