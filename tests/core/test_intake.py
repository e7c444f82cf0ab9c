"""protocol 1.4: the checks that every announcement passes, in their order, before it has any effect."""

from collections.abc import Callable

import pytest

from p2pfw.core.announcement import (
    Action,
    Announcement,
    Category,
    Entry,
    Kind,
    RawAnnouncement,
    Stamp,
    build_entries,
    build_other,
)
from p2pfw.core.directory import Directory
from p2pfw.core.identity import CARRIED_AFTER, OwnerId, network_id, revoke
from p2pfw.core.intake import Intake, Known, Learned, Recorded
from p2pfw.core.ledger import LAG, Ledger
from p2pfw.core.prefix import v4_key
from p2pfw.core.vouch import vouch
from p2pfw.errors import (
    BodyHashError,
    CertificateError,
    ExpiredError,
    FutureError,
    MalformedError,
    NotCanonicalError,
    NotCarriedError,
    PeerError,
    RevokedError,
    ShareError,
    SignatureError,
    WrongNetworkError,
)
from tests.core.making import DAY, NETWORK, NOW, block, certificate, hosts, key, node_id, owner_id, stamp
from tests.core.saying import (
    HOST,
    NET6,
    NEXT,
    certified,
    checkpoint,
    pardon,
    place,
    prefix,
    proof,
    retract,
    revoked,
    say,
)

NODE, OWNER = node_id(1), owner_id(100)


class Named:
    """Whom the operator named."""

    def __init__(self, *owners: bytes) -> None:
        self.owners = set(owners)

    def carries(self, owner: OwnerId) -> bool:
        return owner in self.owners


class World:
    """An intake, and all that it speaks to."""

    def __init__(self, *named: bytes, share: int = 262_144) -> None:
        self.directory = Directory()
        self.ledger = Ledger(self.directory, share=share)
        self.named = Named(*(named or (OWNER,)))
        self.intake = Intake(NETWORK, self.directory, self.ledger, self.named)

    def hears(self, *said: Announcement, now: float = NOW) -> Recorded | Known:
        """Receives all of them; what became of the last."""
        outcomes = [self.intake.receive(one.raw, now) for one in said]
        return outcomes[-1]

    def refuses(self, raw: RawAnnouncement | Announcement, error: type[PeerError], now: float = NOW) -> None:
        """It raises exactly that error, and nothing came of it."""
        raw = raw.raw if isinstance(raw, Announcement) else raw
        before = self.state()
        with pytest.raises(error) as raised:
            self.intake.receive(raw, now)
        assert type(raised.value) is error
        assert self.state() == before

    def state(self) -> object:
        """Everything that an announcement could have changed."""
        return (
            self.ledger.counts(),
            list(self.ledger.keys()),
            self.ledger.next_deadline(),
            list(self.directory.certificates()),
            list(self.directory.revocations()),
            self.directory.changes,
        )


@pytest.fixture
def world() -> World:
    """Owner 100 is carried; node 1 is certified by it."""
    made = World()
    made.hears(certified(certificate()))
    return made


def damaged(one: Announcement, **parts: bytes) -> RawAnnouncement:
    """The same with another header, signature or body."""
    raw = one.raw
    return RawAnnouncement(
        parts.get("header", raw.header), parts.get("signature", raw.signature), parts.get("body", raw.body)
    )


