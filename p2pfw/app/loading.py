"""What a node does first: everything that its disk knows goes back into memory, in the order in which it can count.

Certificates and revocations before what they attribute, peers before the trust that they give, then the announcements.
What the disk holds and no longer counts (ended, not carried any more) is skipped and counted, never an error.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.announcing import is_standing
from p2pfw.app.assembly import Assembly
from p2pfw.app.marks import SPOKEN
from p2pfw.app.originating import EPOCH_SETTING
from p2pfw.app.owning import SERIAL_SETTING
from p2pfw.app.peerbook import Named
from p2pfw.app.recording import RESTORED
from p2pfw.app.renewing import RENEWED_SETTING
from p2pfw.config import Config, read_allow
from p2pfw.core.announcement import MAX_LIFETIME
from p2pfw.core.identity import Certificate, OwnerId
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.records import Category
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import PeerError
from p2pfw.rows import (
    AllowRow,
    Drop,
    EvidenceRow,
    FeedRow,
    Intention,
    IntentionRow,
    InviteRow,
    LocalRow,
    ObservationRow,
    PeerRow,
    RuleRow,
    Setting,
    TokenRow,
)

ADOPTED_SETTING: Final = "adopted"
"""Setting: by voice (hexadecimal), how many prefixes it had adopted."""
_SLICE: Final = 16
"""Announcements loaded between two turns of the loop: 16 full ones take about 30 ms."""


async def load(node: Assembly, settings: dict[str, object], *, alone: bool) -> Counter[str]:
    """Fill memory from disk and configuration; what was skipped, by reason."""
    now = node.ports.clock.now()
    if node.keys.certificate is not None:
        _learn_own(node, node.keys.certificate, now)
    node.book.load_file(named_in(node.config))
    node.book.load_rows(node.ports.store.rows(PeerRow))
    node.peers.trials.load(settings)
    node.book.resolve()
    node.chartering.begin(node.charter, settings)
    node.witnessing.load(node.ports.store.rows(EvidenceRow), node.ports.store.rows(ObservationRow))
    node.domain.adoption.allowances.credit(_adopted(settings))
    for source, entries in whitelist_of(node.config).items():
        node.domain.whitelist.replace(source, entries)
    node.whitelisting.load(node.ports.store.rows(AllowRow))
    node.invitations.load(node.ports.store.rows(InviteRow))
    node.tokens.load(node.ports.store.rows(TokenRow))
    node.rules.load(node.ports.store.rows(RuleRow))
    _load_local(node)
    skipped = await _load_announcements(node)
    node.book.resolve()
    await _load_voice(node, settings, alone=alone)
    node.protecting.refresh()  # feeds are cut around it
    node.repeating.begin(settings)
    node.feed_desk.begin(node.config.feeds, node.ports.store.rows(FeedRow), settings)
    node.peering.carried_changed()  # gossip was built before anybody was named
    return skipped


def _adopted(settings: dict[str, object]) -> dict[OwnerId, int]:
    """How much each voice had adopted when this was last looked at."""
    kept = settings.get(ADOPTED_SETTING)
    return (
        {OwnerId(bytes.fromhex(voice)): int(count) for voice, count in kept.items()} if isinstance(kept, dict) else {}
    )


def _learn_own(node: Assembly, certificate: Certificate, now: float) -> None:
    """Whose node this is. A clock that is behind, or a certificate that ended long ago, is health's to tell."""
    try:
        node.domain.intake.learn(certificate, max(now, certificate.not_before))
    except PeerError as error:
        line = schema.HealthLine(
            level="error",
            code="certificate",
            text=f"this node's certificate does not count: {error}",
            remedy="p2pfw owner renew, where the owner key is, or join again",
        )
        node.health.complaints.append(lambda: iter([line]))


def _load_local(node: Assembly) -> None:
    rows = node.ports.store.rows(LocalRow)
    for row in rows:
        node.domain.marks.put(row)
    for row in rows:
        if row.source in SPOKEN:
            key = PrefixKey(row.key)
            entry = LocalEntry(
                until=row.until,
                added=row.added,
                category=Category(row.category),
                reason=row.reason,
                forced=node.domain.marks.is_forced(key),
            )
            node.domain.local.put(SPOKEN[row.source], key, entry)


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
    unsaid = _load_intentions(node)
    highest = node.domain.ledger.highest(node.domain.me.node)
    await node.originator.begin(_number(settings, EPOCH_SETTING), highest.header.order if highest else (0, 0))
    if RENEWED_SETTING not in settings:  # a new node: there is nothing to say again yet
        settings = {**settings, RENEWED_SETTING: node.domain.now()}
        node.ports.store.post(Setting(name=RENEWED_SETTING, value=node.domain.now()))
    node.renewing.renewed = _number(settings, RENEWED_SETTING)
    node.owning.serial = _number(settings, SERIAL_SETTING)
    if settings.get(RESTORED) and alone:
        await node.ports.store.commit(Setting(name=RESTORED, value=None))  # once it spoke there is nothing to wait for
    elif settings.get(RESTORED):
        node.originator.hold(
            RESTORED, "it was restored from a backup and has not yet met a peer that knows what it said"
        )
    node.recording.watch_identity()
    node.announcing.resume(unsaid)


def _load_intentions(node: Assembly) -> dict[PrefixKey, Intention]:
    """Returns what is still to be announced. What has ended or was pardoned meanwhile is dropped."""
    now, domain = node.ports.clock.now(), node.domain
    unsaid: dict[PrefixKey, Intention] = {}
    for key, meant in node.ports.store.intentions():
        said, stands = domain.own_block(key, now), is_standing(meant.until, meant.added)
        is_said = said is not None and said.expires >= _announced_end(meant)
        if 0 < meant.until <= now or domain.stamp_floor(key) > meant.added or (is_said and not stands):
            node.ports.store.post(Drop(table=IntentionRow, identity=key))
            continue
        if stands:
            domain.standing[key] = meant
        if not is_said:
            unsaid[key] = meant
    return unsaid


def _announced_end(meant: Intention) -> int:
    """When an announcement of it ends that was made as it was given."""
    longest = meant.added + MAX_LIFETIME
    return min(meant.until or longest, longest)


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
