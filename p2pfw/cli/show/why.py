"""`p2pfw why`: in the order in which a tired person reads."""

import time
from collections.abc import Iterator

import msgspec

from p2pfw import schema
from p2pfw.cli.printer import Form, Printer, Styled
from p2pfw.cli.show.times import ago, epoch, until
from p2pfw.cli.show.words import VERDICTS, host, reason, uncounted

_MOST_RELATED = 5
_DECIDING = frozenset({"signed", "operator", "feed"})


def why(printer: Printer, body: bytes) -> None:
    """Verdict, cause, evidence, what would flip it, remedy."""
    found = msgspec.json.decode(body, type=schema.Why)
    if printer.form is Form.PLAIN:
        _plain(printer, found)
        return
    now = time.time()
    printer.line(host(found.prefix), "  ", *_headline(found, now))
    _line(printer, "matched", _matched(found))
    _line(printer, VERDICTS[found.verdict], _verdict(found))
    for cells in _aligned([_evidence(one, now) for one in found.evidence]):
        printer.line(f"      {cells}")
    _line(printer, "flips if", "; ".join(found.flips))
    _line(printer, "whitelist", _whitelist(found))
    _line(printer, "kernel", _kernel(found))
    _line(printer, "see also", _related(found))
    _line(printer, "undo", "     ".join(found.undo))


def _line(printer: Printer, label: str, text: str) -> None:
    if text:
        printer.line(f"  {label:<9}  {text}")


def _headline(found: schema.Why, now: float) -> Iterator[str | Styled]:
    if not found.blocked:
        yield Styled("NOT BLOCKED", "green", bold=True)
        return
    yield Styled("BLOCKED", "red", bold=True)
    if found.since is not None:
        yield f" since {ago(found.since, now)}"
    yield f", expires {until(found.expires, now)}" if found.expires else ", until it is taken back"
    if not found.dropped:
        yield Styled(" (not dropped here: see kernel)", "yellow")


def _matched(found: schema.Why) -> str:
    if found.matched is None:
        return "nobody says anything about it"
    if found.matched_of > 1:
        return f"{found.matched} (longest of {found.matched_of} entries)"
    return found.matched


def _verdict(found: schema.Why) -> str:
    if found.verdict == "UNKNOWN":
        return ""
    if found.score is None or found.threshold is None:
        return reason(found.reason)
    sign = "≥" if found.score >= found.threshold else "<"
    text = f"score {found.score:.2f} {sign} {found.threshold:.2f}"
    if found.voices_needed is not None:
        text += f", voices {found.voices} of {found.voices_needed}"
    return text if found.reason == "ok" else f"{text}: {reason(found.reason)}"


def _evidence(one: schema.Evidence, now: float) -> list[str]:
    support = _support(one)
    what = one.category if one.action == "BLOCK" else f"{one.action} {one.category}"
    cells = [support, one.name, what]
    if not one.counted:
        return [*cells, f"not counted: {uncounted(one.not_counted)}"]
    signed = f"signed {ago(one.signed, now)}" if one.signed else ""
    ends = f"expires {until(one.expires, now)}" if one.expires else "no end"
    return [*cells, signed, ends, one.trust_from + (f'   "{one.note}"' if one.note else "")]


def _support(one: schema.Evidence) -> str:
    """What it adds to the score; a word that decides alone has no weight, and what does not count has a dash."""
    if not one.counted:
        return "—"
    return "word" if one.source in _DECIDING and not one.support else f"{one.support:.2f}"


def _aligned(rows: list[list[str]]) -> Iterator[str]:
    """Columns with three spaces between; the last cell of each row runs free."""
    widths = [max((len(row[at]) for row in rows if at < len(row) - 1), default=0) for at in range(6)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield "   ".join([*cells, row[-1]]).rstrip()


def _whitelist(found: schema.Why) -> str:
    if found.overlap:
        return f"overlaps {found.overlap}"
    return f"no overlap ({found.whitelist_sources} sources, {found.whitelist_ranges} ranges, both directions)"


def _kernel(found: schema.Why) -> str:
    kernel = found.kernel
    if kernel.error:
        return f"cannot be read: {kernel.error}"
    if kernel.installed:
        dropped = f", {kernel.packets} packets dropped" if kernel.packets is not None else ""
        return f"installed in {kernel.set}{dropped}"
    return "not installed: this node observes, or has not got to it yet" if found.blocked else "not installed"


def _related(found: schema.Why) -> str:
    shown = [f"{one.prefix} {VERDICTS[one.verdict]}" for one in found.related[:_MOST_RELATED]]
    more = len(found.related) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _plain(printer: Printer, found: schema.Why) -> None:
    printer.row("prefix", found.prefix)
    printer.row("blocked", int(found.blocked))
    printer.row("dropped", int(found.dropped))
    printer.row("verdict", found.verdict, found.reason)
    printer.row("matched", found.matched, found.matched_of)
    printer.row("score", found.score, found.threshold, found.voices, found.voices_needed)
    printer.row("since", epoch(found.since))
    printer.row("expires", epoch(found.expires))
    printer.row("overlap", found.overlap)
    printer.row("kernel", int(found.kernel.installed), found.kernel.set, found.kernel.packets, found.kernel.bytes)
    for one in found.evidence:
        printer.row(
            "evidence",
            one.support if one.counted else "-",
            one.name,
            one.origin,
            one.owner,
            one.action,
            one.category,
            epoch(one.signed),
            epoch(one.expires),
            one.not_counted or one.trust_from,
        )
    for text in found.flips:
        printer.row("flip", text)
    for text in found.undo:
        printer.row("undo", text)
