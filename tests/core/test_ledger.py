"""protocol 1.5, 1.6, 1.8: what is known about a prefix, by whatever was recorded, in whatever order."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import Action, Category, Entry, Kind, build_other
from p2pfw.core.directory import Directory
from p2pfw.core.held import octets
from p2pfw.core.identity import OwnerId, Uses, revoke
from p2pfw.core.index import CROWD
from p2pfw.core.ledger import LAG, TICK_ENTRIES, Ledger
from p2pfw.core.prefix import v4_key
from p2pfw.core.statement import Source, Standing, Statement
from p2pfw.errors import ShareError
from tests.core.making import DAY, NOW, block, certificate, hosts, key, node_id, owner_id
from tests.core.saying import (
    HOST,
    NET6,
    NEXT,
    brief,
    certified,
    checkpoint,
    counts,
    ledger,
    pardon,
    place,
    prefix,
    proof,
    retract,
    revoked,
    say,
    standings,
)

NODE, OTHER = node_id(1), node_id(2)


def fleet(*nodes: int, uses: Uses = Uses.ALL) -> Directory:
    """A directory in which owner 100 has certified these nodes."""
    directory = Directory()
    for node in nodes:
        directory.learn(certificate(node=node, uses=uses), NOW)
    return directory


class TestStatements:
    """What one entry becomes."""

    def test_a_statement_says_what_was_signed(self):
        """Every field of it, in absolute times, with the owner by the certificate of now."""
        said = say(1, block(HOST, ttl=600, age=50), block(NET6), basis=77)
        book = ledger(said, directory=fleet(1))

        assert book.statements(prefix(HOST), NOW) == [
            Statement(
                source=Source.SIGNED,
                origin=NODE,
                owner=owner_id(100),
                fleet=True,
                action=Action.BLOCK,
                category=Category.SSH,
                confidence=1.0,
                created=NOW,
                stated=NOW - 50,
                expires=NOW + 600,
                basis=77,
                standing=Standing.LIVE,
                announcement=said.id,
            )
        ]
        assert book.statements(prefix(HOST), NOW, everything=True) == book.statements(prefix(HOST), NOW)
        assert [one.expires for one in book.statements(prefix(NET6), NOW)] == [NOW + 3600]

    def test_nothing_is_said_about_other_prefixes(self):
        """Exact prefixes only (policy): neither wider nor narrower ones."""
        book = ledger(say(1, block("203.0.113.0/24")))

        assert book.statements(prefix(HOST), NOW) == []
        assert book.statements(prefix(HOST), NOW, everything=True) == []
        assert book.statements(prefix("203.0.0.0/16"), NOW) == []

    @given(st.lists(st.integers(0, 1023), min_size=1, max_size=20))
    @settings(max_examples=20)
    def test_every_record_of_a_full_announcement_is_found(self, places):
        """1,024 records of both families, each by its own position."""
        four = [replace(one, ttl=100 + at) for at, one in enumerate(hosts(1000))]
        six = [block(f"2001:db8:{at:x}::/48", ttl=5000 + at) for at in range(24)]
        book = ledger(say(1, *four, *six))

        for at in places:
            entry = (four + six)[at]
            assert [one.expires for one in book.statements(entry.key, NOW)] == [NOW + entry.ttl]

    def test_fleet_is_what_the_certificate_allows(self):
        """Without the use `fleet` it is a statement like any other."""
        book = ledger(say(1, block(HOST)), directory=fleet(1, uses=Uses.ANNOUNCE))

        assert [one.fleet for one in book.statements(prefix(HOST), NOW)] == [False]

    @pytest.mark.parametrize("now, standing", [(NOW, Standing.LIVE), (NOW + 3600, Standing.EXPIRED)])
    def test_an_entry_ends_with_its_ttl(self, now, standing):
        """From the signed creation, not from arrival."""
        book = ledger(say(1, block(HOST), block(NEXT, ttl=9000)), now=NOW + 3000)

        assert standings(book, now=now) == [standing]
        assert counts(book, now=now) == (standing is Standing.LIVE)

    def test_a_statement_of_the_future_does_not_count_yet(self):
        """Own clock set back: more than two minutes ahead is FUTURE, and counts again when it is the present."""
        book = ledger(say(1, block(HOST)))

        assert standings(book, now=NOW - 121) == [Standing.FUTURE]
        assert not counts(book, now=NOW - 121)
        assert counts(book, now=NOW - 120)

    def test_without_a_valid_certificate_nothing_counts(self):
        """Certificate ended, or without the use announce: shown as uncertified, and counts again when renewed."""
        directory = fleet(1)
        book = ledger(say(1, block(HOST, ttl=30 * DAY), at=NOW + 80 * DAY), directory=directory)
        after = NOW + 95 * DAY
        assert standings(book, now=after) == [Standing.UNCERTIFIED]
        assert not counts(book, now=after)

        directory.learn(certificate(serial=2, begins=after), after)

        assert counts(book, now=after)
        assert standings(ledger(say(1, block(HOST)), directory=fleet(1, uses=Uses.FLEET))) == [Standing.UNCERTIFIED]

    def test_what_is_learned_counts_at_once(self):
        """Within the same second: answers are not kept over a change of the directory."""
        directory = Directory()
        book = ledger(say(1, block(HOST)), directory=directory)
        assert [one.owner for one in book.statements(prefix(HOST), NOW)] == [OwnerId(NODE)]

        directory.learn(certificate(), NOW)
        assert [one.owner for one in book.statements(prefix(HOST), NOW)] == [owner_id(100)]

        directory.revoke(revoke(key(100), node=NODE, created=NOW), NOW)
        assert not counts(book)

    def test_each_origin_speaks_for_itself(self):
        """Origins never override one another; several come in order of their keys."""
        book = ledger(say(1, block(HOST)), say(1, retract(HOST), by=2), say(1, block(HOST), by=3))

        assert [one.origin for one in book.statements(prefix(HOST), NOW)] == sorted([NODE, node_id(3)])

    def test_a_certificate_is_shown_while_its_announcement_lives(self):
        """As it travelled, with its node's header."""
        shown = certified(certificate(), seq=2)
        book = ledger(say(1, block(HOST)), shown)

        assert book.certificate(NODE, NOW) == shown.raw
        assert book.certificate(NODE, shown.expires) is book.certificate(node_id(2), NOW) is None