class TestReceive:
    """What comes from a peer."""

    def test_what_passes_is_recorded(self, world):
        """With the prefixes to be judged again."""
        said = say(2, block(HOST), block(NET6))

        outcome = world.hears(said)

        assert outcome == Recorded(announcement=said, dirty=[prefix(HOST), prefix(NET6)])
        assert world.ledger.get(said.id) == said.raw

    def test_what_is_known_is_said_to_be_known(self, world):
        """At no further cost: neither its signature nor its time is looked at again."""
        said = say(2, block(HOST))
        world.hears(said)

        assert world.hears(said) == Known(id=said.id)
        assert world.intake.receive(damaged(said, signature=bytes(64)), NOW + DAY) == Known(id=said.id)

    def test_each_check_refuses_with_its_own_error(self, world):
        """Nothing of what was refused is stored, or marked as seen."""
        said = say(2, block(HOST))
        elsewhere = Stamp(network=network_id("another"), epoch=1, seq=2, created_ms=NOW * 1000)

        world.refuses(damaged(said, signature=b"short"), MalformedError)
        world.refuses(damaged(said, body=said.raw.body + b"\0"), MalformedError)
        world.refuses(build_entries(key(1), elsewhere, [block(HOST)]), WrongNetworkError)
        world.refuses(say(2, block(HOST), at=NOW + 121), FutureError)
        world.refuses(say(2, block(HOST)), ExpiredError, now=NOW + 3600)
        world.refuses(say(2, block(HOST), by=5), NotCarriedError)
        world.refuses(damaged(said, signature=bytes(64)), SignatureError)
        world.refuses(damaged(said, body=said.raw.body[:-1] + b"\1"), BodyHashError)
        unsorted = say(2, block(HOST), block(NEXT))
        swapped = unsorted.raw.body[12:] + unsorted.raw.body[:12]
        world.refuses(build_other_entries(swapped), NotCanonicalError)

        assert isinstance(world.hears(said), Recorded)

    def test_the_checks_have_an_order(self, world):
        """What is wrong in two ways is refused for the earlier: the cheaper one, that blames nobody wrongly."""
        late, strange = say(2, block(HOST), at=NOW - 9000), say(2, block(HOST), by=5)

        world.refuses(damaged(late, signature=bytes(64)), ExpiredError)
        world.refuses(damaged(strange, signature=bytes(64)), NotCarriedError)
        world.refuses(damaged(say(2, block(HOST), by=5, at=NOW + 999), signature=bytes(64)), FutureError)
        full = World(share=64)
        full.hears(certified(certificate()))
        full.refuses(damaged(say(2, *hosts(33)), signature=bytes(64)), ShareError)
        world.refuses(damaged(say(2, block(HOST)), signature=bytes(64), body=bytes(12)), SignatureError)

    def test_a_forged_copy_does_not_keep_the_true_one_out(self, world):
        """Nothing is marked as seen before the signature is good."""
        said = say(2, block(HOST))
        world.refuses(damaged(said, signature=bytes(64)), SignatureError)

        assert isinstance(world.hears(said), Recorded)

    def test_a_key_that_was_never_certified_is_carried_by_its_own_name_only(self):
        """An uncertified origin is its own owner."""
        world = World(node_id(5))
        assert isinstance(world.hears(say(1, block(HOST), by=5)), Recorded)
        world.refuses(say(1, block(HOST), by=6), NotCarriedError)

        world.refuses(certified(certificate(node=5), by=5), NotCarriedError)

    def test_trust_by_name_does_not_follow_a_certificate(self):
        """Once certified, a node speaks for its owner alone."""
        world = World(node_id(5), OWNER)
        world.hears(certified(certificate(node=5), by=5))
        world.named.owners.discard(OWNER)

        world.refuses(say(2, block(HOST), by=5), NotCarriedError)

    def test_carried_until_thirty_days_past_the_certificates_end(self, world):
        """Then refused, and no relay is blamed."""
        end = certificate().not_after

        assert isinstance(world.hears(say(2, block(HOST), at=end + 5), now=end + 5), Recorded)
        late = end + CARRIED_AFTER
        world.refuses(say(3, block(HOST), at=late), NotCarriedError, now=late)
        assert not NotCarriedError.blame

    def test_a_share_is_checked_before_the_signature(self):
        """An origin's half first; a RETRACT still has the reserve."""
        world = World(share=64)
        world.hears(certified(certificate()), say(2, *hosts(32)))

        world.refuses(damaged(say(3, block(HOST)), signature=bytes(64)), ShareError)
        world.refuses(say(3, block(HOST)), ShareError)
        assert isinstance(world.hears(say(3, retract(HOST))), Recorded)

    def test_what_is_void_at_once_is_known_afterwards(self, world):
        """Before a checkpoint that applies: neither kept nor relayed, and not fetched again."""
        world.hears(checkpoint(9))
        said = say(2, block(HOST))
        world.refuses(damaged(said, signature=bytes(64)), SignatureError)

        assert world.hears(said) == Known(id=said.id)
        assert world.ledger.get(said.id) is None
        assert world.hears(said) == Known(id=said.id)

    def test_opaque_kinds_pass(self, world):
        """Stored and relayed, not interpreted."""
        said = build_other(key(1), place(2), 99, b"of the future", NOW + DAY)

        assert world.hears(said) == Recorded(announcement=said, dirty=[])


