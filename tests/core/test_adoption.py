"""Verdicts are kept up to date a little at a time, and are always those of a judgement from nothing."""

import tracemalloc
from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pfw.core.adoption import REFILL, Adoption, Word
from p2pfw.core.flips import HOUR
from p2pfw.core.prefix import is_v6, key_length, v4_key
from p2pfw.core.statement import Source
from p2pfw.core.verdict import Decision, Reason
from p2pfw.core.whitelist import WhitelistEntry
from tests.core.judging import (
    DAY,
    HOST,
    NOW,
    by_fleet,
    by_operator,
    key,
    local,
    node,
    owner,
    policy,
    said,
    table,
    whitelist,
)


class Book:
    """What is said: a fake of ledger and local book, which answers with what has not ended."""

    def __init__(self):
        self.told = {}
        self.asked = Counter()

    def say(self, prefix, *statements):
        self.told[prefix] = list(statements)

    def statements(self, prefix, now):
        self.asked[prefix] += 1
        return [one for one in self.told.get(prefix, []) if one.expires > now or one.expires == 0]

    def keys(self):
        return iter(list(self.told))


def made(**trust):
    """A book, and an adoption that reads it."""
    book = Book()
    return book, Adoption(policy(table(**trust)), book.statements)


def judged(adoption, book, *prefixes, now=NOW):
    """Mark these (or all) and judge them; what changed."""
    if prefixes:
        adoption.mark(prefixes)
    else:
        adoption.mark_all(book.keys)
    return adoption.judge_some(now, 1_000_000)


# --- against a judgement from nothing --------------------------------------------------------------------------------

PREFIXES = [key(text) for text in ("203.0.113.7", "203.0.113.8", "203.0.113.0/28", "2001:db8::1", "203.0.112.0/20")]
SAYINGS = [
    *(lambda ttl, name=name: said(name, ttl=ttl) for name in "abc"),
    lambda ttl: said("a2", of="a", ttl=ttl, confidence=0.5),
    lambda ttl: by_fleet(ttl=ttl),
    lambda ttl: by_operator(ttl=ttl),
    lambda ttl: local(Source.SIGHTING, until=NOW + ttl),
    lambda ttl: local(Source.OPERATOR, until=0),
]


class Twin(RuleBasedStateMachine):
    """Statements, trust, whitelist and time change; what is marked is judged in small steps."""

    def __init__(self):
        super().__init__()
        self.book, self.adoption = made(a=0.9, b=0.4, c=0.4)
        self.now = NOW
        self.wanted = {}

    @rule(prefix=st.sampled_from(PREFIXES), which=st.sampled_from(SAYINGS), ttl=st.integers(1, 400))
    def says(self, prefix, which, ttl):
        one = which(self.now - NOW + ttl)
        others = [other for other in self.book.told.get(prefix, []) if other.origin != one.origin]
        self.book.say(prefix, *others, one)
        self.judge(prefix)

    @rule(prefix=st.sampled_from(PREFIXES))
    def takes_back(self, prefix):
        self.book.say(prefix, *self.book.told.pop(prefix, [])[1:])
        self.judge(prefix)

    @rule(name=st.sampled_from("abc"), value=st.sampled_from([0.0, 0.3, 0.45, 0.9]))
    def trusts(self, name, value):
        self.adoption.policy.trust.give(owner(name), value)
        self.adoption.mark_all(self.book.keys)
        self.drain(1)

    @rule(prefix=st.sampled_from(PREFIXES), comes=st.booleans())
    def whitelists(self, prefix, comes):
        allowed = self.adoption.policy.whitelist
        if comes:
            allowed.put(WhitelistEntry(key=prefix))
        else:
            allowed.remove(prefix)
        self.adoption.mark_all(self.book.keys)
        self.drain(2)

    @rule(seconds=st.sampled_from([1, 30, 200]))
    def time_passes(self, seconds):
        for _ in range(seconds):
            self.now += 1
            deadline = self.adoption.next_deadline()
            if deadline is not None and deadline <= self.now:
                self.adoption.tick(self.now)
            # What is not adopted changes its reason when the ledger says that something ended.
            idle = [prefix for prefix in PREFIXES if prefix not in self.wanted]
            self.adoption.mark(one for one in idle if self.ends(one))
            self.drain(3)

    def ends(self, prefix):
        return any(one.expires == self.now for one in self.book.told.get(prefix, []))

    def judge(self, prefix):
        self.adoption.mark([prefix])
        self.drain(1)

    def drain(self, budget):
        while self.adoption.pending:
            for change in self.adoption.judge_some(self.now, budget):
                self.wanted.pop(change.key, None)
                if change.until is not None:
                    self.wanted[change.key] = change.until

    @invariant()
    def is_what_a_judgement_from_nothing_would_be(self):
        for prefix in PREFIXES:
            told = self.book.statements(prefix, self.now)
            word = self.adoption.verdict(prefix)
            explained = self.adoption.explain(prefix, told, self.now).verdict
            assert word == (Word(explained.decision, explained.reason, explained.until) if told else None)

    @invariant()
    def every_change_was_told(self):
        assert dict(self.adoption.adopted()) == self.wanted

    @invariant()
    def the_counts_are_right(self):
        words = [word for _, word in self.adoption.verdicts()]
        assert self.adoption.tally.counts == Counter((word.decision, word.reason) for word in words)
        for decision in Decision:
            six = sum(is_v6(found) for found, word in self.adoption.verdicts() if word.decision is decision)
            assert self.adoption.tally.by_family(decision) == (self.adoption.count(decision) - six, six)
        assert self.adoption.count(Decision.ADOPT) == len(self.wanted)
        six = sum(is_v6(prefix) for prefix in self.wanted)
        assert self.adoption.families() == (len(self.wanted) - six, six)