class TestOrder:
    """Of one origin, the newest holds."""

    def test_the_newest_block_holds(self):
        """By (epoch, seq), whatever the dates say; what it says again is not shown twice."""
        old, new = say(5, block(HOST, ttl=100), at=NOW), say(1, block(HOST, ttl=600), epoch=2, at=NOW - 60)

        for book in (ledger(old, new), ledger(new, old)):
            assert [one.announcement for one in book.statements(prefix(HOST), NOW)] == [new.id]
            assert standings(book) == [Standing.LIVE]

    def test_an_older_block_that_ends_later_comes_back(self):
        """When the newer one has ended (its origin avoids that by RETRACT and BLOCK)."""
        old, new = say(1, block(HOST, ttl=900)), say(2, block(HOST, ttl=300))

        for book in (ledger(old, new), ledger(new, old)):
            assert [one.announcement for one in book.statements(prefix(HOST), NOW)] == [new.id]
            assert [one.announcement for one in book.statements(prefix(HOST), NOW + 300)] == [old.id]
            assert not counts(book, now=NOW + 900)

    def test_a_retract_takes_back_older_blocks_while_it_lives(self):
        """In whatever order the two arrive; a later BLOCK counts again."""
        old, taken_back, new = say(1, block(HOST)), say(2, retract(HOST)), say(3, block(HOST))

        for book in (ledger(old, taken_back), ledger(taken_back, old)):
            assert not counts(book)
            assert standings(book) == [Standing.RETRACTED]
            book.record(new, NOW)
            assert counts(book)

    def test_a_shorter_block_after_a_retract_ends_when_it_says(self):
        """RETRACT with the older end, then BLOCK: the older one does not come back (protocol 1.6)."""
        book = ledger(say(1, block(HOST, ttl=900)), say(2, retract(HOST, ttl=901)), say(3, block(HOST, ttl=300)))

        assert counts(book, now=NOW + 299)
        assert not counts(book, now=NOW + 300)
        assert not counts(book, now=NOW + 899)

    def test_a_retract_acts_on_a_clock_that_was_set_back(self):
        """It is never of the future: else a block that was taken back would be enforced again."""
        book = ledger(say(1, block(HOST), at=NOW - 1000), say(2, retract(HOST)))

        assert not counts(book, now=NOW - 500)

    def test_what_holds_of_one_origin_may_be_a_retract(self):
        """For the origin itself, which renews what it said."""
        book = ledger(say(1, block(HOST)), say(2, retract(HOST)), say(3, block(NEXT)), directory=fleet(1))

        assert book.holding(prefix(HOST), NODE, NOW).action is Action.RETRACT
        assert book.holding(prefix(HOST), NODE, NOW).standing is Standing.LIVE
        assert book.holding(prefix(NEXT), NODE, NOW).action is Action.BLOCK
        assert book.holding(prefix(NEXT), OTHER, NOW) is None
        assert book.holding(prefix(NEXT), NODE, NOW + 3600) is None
        assert book.holding(prefix(NET6), NODE, NOW) is None

    def test_how_long_a_retract_must_live(self):
        """To the latest end of what no RETRACT outlives yet."""
        book = ledger(say(1, block(HOST, ttl=900)), say(2, block(HOST, ttl=300)), say(1, block(HOST, ttl=9000), by=2))
        assert book.block_end(prefix(HOST), NODE, NOW) == NOW + 900

        book.record(say(3, retract(HOST, ttl=300)), NOW)
        assert book.block_end(prefix(HOST), NODE, NOW) == NOW + 900

        book.record(say(4, retract(HOST, ttl=900)), NOW)
        assert book.block_end(prefix(HOST), NODE, NOW) is None