def build_other_entries(body: bytes) -> Announcement:
    """Two records as they are, properly signed."""
    from hashlib import blake2b

    from p2pfw.core.header import Header

    honest = say(2, block(HOST), block(NEXT))
    fields = {name: getattr(honest.header, name) for name in Header.__slots__}
    header = Header(**{**fields, "body_hash": blake2b(body, digest_size=32).digest()})
    encoded = header.encode()
    raw = RawAnnouncement(encoded, key(1).sign("p2pfw/announcement/1", encoded), body)
    return Announcement(raw, header, honest.id)


class TestCertificates:
    """Whose node it is, learned by gossip (protocol 7)."""

    def test_a_certificate_makes_its_node_known(self):
        """What it says afterwards is its owner's."""
        world = World()
        world.refuses(say(2, block(HOST)), NotCarriedError)

        assert world.hears(certified(certificate())).certified
        assert isinstance(world.hears(say(2, block(HOST))), Recorded)
        assert world.ledger.statements(prefix(HOST), NOW)[0].owner == OWNER

    def test_all_prefixes_of_its_node_are_judged_again(self):
        """Owner, uses or validity are others now; a copy that changes nothing says so."""
        world = World(NODE, OWNER)
        world.hears(say(5, block(HOST)), pardon(6, NEXT))

        outcome = world.hears(certified(certificate()))
        assert sorted(outcome.dirty) == sorted([prefix(HOST), prefix(NEXT)])
        assert outcome.certified

        again = world.hears(certified(certificate(), seq=2))
        assert (again.dirty, again.certified) == ([], False)

    def test_only_the_node_itself_can_announce_it(self):
        """Consent is the node's signature over the header: else a stranger could inherit its trust."""
        world = World()
        stolen = build_other(
            key(2), place(1), Kind.CERTIFICATE, certificate().encode(), certificate().not_after + CARRIED_AFTER
        )

        world.refuses(stolen, CertificateError)

    def test_the_owner_must_have_signed_it(self):
        """A node cannot name an owner by itself."""
        world = World()
        good = certificate()
        forged = good.encode()[:-64] + bytes(64)
        said = build_other(key(1), place(1), Kind.CERTIFICATE, forged, good.not_after + CARRIED_AFTER)

        world.refuses(said, SignatureError)

    def test_one_of_an_owner_that_is_not_carried_is_refused(self):
        """Trust 0 is enough to be carried; a stranger's certificates are nobody's business here."""
        world = World()

        world.refuses(certified(certificate(owner=101)), NotCarriedError)

    def test_one_that_came_by_a_session_counts_alike(self):
        """The session's proof was the consent."""
        world = World(NODE, OWNER)
        world.hears(say(5, block(HOST)))

        assert world.intake.learn(certificate(), NOW) == Learned(dirty=[prefix(HOST)], certified=True)
        assert world.intake.learn(certificate(), NOW) == Learned(dirty=[])