test_small_steps_lead_where_one_judgement_of_everything_leads = Twin.TestCase


# --- changes ---------------------------------------------------------------------------------------------------------


def test_a_change_tells_the_old_verdict_and_the_new():
    """So that the caller can make events of it."""
    book, adoption = made(a=0.9, b=0.4)
    book.say(HOST, said("b"))
    held = Word(Decision.HOLD, Reason.BELOW_THRESHOLD, None)
    adopted = Word(Decision.ADOPT, Reason.OK, NOW + DAY)

    def told(*prefixes):
        return [(one.key, one.until, one.old, one.new) for one in judged(adoption, book, *prefixes)]

    assert told() == [(HOST, None, None, held)]
    book.say(HOST, said("a"))
    assert told(HOST) == [(HOST, NOW + DAY, held, adopted)]
    assert told(HOST) == []
    book.say(HOST)
    assert told(HOST) == [(HOST, None, adopted, None)]
    assert told(HOST) == []


def test_the_generation_grows_with_what_is_adopted_and_with_nothing_else():
    """What a list's ETag is made of."""
    book, adoption = made(a=0.9, b=0.1, c=0.4)
    seen = [adoption.generation]
    for told in ([said("c")], [said("a")], [said("a")], [said("a", ttl=60)], []):
        book.say(HOST, *told)
        judged(adoption, book, HOST)
        seen.append(adoption.generation)

    assert seen == [0, 0, 1, 1, 2, 3]


def test_what_is_dirty_goes_before_the_rest_of_a_full_judgement():
    """A block is not kept waiting by a trust edit over 100,000 prefixes."""
    book, adoption = made(a=0.9)
    for number in range(100):
        book.say(HOST + (number << 8), said("a"))
    adoption.mark_all(book.keys)
    adoption.judge_some(NOW, 10)
    book.say(key("192.0.2.1"), by_operator())
    adoption.mark([key("192.0.2.1")])

    assert adoption.pending == 91
    assert [change.key for change in adoption.judge_some(NOW, 1)] == [key("192.0.2.1")]


def test_what_was_marked_together_is_judged_together():
    """Two lists that interleave as numbers: all of one before any of the other, as the memos of the last one need."""
    book, adoption = made(a=0.9)
    lists = [[HOST + (2 * number + of << 8) for number in range(100)] for of in (0, 1)]
    for keys in lists:
        adoption.mark(keys)
        for one in keys:
            book.say(one, said("a"))
    while adoption.pending:
        adoption.judge_some(NOW, 7)

    assert {*list(book.asked)[:100]} in [{*keys} for keys in lists]
    assert book.asked.total() == 200


def test_a_few_can_be_judged_at_once():
    """judge_these: whatever waits, and they are dirty no more."""
    book, adoption = made(a=0.9)
    book.say(HOST, said("a"))
    adoption.mark([HOST, key("192.0.2.1")])

    assert [change.key for change in adoption.judge_these([HOST], NOW)] == [HOST]
    assert adoption.pending == 1