class TestPardon:
    """One node of an owner takes back what any node of that owner said (identity, Unblocking)."""

    def test_it_takes_back_what_any_node_of_the_owner_said(self):
        """Also what arrives later, and not what strangers said."""
        said = [say(1, block(HOST)), say(1, block(HOST), by=2), say(1, block(HOST), by=3)]
        mercy = pardon(2, HOST, by=2)

        for order in ([*said, mercy], [mercy, *said]):
            book = ledger(*order, directory=fleet(1, 2))
            assert [one.origin for one in book.statements(prefix(HOST), NOW)] == [node_id(3)]
            assert sorted(map(str, standings(book))) == sorted(
                map(str, [Standing.PARDONED, Standing.PARDONED, Standing.LIVE])
            )

    def test_what_was_first_made_later_stands(self):
        """By created - age: a compaction of an old statement stays pardoned, a new statement does not."""
        directory, mercy = fleet(1, 2), pardon(1, HOST, by=2)

        assert not counts(ledger(mercy, say(9, block(HOST, age=60), at=NOW + 60), directory=directory), now=NOW + 60)
        assert counts(ledger(mercy, say(9, block(HOST, age=59), at=NOW + 60), directory=directory), now=NOW + 60)

    def test_it_needs_the_use_pardon(self):
        """A node without it takes back only its own, by RETRACT."""
        book = ledger(say(1, block(HOST)), pardon(1, HOST, by=2), directory=fleet(1, 2, uses=Uses.ANNOUNCE))

        assert counts(book)

    def test_it_outlives_its_nodes_certificate_for_as_long_as_that_is_carried(self):
        """A prefix that a person unblocked must not come back because a machine was retired."""
        directory = fleet(1)
        directory.learn(certificate(node=2, days=1), NOW)
        book = ledger(say(1, block(HOST, ttl=9 * DAY)), pardon(1, HOST, by=2), directory=directory)

        assert not counts(book, now=NOW + 2 * DAY)
        directory.revoke(revoke(key(100), node=OTHER, created=NOW), NOW)
        assert counts(book, now=NOW + 2 * DAY)

    def test_it_ends(self):
        """And with it what it took back stands again, announced by a tick."""
        book = ledger(say(1, block(HOST, ttl=900)), pardon(1, HOST, NEXT, by=2, ttl=600), directory=fleet(1, 2))
        book.tick(NOW)
        assert book.pardoned_at(prefix(HOST), owner_id(100), NOW) == NOW
        assert book.pardoned_at(prefix(HOST), owner_id(101), NOW) is None

        assert book.next_deadline() == NOW + 600
        assert book.tick(NOW + 600).dirty == {prefix(HOST), prefix(NEXT)}
        assert counts(book, now=NOW + 600)
        assert book.pardoned_at(prefix(HOST), owner_id(100), NOW + 600) is None

    def test_an_older_pardon_that_lives_longer_still_counts(self):
        """Pardons do not replace one another; one that is deleted leaves the others."""
        book = ledger(say(1, block(HOST, ttl=9000)), pardon(2, HOST, ttl=800), pardon(3, HOST, ttl=100))

        assert not counts(book, now=NOW + 200)
        book.tick(NOW + 100 + LAG)
        assert not counts(book, now=NOW + 100 + LAG)
        book.tick(NOW + 800 + LAG)
        assert counts(book, now=NOW + 800 + LAG)

    def test_what_it_marks_dirty_is_what_it_names(self):
        """Its prefixes, when it comes and when its node's certificate changes."""
        book = ledger(directory=fleet(1))

        assert book.record(pardon(1, HOST, NEXT), NOW) == [prefix(HOST), prefix(NEXT)]
        assert set(book.keys_of(NODE)) == {prefix(HOST), prefix(NEXT)}
        assert list(book.keys()) == []