class TestRevocations:
    """Dead at once, whoever carried the word."""

    def test_what_the_node_announced_is_dead(self, world):
        """And its sessions must end; replays are refused, without blame."""
        said, word = say(2, block(HOST)), revoke(key(100), node=NODE, created=NOW)
        world.hears(said)

        outcome = world.hears(revoked(word, by=7))

        assert outcome.revoked == {NODE}
        assert outcome.dirty == [prefix(HOST)]
        assert world.ledger.get(said.id) is None
        world.refuses(said, RevokedError)
        world.refuses(pardon(3, HOST), RevokedError)
        assert not RevokedError.blame

    def test_it_counts_whatever_becomes_of_who_carried_it(self, world):
        """Carried by the revoked node itself, by a stranger, and kept when the carrier is revoked."""
        first = revoke(key(100), node=node_id(2), created=NOW)
        world.hears(revoked(first, seq=2))
        world.hears(revoked(revoke(key(100), node=NODE, created=NOW), seq=3))

        assert world.directory.is_revoked(NODE)
        assert len(world.ledger.ids_of({OWNER}, NOW)) == 3

    def test_the_owner_must_be_carried_and_have_signed(self, world):
        """A word on somebody else's node is nothing."""
        world.refuses(revoked(revoke(key(101), node=NODE, created=NOW), by=1, seq=2), NotCarriedError)
        good = revoke(key(100), node=NODE, created=NOW)
        forged = build_other(key(7), place(1), Kind.REVOCATION, good.encode()[:-64] + bytes(64), NOW + 400 * DAY)
        world.refuses(forged, SignatureError)

    def test_a_certificate_after_the_revocation_does_not_help(self):
        """In either order the key is dead, with all that it said before it was certified."""
        world = World(NODE, OWNER)
        said = say(2, block(HOST))
        world.hears(said)
        world.hears(revoked(revoke(key(100), node=NODE, created=NOW), by=7))

        outcome = world.hears(certified(certificate()))

        assert outcome.dirty == [prefix(HOST)]
        assert world.ledger.get(said.id) is None
        assert not world.ledger.statements(prefix(HOST), NOW)
        world.refuses(say(3, block(NEXT)), RevokedError)

    def test_a_new_certificate_above_the_serial_brings_the_node_back(self, world):
        """Revoking below a serial voids certificates, not keys: what the node said may be fetched again."""
        said = say(2, block(HOST))
        world.hears(said)
        world.hears(revoked(revoke(key(100), below_serial=2, created=NOW), by=7))
        world.refuses(said, RevokedError)

        world.hears(certified(certificate(serial=2, begins=NOW), seq=3))

        assert isinstance(world.hears(said), Recorded)
        assert world.ledger.statements(prefix(HOST), NOW)

    def test_by_the_command_line_it_acts_alike(self, world):
        """Before it was announced."""
        world.hears(say(2, block(HOST)))
        word = revoke(key(100), node=NODE, created=NOW)

        assert world.intake.revoke(word, NOW) == Learned(dirty=[prefix(HOST)], revoked=frozenset({NODE}))
        assert world.intake.revoke(word, NOW) == Learned(dirty=[])


class TestEquivocation:
    """An origin that contradicts itself (protocol 1.5)."""

    def test_who_finds_out_gets_the_proof(self, world):
        """Once, with what must be judged again; the second header is not kept."""
        one, two = say(2, block(HOST)), say(2, block(NEXT))
        world.hears(one)

        outcome = world.hears(two)

        assert outcome.equivocation.origin == NODE
        assert outcome.dirty == [prefix(HOST)]
        assert not outcome.kept
        assert world.hears(say(3, block(NEXT))) == Known(id=say(3, block(NEXT)).id)

    def test_a_proof_from_others_is_verified(self, world):
        """Both signatures, and the network; then it has the same effect and is told on."""
        one, two = say(2, block(HOST)), say(2, block(NEXT))
        world.hears(one, certified(certificate(node=9), by=9))
        forged = RawAnnouncement(two.raw.header, bytes(64), two.raw.body)
        abroad = [
            build_entries(key(1), Stamp(network=network_id("x"), epoch=1, seq=2, created_ms=NOW * 1000), [block(text)])
            for text in (HOST, NEXT)
        ]

        world.refuses(proof(one, Announcement(forged, two.header, two.id), seq=2), SignatureError)
        world.refuses(proof(*abroad, seq=2), WrongNetworkError)
        world.refuses(build_other(key(9), place(2), Kind.EQUIVOCATION, b"\x90", NOW + DAY), MalformedError)
        outcome = world.hears(proof(one, two, seq=2))

        assert outcome == Recorded(announcement=proof(one, two, seq=2), dirty=[prefix(HOST)])
        assert not world.ledger.statements(prefix(HOST), NOW)


