"""The core alone: verifying and recording, and judging. CPU time of one core, no I/O."""

from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random

from nacl.bindings import crypto_sign_open

from bench.material import NETWORK, WHOLE, Scene, Speaker, hosts, judge_all, take
from bench.measure import Scale, cpu, paired
from bench.table import Row, number
from p2pfw.app.domain import Domain
from p2pfw.core.announcement import CONTEXT, Announcement
from p2pfw.core.identity import verify
from p2pfw.core.prefix import PrefixKey

SMALL = 64
"""Entries in an announcement of the budget."""
DIRTY = 2_000
"""Single prefixes judged for one figure."""


def record(scale: Scale) -> Iterator[Row]:
    """Bytes of a peer to entries in the ledger."""
    scene = Scene()
    for size, target in ((SMALL, 300_000), (WHOLE, None)):
        announcements = list(scene.neighbour.announce(hosts(scale.entries), size))
        pair = paired(
            scale.runs, lambda said=announcements: _receive(scene, said), lambda said=announcements: _open(said)
        )
        ours, bare = scale.entries / pair.ours, scale.entries / pair.other
        yield Row(
            what=f"verify + record, {size} entries an announcement",
            ours=f"{number(ours)} entries/s",
            beside=f"bare Ed25519: {number(bare)} entries/s",
            ratio=f"{100 / pair.ratio:.0f} %",
            target=f"{target:,} entries/s; goal 40 %" if target else "",
            met=ours >= target if target else None,
        )


def judge(scale: Scale) -> Iterator[Row]:
    """Everything judged anew, for each class of who may have said it; then single prefixes among as many."""
    scene = Scene()
    keys = hosts(scale.entries)
    one, other = scene.strangers[:2]
    for who, speakers in (
        ("own", [scene.me]),
        ("fleet's", [scene.neighbour]),
        ("stranger's", [one]),
        ("two strangers'", [one, other]),
    ):
        domain = _holding(scene, chain.from_iterable(speaker.announce(keys) for speaker in speakers))
        begun = cpu(lambda one=domain: judge_all(one, scene.now))
        pair = paired(scale.runs, lambda one=domain: _again(one, scene.now), lambda: _verify(scene))
        micro = pair.ours / scale.entries * 1e6
        yield Row(
            what=f"full judgement a prefix, {who}",
            ours=f"{micro:.1f} µs (at first {begun / scale.entries * 1e6:.1f})",
            beside=f"one Ed25519 verify: {pair.other * 1e6:.0f} µs",
            ratio=f"{pair.ratio / scale.entries:.2f}",
            target="10 µs",
            met=micro <= 10,
        )
        yield _one_dirty(scale, scene, domain, who)


def _one_dirty(scale: Scale, scene: Scene, domain: Domain, who: str) -> Row:
    chosen = Random(7).choices(hosts(scale.entries), k=DIRTY)
    pair = paired(scale.runs, lambda: _singly(domain, chosen, scene.now), lambda: _verify(scene))
    micro = pair.ours * 1e6
    return Row(
        what=f"one dirty prefix of {scale.entries:,}, {who}",
        ours=f"{micro:.1f} µs",
        beside=f"one Ed25519 verify: {pair.other * 1e6:.0f} µs",
        ratio=f"{pair.ratio:.2f}",
        target="50 µs",
        met=micro <= 50,
    )


def _receive(scene: Scene, announcements: list[Announcement]) -> float:
    domain = scene.domain()
    return cpu(lambda: [domain.intake.receive(one.raw, scene.now) for one in announcements])


def _open(announcements: list[Announcement]) -> float:
    """libsodium alone, on the same signed bytes."""
    prefix = CONTEXT.encode() + b"\0"
    signed = [(one.raw.signature + prefix + one.raw.header, one.origin) for one in announcements]
    return cpu(lambda: [crypto_sign_open(message, key) for message, key in signed])


def _holding(scene: Scene, announcements: Iterable[Announcement]) -> Domain:
    domain = scene.domain()
    for one in announcements:
        take(domain, one, scene.now)
    return domain


def _again(domain: Domain, now: float) -> float:
    domain.adoption.mark_all(domain.ledger.keys, domain.local.keys)
    return cpu(lambda: judge_all(domain, now))


def _singly(domain: Domain, keys: list[PrefixKey], now: float) -> float:
    """Each at a time of its own, as they come in life."""
    judge = domain.adoption.judge_these
    return cpu(lambda: [judge([key], now + at / 1000) for at, key in enumerate(keys)]) / len(keys)


def _verify(scene: Scene) -> float:
    count = 1_000
    message = NETWORK * 5
    speaker: Speaker = scene.me
    signature = speaker.key.sign(CONTEXT, message)
    return cpu(lambda: [verify(speaker.node, CONTEXT, message, signature) for _ in range(count)]) / count