class TestCheckpoint:
    """All my entries before (epoch, seq) are void once you hold what I list (protocol 1.6)."""

    def test_an_empty_one_applies_at_once(self):
        """`retract --all`: what was said before is void, what is said after is not."""
        old, new = say(1, block(HOST)), say(3, block(NEXT))
        mark = checkpoint(2)

        for order in ((old, mark, new), (new, mark, old), (mark, old, new)):
            book = ledger(*order)
            assert not counts(book, HOST)
            assert counts(book, NEXT)
            assert book.known(old.id)
            assert book.get(old.id) is None

    def test_what_stands_at_its_bound_is_not_before_it(self):
        """Exactly (epoch, seq) stays, whether it comes earlier or later."""
        mark, at = checkpoint(9, before=5), say(5, block(HOST))

        assert counts(ledger(mark, at))
        assert counts(ledger(at, mark))

    def test_it_waits_for_what_it_lists(self):
        """And asks for it; what is listed stays although it is older."""
        kept, gone, again = say(1, block(NET6)), say(2, block(HOST)), say(3, block(NEXT))
        book = ledger(gone, checkpoint(4, [kept, again]))
        assert book.missing() == book.missing(NODE) == sorted([kept.id, again.id])
        assert book.missing(OTHER) == []
        assert counts(book, HOST)

        assert book.record(kept, NOW) == [prefix(NET6)]
        assert sorted(book.record(again, NOW)) == sorted([prefix(HOST), prefix(NEXT)])

        assert [counts(book, text) for text in (NET6, HOST, NEXT)] == [True, False, True]
        assert book.missing() == []

    def test_what_has_expired_counts_as_held(self):
        """It cannot be had any more."""
        gone, short = say(1, block(HOST)), say(2, block(NEXT, ttl=300))
        book = ledger(gone, checkpoint(3, [short]))
        book.tick(NOW)
        assert counts(book)
        assert book.next_deadline() == NOW + 300

        assert book.tick(NOW + 300).dirty == {prefix(HOST)}
        assert not counts(book, now=NOW + 300)
        assert not counts(ledger(gone, checkpoint(3, [short]), now=NOW + 300), now=NOW + 300)

    def test_what_is_void_counts_as_held(self):
        """A second checkpoint that was made before the first arrived does not wait for ever."""
        one, two = say(1, block(HOST)), say(2, block(NEXT))
        book = ledger(checkpoint(4), one, checkpoint(5, [one, two]), two)

        assert book.missing() == []
        assert not counts(book, NEXT)

    def test_it_voids_blocks_and_retracts_only(self):
        """Not pardons, not certificates, and nobody else's."""
        others = [pardon(1, HOST), certified(certificate(), seq=2), say(3, block(HOST), by=2)]
        book = ledger(*others, checkpoint(9))

        assert all(book.get(one.id) for one in others)

    def test_one_below_another_that_applies_asks_for_nothing(self):
        """It has nothing left to say."""
        book = ledger(checkpoint(3, [say(2, block(HOST))]), checkpoint(9))

        assert book.missing() == []

    def test_one_that_waits_is_forgotten_with_its_time(self):
        """And what it missed is not asked for any more."""
        never = say(1, block(HOST, ttl=30 * DAY), at=NOW + 150)
        also = say(2, block(HOST), at=NOW + 150)
        book = ledger(checkpoint(3, [never, also]), checkpoint(4, [never], at=NOW + 50))
        assert len(book.missing()) == 2

        book.tick(NOW + 30 * DAY + LAG)

        assert book.missing() == [never.id]

    def test_a_voided_cover_gives_back_what_it_covered(self):
        """An older block that the checkpoint lists counts again when the newer one is void."""
        old, new = say(1, block(HOST, ttl=600), block(NEXT)), say(2, block(HOST, ttl=900))
        book = ledger(old, new)
        assert [one.announcement for one in book.statements(prefix(HOST), NOW)] == [new.id]

        book.record(checkpoint(3, [old]), NOW)

        assert [one.announcement for one in book.statements(prefix(HOST), NOW)] == [old.id]
        assert book.used_by(NODE).prefixes == 2

    def test_what_it_voided_is_shown_for_a_while(self):
        """`why` says that it is void, until it would have ended anyway."""
        book = ledger(say(1, block(HOST), retract(NEXT)), checkpoint(2))

        assert standings(book) == [Standing.VOIDED]
        assert standings(book, NEXT) == []
        assert standings(book, NET6) == []
        assert standings(book, now=NOW + 3600) == []

    def test_it_stops_voiding_when_it_ends(self):
        """30 days: longer than anything before it can live."""
        book = ledger(checkpoint(5))
        book.tick(NOW + 30 * DAY + LAG)
        book.record(say(1, block(HOST), at=NOW + 30 * DAY + LAG), NOW + 30 * DAY + LAG)

        assert counts(book, now=NOW + 30 * DAY + LAG)

    def test_two_that_apply_are_both_in_force(self):
        """The higher bound decides, also when the other ends first."""
        book = ledger(checkpoint(3), checkpoint(5, at=NOW + 10, by=1))
        book.tick(NOW + 30 * DAY + LAG)

        assert book.record(say(4, block(HOST)), NOW) == []
        assert not counts(book)