def test_a_budget_is_never_exceeded_and_an_idle_adoption_does_nothing():
    """judge_some(now, budget)."""
    book, adoption = made(a=0.9)
    for number in range(10):
        book.say(HOST + (number << 8), said("a"))
    adoption.mark_all(book.keys)

    sizes = [len(adoption.judge_some(NOW, 4)) for _ in range(4)]

    assert sizes == [4, 4, 2, 0]
    assert sum(book.asked.values()) == 10


def test_a_full_judgement_asks_for_each_prefix_once():
    """Also for those that several sources know, and those that were judged meanwhile."""
    book, adoption = made(a=0.9)
    for number in range(5):
        book.say(HOST + (number << 8), said("a"))
    judged(adoption, book, HOST)
    book.asked.clear()
    adoption.mark_all(book.keys, book.keys)
    adoption.mark([HOST + (4 << 8)])
    adoption.judge_some(NOW, 1_000)

    assert book.asked == {HOST + (number << 8): 1 for number in range(5)}
    assert adoption.pending == 0


def test_a_full_judgement_finds_what_is_known_no_more():
    """Verdicts without statements go, though no source names them."""
    book, adoption = made(a=0.9)
    book.say(HOST, said("a"))
    judged(adoption, book)
    book.told.clear()

    assert [(change.key, change.new) for change in judged(adoption, book)] == [(HOST, None)]
    assert list(adoption.verdicts()) == []


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_thousand_blocks_with_one_end_are_gone_at_that_end():
    """And the deadline says when to look."""
    book, adoption = made(a=0.9)
    for number in range(1000):
        book.say(HOST + (number << 16), said("a", ttl=600))
    judged(adoption, book)
    adoption.tick(NOW + 599)
    assert adoption.pending == 0

    adoption.tick(NOW + 600)

    assert adoption.pending == 1000
    assert {change.until for change in adoption.judge_some(NOW + 600, 2000)} == {None}
    assert adoption.next_deadline() is None


def test_a_lone_voices_lease_ends_though_its_entry_lives_on():
    """It is then held for want of a voice, not forgotten."""
    book, adoption = made(a=0.9)
    book.say(HOST, said("a", ttl=7 * DAY))
    judged(adoption, book)
    adoption.tick(NOW + DAY)

    (change,) = adoption.judge_some(NOW + DAY, 10)

    assert change.new == Word(Decision.HOLD, Reason.NEEDS_VOICES, None)


def test_an_extended_lease_is_not_looked_at_at_its_old_end():
    """The old slot of the wheel is stale."""
    book, adoption = made(a=0.9)
    book.say(HOST, said("a", ttl=600))
    judged(adoption, book)
    book.say(HOST, said("a", ttl=6000))
    judged(adoption, book, HOST)
    adoption.tick(NOW + 600)

    assert adoption.pending == 0
    assert adoption.until(HOST) == NOW + 6000


def test_stale_slots_are_thrown_away_when_they_are_many():
    """A lease that changes at every announcement must not fill the memory."""
    book, adoption = made(a=0.9)
    for ttl in range(600, 5000):
        book.say(HOST, said("a", ttl=ttl))
        judged(adoption, book, HOST)

    assert len(adoption._wheel) <= 1030
    adoption.tick(NOW + 4999)
    assert adoption.pending == 1


# --- hysteresis ------------------------------------------------------------------------------------------------------


def test_what_the_score_adopted_is_kept_down_to_the_lower_threshold():
    """And what an operator's word adopted is not, once that word is gone."""
    book, adoption = made(a=0.4, b=0.45)
    book.say(HOST, said("a"), said("b"))
    judged(adoption, book)
    book.say(HOST, said("b"))
    judged(adoption, book, HOST)
    kept = adoption.verdict(HOST)
    other = key("203.0.113.9")
    book.say(other, by_operator(), said("b"))
    judged(adoption, book, other)
    book.say(other, said("b"))
    judged(adoption, book, other)

    assert kept == Word(Decision.ADOPT, Reason.OK, NOW + DAY)
    assert adoption.verdict(other).decision is Decision.HOLD


def test_a_restart_does_not_drop_what_hysteresis_kept():
    """What the kernel still holds counts as adopted before, for the first judgement only."""
    book, adoption = made(b=0.45)
    other = key("203.0.113.9")
    book.say(HOST, said("b"))
    adoption.assume([HOST, other])
    adoption.judge_some(NOW, 10)
    judged(adoption, book)
    adoption.judge_some(NOW, 1)
    book.say(other, said("b"))
    judged(adoption, book, other)

    assert adoption.verdict(HOST).decision is Decision.ADOPT
    assert adoption.verdict(other).decision is Decision.HOLD


