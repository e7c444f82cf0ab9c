"""What a node does first: everything that its disk knows goes back into memory, in the order in which it can count.

Certificates and revocations before what they attribute, peers before the trust that they give, then the announcements.
What the disk holds and no longer counts (ended, not carried any more) is skipped and counted, never an error.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final

from p2pfw.app.assembly import Assembly
from p2pfw.app.originating import EPOCH_SETTING
from p2pfw.app.owning import SERIAL_SETTING
from p2pfw.app.peerbook import Named
from p2pfw.app.recording import RESTORED
from p2pfw.app.renewing import RENEWED_SETTING
from p2pfw.app.terms import FORCE, NOTE
from p2pfw.config import Config, read_allow
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.records import Category
from p2pfw.core.statement import Source
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import PeerError
from p2pfw.ports import AllowRow, IntentionRow, InviteRow, LocalRow, PeerRow

_SLICE: Final = 16
"""Announcements loaded between two turns of the loop: 16 full ones take about 30 ms."""


async def load(node: Assembly, settings: dict[str, object], *, alone: bool) -> Counter[str]:
    """Fill memory from disk and configuration; what was skipped, by reason."""
    now = node.ports.clock.now()
    if node.keys.certificate is not None:
        node.domain.intake.learn(node.keys.certificate, now)
    node.book.load_file(named_in(node.config))
    node.book.load_rows(node.ports.store.rows(PeerRow))
    node.book.resolve()
    for source, entries in whitelist_of(node.config).items():
        node.domain.whitelist.replace(source, entries)
    node.whitelisting.load(node.ports.store.rows(AllowRow))
    node.invitations.load(node.ports.store.rows(InviteRow))
    _load_local(node)
    skipped = await _load_announcements(node)
    node.book.resolve()
    await _load_voice(node, settings, alone=alone)
    return skipped


def _load_local(node: Assembly) -> None:
    sources = {Source.OPERATOR.value: Source.OPERATOR, Source.SIGHTING.value: Source.SIGHTING}
    for row in node.ports.store.rows(LocalRow):
        key = PrefixKey(row.key)
        if row.source == FORCE:
            node.domain.forced.add(key)
        elif row.source == NOTE:
            node.domain.notes[key] = row.reason
        elif row.source in sources:
            entry = LocalEntry(until=row.until, added=row.added, category=Category(row.category), reason=row.reason)
            node.domain.local.put(sources[row.source], key, entry)


async def _load_announcements(node: Assembly) -> Counter[str]:
    skipped: Counter[str] = Counter()
    for at, (raw, _) in enumerate(node.ports.store.announcements()):
        try:
            node.domain.intake.load(raw, node.ports.clock.now())
        except PeerError as error:
            skipped[error.reason] += 1
        if at % _SLICE == _SLICE - 1:
            await asyncio.sleep(0)
    return skipped


async def _load_voice(node: Assembly, settings: dict[str, object], *, alone: bool) -> None:
    """This node's own voice: its epoch above everything it said, its intentions, and whether it must be silent."""
    now = node.ports.clock.now()
    rows = [row for row in node.ports.store.rows(IntentionRow) if row.until == 0 or row.until > now]
    node.domain.standing = {PrefixKey(row.key): row for row in rows}
    highest = node.domain.ledger.highest(node.domain.me.node)
    await node.originator.begin(_number(settings, EPOCH_SETTING), highest.header.order if highest else (0, 0))
    node.renewing.renewed = _number(settings, RENEWED_SETTING)
    node.owning.serial = _number(settings, SERIAL_SETTING)
    if settings.get(RESTORED) and not alone:
        node.originator.hold(
            RESTORED, "it was restored from a backup and has not yet met a peer that knows what it said"
        )
    node.announcing.resume(row for row in rows if node.domain.own_block(PrefixKey(row.key)) is None)


def _number(settings: dict[str, object], name: str) -> int:
    value = settings.get(name)
    return value if isinstance(value, int) else 0


def named_in(config: Config) -> Iterator[Named]:
    """The configuration's peers as the book takes them."""
    for peer in config.peers:
        yield Named(
            id=peer.id, name=peer.name, trust=peer.trust, trust_for=peer.trust_for, addresses=tuple(peer.addresses)
        )


def whitelist_of(config: Config) -> dict[str, list[WhitelistEntry]]:
    """Whitelist entries of the configuration and of its files, by source. ConfigError names file and line."""
    entries: dict[str, list[WhitelistEntry]] = {}
    for allowed in read_allow(config):
        entry = WhitelistEntry(key=allowed.key, comment=allowed.comment, source=allowed.source)
        entries.setdefault(allowed.source, []).append(entry)
    return entries