class TestEquivocation:
    """Two headers for one (origin, epoch, seq) (protocol 1.5)."""

    ONE, TWO = say(1, block(HOST)), say(1, block(NEXT))

    def test_both_die_and_the_proof_can_be_shown(self):
        """In whatever order they come; the proof is the same bytes."""
        books = [ledger(self.ONE, self.TWO), ledger(self.TWO, self.ONE)]
        proofs = [book.take_proofs() for book in books]

        assert all(not counts(book, text) for book in books for text in (HOST, NEXT))
        assert all(book.in_quarantine(NODE, 1) and not book.in_quarantine(NODE, 2) for book in books)
        assert [len(each) for each in proofs] == [1, 1]
        assert proofs[0][0].encode() == proofs[1][0].encode()
        proofs[0][0].check_signatures()
        assert books[0].take_proofs() == []

    def test_the_whole_epoch_is_in_quarantine(self):
        """Before and after; other epochs and other origins are not."""
        before = [say(7, block(HOST)), pardon(8, NET6), say(1, block(NEXT), epoch=2), say(1, block(HOST), by=2)]
        book = ledger(*before, self.ONE, self.TWO)
        book.record(say(9, block(NET6)), NOW)

        assert [one.origin for one in book.statements(prefix(HOST), NOW)] == [OTHER]
        assert counts(book, NEXT)
        assert not counts(book, NET6)
        assert book.pardoned_at(prefix(NET6), OwnerId(NODE), NOW) is None

    def test_a_third_header_makes_no_second_proof(self):
        """One a (origin, epoch): gossip it once."""
        book = ledger(self.ONE, self.TWO, say(1, block(NET6)), say(4, block(HOST)), say(4, block(NEXT)))

        assert len(book.take_proofs()) == 1

    def test_void_headers_contradict_too(self):
        """It does not matter which came first: the contradiction, or the checkpoint that voids one side of it."""
        kept = say(2, block(NET6))
        mark = checkpoint(9, [kept])
        for order in (
            (self.ONE, self.TWO, kept, mark),
            (self.ONE, kept, mark, self.TWO),
            (kept, mark, self.TWO, self.ONE),
        ):
            book = ledger(*order)
            assert book.in_quarantine(NODE, 1)
            assert len(book.take_proofs()) == 1
            assert not counts(book, NET6)

    def test_a_received_proof_does_the_same(self):
        """To a node that never saw both."""
        book = ledger(self.ONE, say(5, block(NEXT)))
        told = proof(self.ONE, self.TWO)

        assert sorted(book.record(told, NOW)) == sorted([prefix(HOST), prefix(NEXT)])
        assert not counts(book)
        assert book.take_proofs() == []
        assert book.record(self.TWO, NOW) == []
        assert book.record(proof(self.ONE, self.TWO, seq=2), NOW) == []

    def test_what_proves_itself_is_held_all_the_same(self):
        """A certificate under a number that was used twice is still its owner's word."""
        paper = certified(certificate())
        for book in (ledger(self.ONE, paper), ledger(paper, self.ONE)):
            assert book.get(paper.id) == paper.raw
            assert not counts(book)
            assert book.in_quarantine(NODE, 1)
            book.record(self.TWO, NOW)
            assert len(book.take_proofs()) == 1
            book.tick(paper.expires + LAG)
            assert book.get(paper.id) is None
            assert book.counts() == (0, 0, 0)

    def test_it_lasts_as_long_as_any_header_or_proof(self):
        """Then the epoch, of which all is dead by then, is forgotten."""
        book = ledger(self.ONE, self.TWO, proof(self.ONE, self.TWO, expires=NOW + DAY))
        book.tick(NOW + DAY - 1)
        assert book.in_quarantine(NODE, 1)

        book.tick(NOW + DAY)
        assert not book.in_quarantine(NODE, 1)

    def test_its_checkpoints_still_take_back(self):
        """Who contradicts himself does not bring back what he took back."""
        book = ledger(say(1, block(NET6), epoch=1), checkpoint(5, epoch=2), say(9, block(HOST), epoch=2))
        book.record(say(9, block(NEXT), epoch=2), NOW)

        assert not counts(book, NET6)
        book.record(say(2, block(NET6), epoch=1), NOW)
        assert not counts(book, NET6)


class TestRevocation:
    """A revoked key: dead at once (protocol 7.2)."""

    def test_everything_it_announced_is_dead(self):
        """But for what proves itself, whoever carried it."""
        word = revoked(revoke(key(101), node=node_id(7), created=NOW), seq=5)
        charter = build_other(key(1), place(6), Kind.CHARTER, b"charter", NOW + DAY)
        said = [say(1, block(HOST)), pardon(2, NEXT), checkpoint(3, before=0), say(1, block(HOST), by=2), word, charter]
        book = ledger(*said)

        assert sorted(book.revoke([NODE])) == sorted([prefix(HOST), prefix(NEXT)])
        assert [one.origin for one in book.statements(prefix(HOST), NOW)] == [OTHER]
        assert [book.get(one.id) is None for one in said] == [True, True, True, False, False, False]
        assert not book.known(said[0].id)
        assert set(book.tick(NOW).ids) == {one.id for one in said[:3]}

    def test_what_comes_again_before_the_tick_stays_on_disk(self):
        """The owner certified the key anew: its announcements are fetched again."""
        said = say(1, block(HOST))
        book = ledger(said)
        book.revoke([NODE])
        book.record(said, NOW)

        assert book.tick(NOW).ids == ()