# --- limits ----------------------------------------------------------------------------------------------------------


def fill(book, name="f", begins=0):
    """256 networks of /16: the whole budget of one node."""
    for number in range(256):
        book.say(v4_key(0x20000000 + (begins + number << 16), 16), by_fleet(name))


def test_a_node_of_the_fleet_that_says_too_much_is_held_and_named():
    """Over 2^24 addresses: HOLD `limit`, with an alarm that names the node; others are not touched."""
    book, adoption = made()
    fill(book)
    judged(adoption, book)
    book.say(HOST, by_fleet("f"))
    book.say(key("203.0.113.8"), by_fleet("g"))
    judged(adoption, book, HOST, key("203.0.113.8"))

    assert adoption.verdict(HOST) == Word(Decision.HOLD, Reason.LIMIT, None)
    assert adoption.verdict(key("203.0.113.8")).reason is Reason.FLEET
    assert adoption.over_budget == {node("f"): 1}
    assert adoption.count(Decision.ADOPT) == 257


def test_the_whole_fleet_has_a_budget_too():
    """2^26 in all: four nodes' worth."""
    book, adoption = made()
    for number, name in enumerate("fghi"):
        fill(book, name, 256 * number)
    judged(adoption, book)
    book.say(HOST, by_fleet("j"))
    judged(adoption, book, HOST)

    assert adoption.count(Decision.ADOPT) == 1024
    assert adoption.over_budget == {node("j"): 1}


def test_a_stolen_node_cannot_unblock_what_others_adopt():
    """Its word is set aside, theirs decides."""
    book, adoption = made(a=0.9)
    fill(book)
    judged(adoption, book)
    book.say(HOST, by_fleet("f"), said("a"))
    judged(adoption, book, HOST)

    assert adoption.verdict(HOST) == Word(Decision.ADOPT, Reason.OK, NOW + DAY)


def test_a_wide_network_over_the_budget_is_held_not_refused():
    """It is not too wide for its class; there is only no room."""
    book, adoption = made()
    fill(book)
    judged(adoption, book)
    book.say(key("203.0.0.0/16"), by_fleet("f"))
    judged(adoption, book, key("203.0.0.0/16"))

    assert adoption.verdict(key("203.0.0.0/16")) == Word(Decision.HOLD, Reason.LIMIT, None)


def test_room_that_is_given_back_is_used_within_a_minute():
    """What was held is looked at again, and is no alarm any more."""
    book, adoption = made()
    fill(book)
    judged(adoption, book)
    book.say(HOST, by_fleet("f"))
    book.say(v4_key(0x20000000, 16))
    book.say(v4_key(0x20010000, 16))
    judged(adoption, book, HOST)
    judged(adoption, book, v4_key(0x20000000, 16), v4_key(0x20010000, 16), now=NOW + 5)

    assert adoption.next_deadline() == NOW + 5 + REFILL
    adoption.tick(NOW + 5 + REFILL)
    adoption.judge_some(NOW + 5 + REFILL, 1000)
    assert adoption.verdict(HOST).reason is Reason.FLEET
    assert adoption.over_budget == {}


def test_the_charge_moves_when_another_node_says_it():
    """The first node's room is free again, and nobody is charged twice."""
    book, adoption = made()
    fill(book)
    judged(adoption, book)
    fill(book, "g")
    judged(adoption, book)
    book.say(HOST, by_fleet("f"))
    judged(adoption, book, HOST)

    assert adoption.verdict(HOST).reason is Reason.FLEET
    book.say(HOST, by_fleet("f"), by_fleet("g"))
    judged(adoption, book, HOST)
    assert adoption.verdict(HOST).reason is Reason.FLEET


@pytest.mark.parametrize("blocks", [lambda: said("a"), by_fleet])
def test_a_thousand_flips_a_minute_make_six_transitions_an_hour(blocks):
    """After 6 changes of verdict an hour for one (origin, prefix) its BLOCKs wait; RETRACT always acts."""
    book, adoption = made(a=0.9)
    transitions = []
    for number in range(2000):
        now = NOW + number * 0.06
        book.say(HOST, *([blocks()] if number % 2 == 0 else []))
        for change in judged(adoption, book, HOST, now=now):
            was = change.old is not None and change.old.decision is Decision.ADOPT
            if was != (change.until is not None):
                transitions.append(now)

    assert len(transitions) == 6
    assert adoption.verdict(HOST) is None