class TestLoad:
    """The node's own store at start."""

    def test_everything_but_the_signature_is_checked_again(self, world):
        """Time, owner, share, body."""
        said = say(2, block(HOST))
        assert isinstance(world.intake.load(damaged(said, signature=bytes(64)), NOW), Recorded)
        assert world.intake.load(said.raw, NOW) == Known(id=said.id)

        for raw, error in (
            (say(3, block(HOST), at=NOW - 9000).raw, ExpiredError),
            (say(3, block(HOST), by=5).raw, NotCarriedError),
            (damaged(say(3, block(HOST)), body=bytes(12)), BodyHashError),
            (damaged(say(3, block(HOST)), body=b""), MalformedError),
        ):
            with pytest.raises(error):
                world.intake.load(raw, NOW)

    def test_a_clock_that_starts_too_early_forgets_nothing(self):
        """What it calls the future is held, and counts once it is the present."""
        world, wrong = World(), NOW - 40 * DAY
        for one in (certified(certificate()), say(2, block(HOST), epoch=NOW * 1000)):
            assert isinstance(world.intake.load(one.raw, wrong), Recorded)
        assert not world.ledger.statements(prefix(HOST), wrong)

        assert world.ledger.statements(prefix(HOST), NOW)

    def test_a_restart_resurrects_nothing(self, world):
        """Revocations, checkpoints and proofs are loaded like the rest, in any order."""
        said = [say(2, block(HOST)), say(4, block(NEXT)), checkpoint(3)]
        world.hears(*said, revoked(revoke(key(100), node=node_id(2), created=NOW), by=7))
        held = [world.ledger.get(one.id) for one in world.ledger.ids_of({OWNER}, NOW)]
        again = World()
        for raw in sorted(held, key=lambda raw: raw.header[12] not in (Kind.CERTIFICATE, Kind.REVOCATION)):
            again.intake.load(raw, NOW)

        assert again.ledger.counts() == world.ledger.counts()
        assert again.hears(said[0]) == Known(id=said[0].id)
        assert again.directory.is_revoked(node_id(2)) == world.directory.is_revoked(node_id(2))

    def test_expired_replays_never_come_back(self, world):
        """10,000 of them, at every moment after their end (policy, bounds)."""
        said = [say(seq, block(f"198.51.100.{seq}", ttl=60)) for seq in range(2, 102)]
        world.hears(*said)
        refused = 0
        for later in range(100):
            now = NOW + 60 + 5 * later
            world.ledger.tick(now)
            for one in said:
                refused += self.is_refused(world.intake.receive, one, now) or world.ledger.known(one.id)
            assert not any(world.ledger.statements(one, now) for one in list(world.ledger.keys()))

        assert refused == 10_000
        assert world.ledger.counts().entries == 0
        assert now > NOW + 60 + LAG

    @staticmethod
    def is_refused(receive: Callable[[RawAnnouncement, float], object], one: Announcement, now: float) -> bool:
        try:
            return isinstance(receive(one.raw, now), Known)
        except ExpiredError:
            return True


def test_many_entries_are_taken_in_at_once():
    """A full announcement of 1,024 entries, each found afterwards."""
    world = World(NODE)
    entries = [
        Entry(key=v4_key(at << 8, 24), action=Action.BLOCK, category=Category.DDOS, confidence=0, ttl=60)
        for at in range(1024)
    ]

    assert len(world.hears(say(1, *entries)).dirty) == 1024
    assert all(world.ledger.statements(entry.key, NOW)[0].confidence == 1 / 8 for entry in entries)


def test_what_lives_for_seconds_is_loaded_too():
    """The store's way in forgives a future, and no more: an entry of three seconds is alive when it was just made."""
    world = World(NODE)

    world.intake.load(say(1, block("203.0.113.9", ttl=3)).raw, NOW)

    assert world.ledger.counts().entries == 1


def test_without_a_membership_vouches_are_carried_and_change_nothing(world):
    """For its voucher, whoever brings it; a stranger's is not taken in."""
    told = [vouch(key(n), owner_id(5), created=NOW, expires=NOW + 60) for n in (100, 101)]
    first, second = (
        build_other(key(1), stamp(seq=50 + n), Kind.VOUCH, one.encode(), one.expires) for n, one in enumerate(told)
    )

    outcome = world.hears(first)

    assert isinstance(outcome, Recorded)
    assert (outcome.worth, outcome.dirty) == (frozenset(), [])
    world.refuses(second, NotCarriedError)