class TestTime:
    """Deletion lags expiry, and nothing comes back."""

    def test_deletion_lags_expiry_by_two_minutes(self):
        """A peer may still ask for it; then the store may forget it, and what was judged by it is judged again."""
        said = say(1, block(HOST), block(NEXT, ttl=60))
        book = ledger(said)
        assert book.next_deadline() == NOW + 3600 + LAG

        assert book.tick(NOW + 3600 + LAG - 1).ids == ()
        assert book.get(said.id) == said.raw
        dropped = book.tick(NOW + 3600 + LAG)

        assert dropped.ids == (said.id,)
        assert dropped.dirty == {prefix(HOST), prefix(NEXT)}
        assert book.counts() == (0, 0, 0)
        assert book.next_deadline() is None

    def test_the_end_of_a_retract_is_told(self):
        """What it took back may stand again; the ends of mere blocks are the policy's leases."""
        book = ledger(say(1, retract(HOST, ttl=300), retract(NEXT, ttl=500), block(NET6, ttl=400)))
        book.tick(NOW)

        assert book.next_deadline() == NOW + 300
        assert book.tick(NOW + 300).dirty == {prefix(HOST)}
        assert book.next_deadline() == NOW + 400
        assert book.tick(NOW + 600).dirty == {prefix(NEXT), prefix(NET6)}
        assert book.next_deadline() == NOW + 500 + LAG

    def test_certificates_that_begin_and_end_are_told(self):
        """Every prefix of the node, when its certificate ends and when that is carried no longer."""
        book = ledger(say(1, block(HOST, ttl=2 * DAY), block(NEXT)), directory=Directory())
        book._directory.learn(certificate(begins=NOW, days=1), NOW)
        book.tick(NOW)

        assert book.next_deadline() == NOW + 3600 * 0 + DAY
        assert book.tick(NOW + DAY).dirty == {prefix(HOST), prefix(NEXT)}

    def test_much_is_deleted_in_several_ticks(self):
        """So that none of them stalls; what is left is due at once."""
        each = TICK_ENTRIES // 1024
        said = [
            say(
                seq,
                *(
                    Entry(
                        key=v4_key(seq << 12 | at, 32), action=Action.BLOCK, category=Category.SSH, confidence=1, ttl=60
                    )
                    for at in range(1024)
                ),
            )
            for seq in range(1, each + 3)
        ]
        book = ledger(*said)
        later = NOW + 60 + LAG

        first = book.tick(later)
        assert 0 < len(first.ids) < len(said)
        assert book.next_deadline() <= later
        assert len(first.ids) + len(book.tick(later).ids) == len(said)

    def test_what_is_void_is_dropped_at_the_next_tick(self):
        """Its row may go at once, its id is remembered until it would have ended."""
        old = say(1, block(HOST))
        book = ledger(old)
        book.tick(NOW)
        book.record(checkpoint(2), NOW)
        assert book.next_deadline() == NOW

        assert book.tick(NOW).ids == (old.id,)
        assert book.next_deadline() == NOW + 3600 + LAG
        assert book.known(old.id[:16])
        book.tick(NOW + 3600 + LAG)
        assert not book.known(old.id)

    def test_a_tick_with_an_earlier_time_harms_nothing(self):
        """Own clock set back a day, then forward: what was deleted stays deleted, what is held stays held."""
        short, long = say(1, block(HOST, ttl=60)), say(2, block(NEXT, ttl=2 * DAY), by=2)
        directory = Directory()
        directory.learn(certificate(node=2, begins=NOW - DAY, days=2), NOW)
        book = ledger(short, long, directory=directory)
        book.tick(NOW + DAY)
        assert not counts(book, NEXT, NOW + DAY)

        back = book.tick(NOW)
        assert back.ids == ()
        assert not book.known(short.id)
        assert not counts(book, HOST, NOW)
        assert book.tick(NOW + DAY).dirty == back.dirty == {prefix(NEXT)}

    def test_ten_thousand_replays_bring_nothing_back(self):
        """Of what was retracted, voided or pardoned, in any order, again and again (policy, bounds)."""
        rng, directory = Random(1), fleet(1, 2)
        blocks = [say(seq, block(f"198.51.100.{seq}"), by=1 + seq % 2) for seq in range(1, 100)]
        ends = [say(100 + seq, retract(f"198.51.100.{seq}"), by=1 + seq % 2) for seq in range(1, 50)]
        ends += [pardon(200 + seq, f"198.51.100.{seq}") for seq in range(50, 75)]
        book = ledger(
            *blocks, *ends, checkpoint(500, by=1, before=90), checkpoint(500, by=2, before=90), directory=directory
        )
        live = {one for at in range(1, 100) for one in brief(book.statements(prefix(f"198.51.100.{at}"), NOW))}
        held = book.counts()

        for replay in rng.choices(blocks + ends, k=10_000):
            book.record(replay, NOW)

        assert {one for at in range(1, 100) for one in brief(book.statements(prefix(f"198.51.100.{at}"), NOW))} == live
        assert book.counts() == held
        assert len(live) == 10