def test_whoever_waits_is_heard_when_the_hour_is_over():
    """Without anybody saying anything again."""
    book, adoption = made(a=0.9)
    for number in range(13):
        book.say(HOST, *([said("a")] if number % 2 == 0 else []))
        judged(adoption, book, HOST, now=NOW + number)
    assert adoption.verdict(HOST) == Word(Decision.HOLD, Reason.LIMIT, None)
    deadlines = []
    while adoption.verdict(HOST).decision is Decision.HOLD:
        deadlines.append(adoption.next_deadline())
        adoption.tick(deadlines[-1])
        adoption.judge_some(deadlines[-1], 10)

    assert NOW + HOUR <= deadlines[-1] <= NOW + HOUR + 3
    assert adoption.verdict(HOST).decision is Decision.ADOPT


def test_one_who_flaps_does_not_keep_others_from_blocking():
    """Only his BLOCKs wait."""
    book, adoption = made(a=0.9, b=0.9)
    for number in range(20):
        book.say(HOST, *([said("a")] if number % 2 == 0 else []))
        judged(adoption, book, HOST, now=NOW + number)
    book.say(HOST, said("a"), said("b"))
    judged(adoption, book, HOST, now=NOW + 30)

    assert adoption.verdict(HOST).decision is Decision.ADOPT


def test_one_who_waits_does_not_slip_in_beside_another():
    """The block ends with the word of the one who holds it, however often it is judged, until the waiting is over."""
    book, adoption = made(a=0.9)
    for number in range(20):
        book.say(HOST, *([said("a")] if number % 2 == 0 else []))
        judged(adoption, book, HOST, now=NOW + number)
    book.say(HOST, said("a"), by_fleet(ttl=600))
    first = judged(adoption, book, HOST, now=NOW + 30)

    assert [change.until for change in first] == [NOW + 600]
    assert adoption.explain(HOST, book.told[HOST], NOW + 31).verdict.until == NOW + 600
    assert judged(adoption, book, HOST, now=NOW + 31) == []
    book.say(HOST, said("a"), by_fleet(ttl=2 * HOUR))
    judged(adoption, book, HOST, now=NOW + 32)
    while adoption.until(HOST) == NOW + 2 * HOUR:
        adoption.tick(adoption.next_deadline())
        adoption.judge_some(NOW + HOUR + 30, 10)
    assert adoption.until(HOST) == NOW + DAY, "when the hour is over he is heard"


def test_a_stronger_word_over_what_hysteresis_kept_is_judged_alike_again():
    """Two judgements in a row, and the explanation, agree: what the score once adopted is forgotten under that word."""
    book, adoption = made(a=0.9)
    book.say(HOST, said("a"), said("a2", of="a", confidence=0.5))
    judged(adoption, book, HOST)
    book.say(HOST, said("a2", of="a", confidence=0.5))
    judged(adoption, book, HOST)
    assert adoption.verdict(HOST) == Word(Decision.ADOPT, Reason.OK, NOW + DAY)
    book.say(HOST, said("a2", of="a", confidence=0.5), by_fleet(ttl=600))

    assert [change.until for change in judged(adoption, book, HOST)] == [NOW + 600]
    assert judged(adoption, book, HOST) == []
    assert adoption.explain(HOST, book.told[HOST], NOW).verdict.until == NOW + 600


def test_the_operator_may_change_its_mind_as_often_as_it_likes():
    """At once, by precedence."""
    book, adoption = made()
    for number in range(41):
        book.say(HOST, *([by_operator()] if number % 2 == 0 else []))
        judged(adoption, book, HOST, now=NOW + number)

    assert adoption.verdict(HOST).reason is Reason.OPERATOR


# --- asking ----------------------------------------------------------------------------------------------------------


