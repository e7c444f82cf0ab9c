"""Who may use the API, for people and scripts."""

import time

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer
from p2pfw.cli.show.times import ago, epoch, until


def tokens(printer: Printer, body: bytes) -> None:
    """One line a token."""
    found = msgspec.json.decode(body, type=schema.TokenList).tokens
    now = time.time()
    if printer.form is Form.PLAIN:
        for one in found:
            printer.row(one.name, one.scope, one.rate, epoch(one.created), epoch(one.expires), epoch(one.used))
        return
    rows = [
        [one.name, one.scope, f"{one.rate}/s", until(one.expires, now), ago(one.used, now) if one.used else "never"]
        for one in found
    ]
    printer.table(["name", "scope", "rate", "ends", "used"], rows)