class TestShares:
    """An owner fills its share and no more (protocol 1.8)."""

    def test_an_owner_has_so_many_prefixes(self):
        """Counted once an (origin, prefix): saying them again costs none, another owner has its own."""
        directory = fleet(1, 2)
        book = ledger(say(1, *hosts(8)), say(1, *hosts(8), by=2), directory=directory, share=16)
        assert book.used(owner_id(100)).prefixes == 16

        book.record(say(2, *hosts(8)), NOW)
        with pytest.raises(ShareError, match="more prefixes"):
            book.record(say(3, block(HOST)), NOW)
        book.record(say(1, *hosts(8), by=3), NOW)

        assert book.used(owner_id(100)).prefixes == 16
        assert book.used_by(NODE).prefixes == 8

    def test_one_origin_gets_half(self):
        """One stolen node must not crowd out the rest of its fleet (identity, Own fleet)."""
        book = ledger(say(1, *hosts(8)), directory=fleet(1, 2), share=16)

        with pytest.raises(ShareError):
            book.record(say(2, block(HOST)), NOW)
        book.record(say(2, block(HOST), by=2), NOW)

        assert counts(book)

    def test_what_takes_back_has_a_reserve(self):
        """A limit must not eat the un-block; the reserve has an end too."""
        book = ledger(say(1, *hosts(128)), directory=fleet(1), share=256)
        book.record(say(2, *(retract(f"203.0.113.{at}") for at in range(8))), NOW)
        book.record(pardon(3, *(f"203.0.113.{at}" for at in range(8))), NOW)

        with pytest.raises(ShareError):
            book.record(say(4, retract("203.0.113.8")), NOW)
        with pytest.raises(ShareError):
            book.record(pardon(5, "203.0.113.8"), NOW)
        book.record(pardon(6, "203.0.113.7"), NOW)
        with pytest.raises(ShareError):
            book.record(say(7, retract("203.0.113.1"), block("203.0.113.9")), NOW)

    def test_what_ends_frees_its_share(self):
        """Deleted or void: another prefix fits."""
        book = ledger(say(1, *hosts(8, ttl=60)), directory=fleet(1), share=16)
        book.tick(NOW + 60 + LAG)
        assert book.used(owner_id(100)).prefixes == 0

        book.record(say(2, *hosts(8)), NOW)
        book.record(checkpoint(3), NOW)
        book.record(say(4, block(HOST)), NOW)

        assert book.used(owner_id(100)).prefixes == 1

    def test_bytes_are_limited_too(self):
        """Opaque kinds, and the same prefix said over and over, cost no prefix."""
        opaque = [build_other(key(1), place(seq), 99, bytes(900), NOW + DAY) for seq in range(1, 5)]
        book = ledger(*opaque[:1], share=16)
        assert book.used_by(NODE).octets == octets(opaque[0].raw) + 256

        with pytest.raises(ShareError, match="half"):
            book.record(opaque[1], NOW)
        assert book.get(opaque[0].id) == opaque[0].raw

    def test_all_bytes_of_an_owner_are_limited(self):
        """Two origins at half each leave nothing to a third."""
        said = [build_other(key(by), place(1), 99, bytes(1500), NOW + DAY) for by in (1, 2, 3)]
        book = ledger(*said[:2], directory=fleet(1, 2, 3), share=16)

        with pytest.raises(ShareError, match="its owner's share of the store is used up"):
            book.record(said[2], NOW)

    def test_one_prefix_is_not_crowded(self):
        """64 entries of one origin that do not replace one another; renewals do, and are not limited by it."""
        shrinking = [say(seq, block(HOST, ttl=9000 - seq)) for seq in range(1, CROWD + 1)]
        book = ledger(*shrinking)
        before = book.counts()

        with pytest.raises(ShareError, match="on one prefix"):
            book.record(say(CROWD + 1, block(HOST, ttl=5), block(NEXT)), NOW)
        assert book.counts() == before
        book.record(say(1, block(HOST), by=2), NOW)
        book.record(say(CROWD + 2, block(NEXT)), NOW)
        assert counts(book, NEXT)

    def test_pardons_of_one_prefix_are_not_crowded_either(self):
        """Each of them is looked at in every judgement."""
        book = ledger(*(pardon(seq, HOST) for seq in range(1, CROWD + 1)))

        with pytest.raises(ShareError):
            book.record(pardon(CROWD + 1, HOST), NOW)
        book.record(pardon(1, HOST, by=2), NOW)
        book.record(pardon(CROWD + 1, NEXT), NOW)

    def test_a_share_follows_its_origin_to_another_owner(self):
        """`join` replaces the certificate: what was said before is the new owner's."""
        directory = Directory()
        book = ledger(say(1, block(HOST)), directory=directory)
        assert book.used(OwnerId(NODE)).prefixes == 1

        directory.learn(certificate(), NOW)
        book.record(say(2, block(NEXT)), NOW)

        assert book.used(OwnerId(NODE)).prefixes == 0
        assert book.used(owner_id(100)).prefixes == 2

    def test_vouched_owners_share_one_share(self):
        """The pool says with whom (protocol 1.8)."""
        book = Ledger(Directory(), share=16, pool=lambda owner: OwnerId(node_id(99)))
        book.record(say(1, *hosts(8)), NOW)
        book.record(say(1, *hosts(8), by=2), NOW)

        with pytest.raises(ShareError):
            book.record(say(1, block(HOST), by=3), NOW)
        assert book.used(OwnerId(node_id(3))).prefixes == 16

    def test_revocations_have_room_of_their_own(self):
        """A full share does not keep them out; neither do copies fill it, nor one owner's endless words."""
        directory = Directory()
        book = ledger(say(1, *hosts(512)), directory=directory, share=1024)
        word = revoke(key(100), node=NODE, created=NOW)

        copies = [revoked(word, by=by) for by in range(1, 6)]
        for one in copies[:4]:
            book.record(one, NOW)
        with pytest.raises(ShareError, match="same word of an owner"):
            book.record(copies[4], NOW)
        words = [revoke(key(100), below_serial=serial, created=NOW) for serial in range(1, 100)]
        with pytest.raises(ShareError, match="too many"):
            ledger(*(revoked(word, by=7, seq=seq) for seq, word in enumerate(words)), share=1024)

        book.tick(copies[0].expires + LAG)
        assert book.counts() == (0, 0, 0)
        book.record(copies[4], NOW)

    def test_graves_are_paid_for(self):
        """What is void costs its origin a little until it would have ended."""
        book = ledger(say(1, *hosts(8)), checkpoint(2))
        mark = octets(checkpoint(2).raw) + 256

        assert book.used_by(NODE).octets == mark + 512
        book.tick(NOW + 3600 + LAG)
        assert book.used_by(NODE).octets == mark