def test_adopted_prefixes_that_cover_an_address_are_found():
    """Longest first; what is held or refused covers nothing."""
    book, adoption = made(a=0.9)
    adoption.policy.whitelist.replace("command", whitelist("203.0.113.8/32").entries())
    for text in ("203.0.113.7", "203.0.112.0/20", "203.0.113.0/24", "203.0.113.0/28"):
        book.say(key(text), by_fleet())
    book.say(key("203.0.113.0/25"), said("b"))
    book.say(key("203.0.113.6/31"), by_fleet())
    judged(adoption, book)

    found = [prefix for prefix, _ in adoption.covering(HOST)]

    assert found == [HOST, key("203.0.113.6/31")]
    assert {word.reason for _, word in adoption.covering(HOST)} == {Reason.FLEET}
    assert [key_length(prefix) for prefix, _ in adoption.around(HOST)] == [32, 31, 28, 25, 24, 20]
    assert {word.decision for _, word in adoption.around(HOST)} == {Decision.ADOPT, Decision.REFUSE}


def test_lists_may_be_read_while_judging_goes_on():
    """A slow reader sees what is adopted when it gets there."""
    book, adoption = made(a=0.9)
    for number in range(3):
        book.say(HOST + (number << 8), said("a"))
    judged(adoption, book)
    adopted, verdicts = adoption.adopted(), adoption.verdicts()
    first = next(adopted)
    next(verdicts)
    book.told.clear()
    judged(adoption, book)

    assert first == (HOST, NOW + DAY)
    assert list(adopted) == []
    assert list(verdicts) == []


def test_an_unknown_prefix_has_no_verdict_and_no_end():
    """None, not 0: 0 means for ever."""
    book, adoption = made()
    book.say(HOST, local(Source.OPERATOR, until=0))
    judged(adoption, book)

    assert adoption.until(HOST) == 0
    assert adoption.until(key("192.0.2.1")) is None
    assert adoption.verdict(key("192.0.2.1")) is None


def test_a_verdict_takes_at_most_130_bytes():
    """Dictionary and wheel, beside the key object that the ledger has anyway."""
    keys = [v4_key(0x20000000 + number, 32) for number in range(22_000)]
    told = [[by_fleet(ttl=3600 + number)] for number in range(1000)]
    adoption = Adoption(policy(), lambda prefix, now: told[(prefix >> 8) % 1000])
    adoption.mark_all(lambda: keys)
    tracemalloc.start()
    while adoption.pending:
        adoption.judge_some(NOW, 1000)

    used = tracemalloc.get_traced_memory()[0] / len(keys)
    tracemalloc.stop()
    assert adoption.count(Decision.ADOPT) == len(keys)
    assert used <= 130


def test_the_score_says_who_finds_room_first():
    """What the operator said comes before all that is a matter of score, and more trust before less."""
    book, adoption = made(a=0.9, b=0.9)
    strong, stronger, own = key("203.0.113.7"), key("203.0.113.8"), key("203.0.113.9")
    book.say(strong, said("a", ttl=DAY))
    book.say(stronger, said("a", ttl=DAY), said("b", ttl=DAY))
    book.say(own, by_operator())
    judged(adoption, book)
    scores = [adoption.score(one, NOW) for one in (strong, stronger, own)]

    assert scores[0] < scores[1] < scores[2]
    assert scores[2] == float("inf")


def test_verdicts_given_are_counted_as_they_change():
    """Once each time that a prefix gets another; that nothing is said any more is counted by itself."""
    book, adoption = made(a=0.95)
    book.say(HOST, said("a"))
    judged(adoption, book, HOST)
    judged(adoption, book, HOST)
    assert (list(adoption.tally.given.values()), adoption.tally.released) == ([1], 0)

    book.say(HOST)
    judged(adoption, book, HOST)
    judged(adoption, book, HOST)

    assert (list(adoption.tally.given.values()), adoption.tally.released) == ([1], 1)


def test_every_change_of_what_is_adopted_is_in_the_journal_in_its_step():
    """Adopted, prolonged, ended: each has a number at once, with whether it had been adopted before."""
    book, adoption = made()
    seen = []
    for statements in ([by_operator(ttl=100)], [by_operator(ttl=200)], []):
        book.say(HOST, *statements)
        judged(adoption, book, HOST)
        seen.append((adoption.generation, [was for _, was in adoption.journal.after(0, 10)]))

    assert seen == [(1, [False]), (2, [False, True]), (3, [False, True, True])]
    assert {key for key, _ in adoption.journal.after(0, 10)} == {HOST}


def test_what_is_only_held_is_not_in_the_journal():
    """Nobody follows what is not blocked."""
    book, adoption = made()
    book.say(HOST, said("a"))
    judged(adoption, book, HOST)

    assert adoption.verdict(HOST).decision is Decision.HOLD
    assert adoption.journal.last == 0
