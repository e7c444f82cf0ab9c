"""Two nodes with equal configuration, ledger and adopted set decide equally; and nothing that is over comes back."""

import random

import pytest

from p2pfw.app.domain import Domain, Ourself
from p2pfw.core.announcement import Action, Category, Entry, Kind, Stamp, build_certificate, build_entries, build_other
from p2pfw.core.identity import DAY, NodeId, OwnerId, SigningKey, certify, network_id
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.core.vouch import vouch
from p2pfw.errors import PeerError
from tests.app.fakes import START, FakeClock

NETWORK = network_id("equal")
HOSTS = [v4_key(0xCB007100 + n, 32) for n in range(40)]
OWNERS = 5


def owner(number: int) -> SigningKey:
    """An owner's key."""
    return SigningKey((100 + number).to_bytes(32))


def speaker(number: int) -> SigningKey:
    """A node's key; node n is of owner n mod 5."""
    return SigningKey((200 + number).to_bytes(32))


def domain() -> Domain:
    """An empty core that trusts three owners in different ways."""
    me = SigningKey((1).to_bytes(32))
    made = Domain(
        Ourself(node=NodeId(me.public_key), owner=OwnerId(me.public_key), network=NETWORK),
        FakeClock(START),
        default_trust=0.3,
        allow_private=False,
    )
    for number, trust in enumerate((0.9, 0.4, 0.3)):
        made.trust.give(OwnerId(owner(number).public_key), trust, {Category.MAIL: 0.2})
    return made


def announcements(rng: random.Random) -> list:
    """Certificates and vouches, then blocks, retractions and pardons of ten nodes, some of them over already."""
    said = []
    for number in range(10):
        key = speaker(number)
        certificate = certify(
            owner(number % OWNERS), NodeId(key.public_key), serial=1, not_before=START - DAY, not_after=START + DAY
        )
        stamp = Stamp(network=NETWORK, epoch=1, seq=1, created_ms=(START - 9_000) * 1000)
        said.append(build_certificate(key, stamp, certificate))
    for subject, by in ((3, 0), (4, 1), (4, 0)):
        word = vouch(owner(by), OwnerId(owner(subject).public_key), created=START - 100 - by, expires=START + DAY)
        stamp = Stamp(network=NETWORK, epoch=1, seq=2 + subject, created_ms=(START - 9_000) * 1000)
        said.append(build_other(speaker(by), stamp, Kind.VOUCH, word.encode(), word.expires))
    for seq in range(10, 40):
        key, created = speaker(rng.randrange(10)), START - rng.randrange(6_000)
        action = rng.choice([Action.BLOCK] * 4 + [Action.RETRACT, Action.PARDON])
        chosen = rng.sample(HOSTS, rng.randint(1, 6))
        entries = [
            Entry(
                key=PrefixKey(host),
                action=action,
                category=rng.choice(list(Category)),
                confidence=7,
                ttl=rng.choice([9_000, 90_000]),
            )
            for host in chosen
        ]
        kind = Kind.PARDON if action is Action.PARDON else Kind.ENTRIES
        stamp = Stamp(network=NETWORK, epoch=2, seq=seq, created_ms=created * 1000)
        said.append(build_entries(key, stamp, entries, kind=kind))
    return said


def learned(said: list, rng: random.Random, adopted: list) -> dict:
    """What a core decides that heard these in a random order: again and again, until nothing is refused any more."""
    core = domain()
    left = rng.sample(said, len(said))
    for _ in range(len(said)):
        again = []
        for one in left:
            try:
                core.intake.receive(one.raw, START)
            except PeerError:
                again.append(one)
        if len(again) == len(left):
            break
        left = again
    core.adoption.assume(adopted)
    core.adoption.mark_all(*core.sources())
    while core.adoption.pending:
        core.adoption.judge_some(START, 7)
    return {key: core.adoption.explain(key, core.statements(key, START), START).verdict for key in HOSTS}


@pytest.mark.parametrize("seed", range(25))
def test_the_order_of_arrival_decides_nothing(seed):
    """Certificates, vouches, blocks, retractions, pardons; some adopted before: permutations give equal verdicts."""
    rng = random.Random(seed)
    said, adopted = announcements(rng), rng.sample(HOSTS, 10)

    verdicts = [learned(said, rng, adopted) for _ in range(3)]

    assert verdicts[0] == verdicts[1] == verdicts[2]
    assert len({verdict.decision for verdict in verdicts[0].values()}) > 1


def test_ten_thousand_replays_resurrect_nothing():
    """Expired or retracted: also after a restart from the disk, and with a clock that goes back a day and forth."""
    key, told = speaker(0), []
    certificate = certify(owner(0), NodeId(key.public_key), serial=1, not_before=START - 9, not_after=START + 60 * DAY)
    first = build_certificate(key, Stamp(network=NETWORK, epoch=1, seq=1, created_ms=START * 1000), certificate)
    for number in range(5_000):
        host, life = HOSTS[number % 40], 60 if number % 2 else 9 * DAY
        entry = Entry(key=PrefixKey(host), action=Action.BLOCK, category=Category.SSH, confidence=7, ttl=life)
        told.append(build_entries(key, Stamp(network=NETWORK, epoch=2, seq=number, created_ms=START * 1000), [entry]))
    ends = [
        Entry(key=PrefixKey(host), action=Action.RETRACT, category=Category.SSH, confidence=7, ttl=9 * DAY + 1)
        for host in HOSTS
    ]
    over = build_entries(key, Stamp(network=NETWORK, epoch=3, seq=1, created_ms=(START + 5) * 1000), ends)
    core = domain()
    for one in (first, *told[:40], over):
        core.intake.receive(one.raw, START + 5)
    restarted = domain()
    for one in (first, *told[:40], over):
        restarted.intake.load(one.raw, START + 50)

    for node in (core, restarted):
        for now in (START + 100, START + 100 - DAY, START + 120):
            for one in told:
                try:
                    outcome = node.intake.receive(one.raw, now)
                except PeerError:
                    continue
                node.adoption.mark(getattr(outcome, "dirty", ()))
            node.ledger.tick(now)
            node.adoption.mark(HOSTS)
            node.adoption.judge_some(now, 10_000)
        assert dict(node.adoption.adopted()) == {}