class TestListing:
    """What peers and the operator ask for."""

    def test_ids_are_listed_by_owner(self):
        """What an owner signed is the owner's, whoever carried it; what has expired is not listed."""
        word = revoked(revoke(key(101), node=node_id(7), created=NOW), by=3, seq=2)
        paper = certified(certificate(), seq=9)
        said = [say(1, block(HOST)), say(1, block(HOST), by=3), word, paper, say(2, block(HOST, ttl=5))]
        book = ledger(*said, directory=fleet(1))

        assert {one.id for one in book.ids_of({owner_id(100)}, NOW)} == {said[0].id, said[4].id, paper.id}
        assert {one.id for one in book.ids_of({owner_id(101), OwnerId(node_id(3))}, NOW)} == {said[1].id, word.id}
        assert {one.id for one in book.ids_of({owner_id(100)}, NOW + 5)} == {said[0].id, paper.id}
        (listed,) = book.ids_of({OwnerId(node_id(3))}, NOW)
        assert (listed.created_ms, listed.expires) == (NOW * 1000, NOW + 3600)
        assert (listed.kind, listed.origin) == (Kind.ENTRIES, node_id(3))

    def test_an_origins_own_announcements_in_order(self):
        """Of one kind, those that have not expired."""
        said = [say(2, block(HOST)), say(1, block(NEXT)), say(3, block(NET6, ttl=5)), pardon(4, HOST)]
        book = ledger(*said)

        assert [one.id for one in book.announcements_of(NODE, NOW + 5)] == [said[1].id, said[0].id]
        assert [one.id for one in book.announcements_of(NODE, NOW, kind=Kind.PARDON)] == [said[3].id]
        assert book.announcements_of(OTHER, NOW) == []

    def test_the_highest_number_is_proven_by_the_announcement(self):
        """(epoch, seq) over all kinds, of what is held."""
        book = ledger(say(9, block(HOST)), say(1, block(NEXT), epoch=2), say(5, block(HOST), epoch=2, by=2))

        assert book.highest(NODE).order == (2, 1)
        assert book.highest(node_id(3)) is None

    def test_found_by_id_and_by_its_first_bytes(self):
        """IHAVE carries 16 bytes of an id."""
        said = say(1, block(HOST))
        book = ledger(said)

        assert book.get(said.id) == book.get(said.id[:16]) == said.raw
        assert book.known(said.id)
        assert book.known(said.id[:16])
        assert book.get(bytes(32)) is None
        assert not book.known(bytes(16))

    def test_a_second_time_changes_nothing(self):
        """Known is known."""
        said = say(1, block(HOST))
        book = ledger(said)

        assert book.record(said, NOW) == []
        assert book.counts() == (1, 1, 1)

    def test_what_overlaps(self):
        """Wider, narrower, and the prefix itself."""
        book = ledger(say(1, block("203.0.113.0/24"), block(HOST), block("203.0.0.0/16"), block(NET6)))

        assert book.overlapping(prefix("203.0.113.0/24")) == [
            prefix("203.0.0.0/16"),
            prefix("203.0.113.0/24"),
            prefix(HOST),
        ]

    def test_opaque_kinds_are_held_and_listed(self):
        """A newer node can talk through an older one (protocol 1)."""
        said = build_other(key(1), place(1), 200, b"of the future", NOW + DAY)
        book = ledger(said)

        assert book.get(said.id) == said.raw
        assert list(book.keys_of(NODE)) == []
