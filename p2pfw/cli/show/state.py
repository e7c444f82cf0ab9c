"""Status, self-check and listings."""

import time
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer, Styled
from p2pfw.cli.show import trust
from p2pfw.cli.show.times import epoch, until
from p2pfw.cli.show.words import VERDICTS, host, reason
from p2pfw.core.duration import short_duration
from p2pfw.core.idtext import ID_CHARACTERS

_COLOURS: Final = {"error": "red", "warning": "yellow", "info": "cyan", "ok": "green"}
_SHORT: Final = 16
_PLAIN_STATUS: Final = (
    "node_id",
    "owner_id",
    "name",
    "network",
    "version",
    "uptime",
    "mode",
    "mode_origin",
    "adopted",
    "installed",
    "pending",
    "dropped_packets",
    "dropped_bytes",
    "held",
    "refused",
    "announcements",
    "entries",
    "whitelist",
    "peers",
    "peers_configured",
    "fleet",
    "generation",
    "last_error",
    "memory_bytes",
    "loop_lag_ms",
)


def status(printer: Printer, body: bytes) -> None:
    """One screen; what is wrong first."""
    found = msgspec.json.decode(body, type=schema.Status)
    if printer.form is Form.PLAIN:
        _plain_status(printer, found)
        return
    for line in found.health:
        printer.line(Styled(f"{line.level:<8}", _COLOURS[line.level], bold=True), line.text)
        if line.remedy:
            printer.line(f"        {line.remedy}")
    for label, parts in _status_lines(found):
        printer.line(f"{label:<10}", *parts)


def _status_lines(found: schema.Status) -> list[tuple[str, list[str | Styled]]]:
    by = " (by command)" if found.mode_origin == "command" else ""
    lines: list[tuple[str, list[str | Styled]]] = [
        ("node", [Styled(found.name, bold=True), f"  {found.node_id}"]),
        ("", [f"network {found.network}, version {found.version}, up {short_duration(found.uptime)}"]),
        ("mode", [Styled(found.mode, "green" if found.enforcing else "yellow", bold=True), by, _enforcing(found)]),
    ]
    if found.confirming is not None:
        end = until(found.confirming.reverts_at, time.time())
        text = f"{found.confirming.reverts_to} again {end}, unless you type: p2pfw confirm"
        lines.append(("", [Styled(text, "yellow")]))
    lines += [
        ("blocked", [f"{found.adopted} adopted, {found.installed} in the kernel, {found.pending} on their way"]),
        ("", [f"{found.held} held, {found.refused} refused, whitelist of {found.whitelist}"]),
        ("dropped", [f"{found.dropped_packets:,} packets, {found.dropped_bytes:,} bytes"]),
        ("ledger", [f"{found.announcements} announcements, {found.entries} entries"]),
        ("peers", [f"{found.peers} connected, {found.peers_configured} configured, fleet of {found.fleet}"]),
    ]
    if found.drift:
        lines.append(("repaired", [_counts(found.drift)]))
    if found.last_error:
        lines.append(("error", [Styled(found.last_error, "red")]))
    return lines


def _enforcing(found: schema.Status) -> str:
    if found.mode == "observe":
        return ": nothing is dropped; p2pfw enforce on"
    return ": what is adopted is dropped" if found.enforcing else ": NOT COMPLETE in the kernel"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _plain_status(printer: Printer, found: schema.Status) -> None:
    printer.row("enforcing", int(found.enforcing))
    printer.row("started", epoch(found.started))
    for name in _PLAIN_STATUS:
        printer.row(name, getattr(found, name))
    for title, counts in (("drift", found.drift), ("refusals", found.refusals)):
        for name, count in sorted(counts.items()):
            printer.row(title, name, count)
    for line in found.health:
        printer.row("health", line.level, line.code, line.text, line.remedy)


def doctor(printer: Printer, body: bytes) -> None:
    """One line a check, with the remedy under it."""
    found = msgspec.json.decode(body, type=schema.Doctor)
    for check in found.checks:
        if printer.form is Form.PLAIN:
            printer.row(check.level, check.code, check.text, check.remedy)
            continue
        printer.line(Styled(f"{check.level:<8}", _COLOURS[check.level], bold=check.level != "ok"), check.text)
        if check.remedy:
            printer.line(f"        {check.remedy}")
    if found.trust is not None and printer.form is Form.HUMAN:
        trust.report(printer, found.trust)


def nagios(printer: Printer, body: bytes) -> int:
    """One line as monitoring plugins give it, and their exit code: 0 fine, 1 warning, 2 critical."""
    found = msgspec.json.decode(body, type=schema.Doctor)
    code = ("ok", "warning", "error").index(found.level)
    wrong = [check.text for check in found.checks if check.level == found.level and code]
    text = "; ".join(wrong) if wrong else f"{len(found.checks)} checks passed"
    printer.line(f"P2PFW {('OK', 'WARNING', 'CRITICAL')[code]} - {text}")
    return code


def _from(origins: list[str]) -> str:
    """Names; of an origin that has none the short form of its id."""
    names = [one for one in origins if len(one) != ID_CHARACTERS]
    return ", ".join(names or [one[:_SHORT] for one in origins]) or "-"


def entries(printer: Printer, found: list[schema.ListEntry]) -> None:
    """Prefixes with their verdicts."""
    if printer.form is Form.PLAIN:
        for one in found:
            printer.row(
                one.prefix,
                one.verdict,
                one.reason,
                epoch(one.expires),
                int(one.installed),
                one.category,
                ",".join(one.origins),
                *(() if one.packets is None else (one.packets, one.bytes or 0)),
            )
        return
    now = time.time()
    counted = any(one.packets is not None for one in found)
    printer.table(
        [*(["packets", "bytes"] if counted else []), "prefix", "verdict", "expires", "category", "from", "why"],
        [
            [
                *([f"{one.packets or 0:,}", f"{one.bytes or 0:,}"] if counted else []),
                host(one.prefix),
                Styled(VERDICTS[one.verdict], "red" if one.installed else ""),
                until(one.expires, now) if one.verdict == "ADOPT" else "",
                one.category,
                _from(one.origins),
                reason(one.reason),
            ]
            for one in found
        ],
    )
