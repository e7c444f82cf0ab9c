"""Precedence, trust and voices: the policy does what docs/policy.md says, for whatever is said in whatever order."""

import random
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p2pfw.core.announcement import Action, Category
from p2pfw.core.evidence import Account
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import overlaps, truncate, v4_key, v6_key
from p2pfw.core.protected import Protected, ProtectedRange, Strength
from p2pfw.core.statement import Source, Standing
from p2pfw.core.trust import PRESETS, TrustTable
from p2pfw.core.verdict import Decision, Reason
from p2pfw.core.vouch import Vouch
from p2pfw.core.whitelist import Whitelist, WhitelistEntry
from tests.core import policy_twin
from tests.core.judging import (
    DAY,
    HOST,
    ME,
    MINE,
    NOW,
    by_fleet,
    by_operator,
    key,
    local,
    node,
    owner,
    policy,
    protected,
    said,
    table,
    whitelist,
)
from tests.scale import trials

# --- against the slow twin -------------------------------------------------------------------------------------------

NAMES = "abcde"
SIG = bytes(64)
TWINS = trials(5_000, 25_000)
"""Random cases in each of four parts."""


@st.composite
def keys(draw):
    """Prefixes of all widths, crowded enough to meet the ranges that the tests forbid."""
    base = draw(
        st.sampled_from(
            [
                *("203.0.113.7/32", "203.0.113.0/32", "10.1.2.3/32", "127.0.0.1/32", "100.64.0.9/32", "8.8.8.8/32"),
                *("2001:db8::7/128", "::ffff:203.0.113.7/128", "64:ff9b::cb00:7107/128", "2002:cb00:7107::1/128"),
                *("2001:0:cb00:7107:0:0:34ff:8ef8/128", "64:ff9b:1::cb00:7107/128", "fd00::1/128", "::1/128"),
            ]
        )
    )
    found = key(base)
    return truncate(found, draw(st.integers(0, found & 0xFF)))


statements = st.one_of(
    st.builds(
        said,
        st.sampled_from(NAMES),
        of=st.sampled_from([None, "a", "b"]),
        ttl=st.sampled_from([-5, 0, 60, DAY, 7 * DAY, 30 * DAY]),
        age=st.sampled_from([0, 3600, DAY, 3 * DAY, 8 * DAY]),
        created=st.sampled_from([NOW - 3 * DAY, NOW - 60, NOW, NOW + 120, NOW + 121]),
        category=st.sampled_from(Category),
        confidence=st.integers(1, 8).map(lambda eighths: eighths / 8),
        basis=st.sampled_from([0, 0, 0, 7, 8]),
        standing=st.sampled_from([Standing.LIVE] * 6 + list(Standing)),
        action=st.sampled_from([Action.BLOCK] * 6 + list(Action)),
    ),
    st.builds(by_fleet, st.sampled_from("fg"), fleet=st.booleans(), forced=st.sampled_from([False, False, True])),
    st.builds(by_operator, ttl=st.sampled_from([60, DAY]), forced=st.booleans()),
    st.builds(
        local, st.sampled_from(list(Source)[1:]), until=st.sampled_from([0, NOW, NOW + 60]), name=st.just("drop")
    ),
    st.builds(local, st.just(Source.FEED_VOICE), name=st.sampled_from(["x", "y"]), trust=st.sampled_from([0.05, 0.4])),
)
trusts = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.4, 0.9, 1.0]))
categories = st.dictionaries(st.sampled_from(Category), st.sampled_from([0.0, 0.1, 0.9]), max_size=2)
evidence = st.tuples(st.sampled_from(NAMES), st.sampled_from([0, 1, 12]), st.sampled_from([0, 0.25, 1, 3]))
ranges = st.lists(
    st.sampled_from(["203.0.113.7/32", "203.0.113.0/29", "2001:db8::/48", "8.0.0.0/7", "::ffff:8.8.8.8/128", "::/0"]),
    max_size=2,
)


def vouched(table_, by, subject, level=100):
    """One owner vouches for another. Signatures are intake's."""
    sealed = Vouch(voucher=owner(by), subject=owner(subject), level=level, created=NOW, expires=NOW + 1, signature=SIG)
    table_.vouches.learn(sealed, NOW)
    table_.settle(owner(subject), NOW)


@st.composite
def situations(draw):
    """A policy, statements on one prefix, and whether it was adopted before."""
    trust = TrustTable(MINE)
    trust.refresh(NOW)
    for name, value in draw(trusts).items():
        trust.give(owner(name), value, draw(categories))
    trust.set_charter({owner(name): value for name, value in draw(trusts).items()} if draw(st.booleans()) else {})
    for by, subject in draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=3)):
        if by != subject:
            vouched(trust, by, subject, draw(st.sampled_from([1, 50, 100])))
    for name, pos, neg in draw(st.lists(evidence, max_size=2, unique_by=lambda seen: seen[0])):
        trust.evidence.load(owner(name), Account(pos=pos, neg=neg, at=NOW))
        trust.settle(owner(name), NOW)
    allowed = Whitelist()
    for text in draw(ranges):
        allowed.put(WhitelistEntry(key=key(text), until=draw(st.sampled_from([0, NOW, NOW + 1]))))
    guarded = [
        ProtectedRange(key=key(text), strength=draw(st.sampled_from(Strength)), reason="a test")
        for text in draw(ranges)
    ]
    judge = policy(trust, whitelist=allowed, protected=Protected(guarded), allow_private=draw(st.booleans()))
    return judge, draw(keys()), draw(st.lists(statements, max_size=7)), draw(st.booleans())


@given(situations())
def test_every_verdict_is_that_of_the_slow_twin(situation):
    """Same rules, other code: precedence, classes, voices, score, threshold, hysteresis, lease."""
    judge, prefix, told, before = situation

    verdict = judge.judge(prefix, told, NOW, adopted_before=before)

    expected = policy_twin.judge(judge, prefix, told, NOW, adopted_before=before)
    got = (
        verdict.decision,
        verdict.reason,
        verdict.score,
        verdict.threshold,
        verdict.voices,
        verdict.voices_needed,
        verdict.until,
    )
    assert got == expected


def random_situation(rng):
    """The same as `situations`, made by the thousand."""
    trust = TrustTable(MINE)
    trust.refresh(NOW)
    numbers = [0.0, 0.1, 0.25, 0.3, 0.4, 0.9, 1.0]
    for name in NAMES:
        kind = rng.random()
        if kind < 0.5:
            special = {rng.choice(list(Category)): rng.choice(numbers)} if rng.random() < 0.3 else {}
            trust.give(owner(name), rng.choice(numbers), special)
        elif kind < 0.7:
            trust.set_charter({**trust.charter(), owner(name): rng.choice(numbers)})
        if rng.random() < 0.2:
            pos, neg = rng.choice([0, 1, 12]), rng.choice([0.25, 1, 3])
            trust.evidence.load(owner(name), Account(pos=pos, neg=neg, at=NOW))
            trust.settle(owner(name), NOW)
    for by, subject in (rng.sample(NAMES, 2) for _ in range(rng.randint(0, 3))):
        vouched(trust, by, subject, rng.choice([1, 50, 100]))
    return (
        policy(trust),
        truncate(HOST, rng.choice([32, 32, 32, 30, 28, 24, 23])),
        random_words(rng),
        rng.random() < 0.5,
    )


def random_words(rng):
    """What five owners' nodes, the own fleet, this machine and a feed say."""
    told = [
        said(
            rng.choice("abcde") + str(number),
            of=rng.choice(NAMES),
            ttl=rng.choice([60, DAY, 30 * DAY, 30 * DAY, -5]),
            age=rng.choice([0, 0, 3600, DAY, 8 * DAY]),
            category=rng.choice(list(Category)),
            confidence=rng.randint(1, 8) / 8,
            basis=rng.choice([0, 0, 0, 7, 8]),
        )
        for number in range(rng.randint(0, 6))
    ]
    if rng.random() < 0.1:
        told.append(local(rng.choice(list(Source)[1:]), name="drop", trust=0.4))
    return [*told, by_fleet()] if rng.random() < 0.03 else told


@pytest.mark.parametrize("part", range(4))
def test_random_verdicts_by_the_thousand_are_those_of_the_slow_twin(part):
    """With configured, charter and vouched owners, evidence, feeds, leases: no difference; 100,000 in the long form."""
    rng = random.Random(part)
    reasons = Counter()
    for _ in range(TWINS):
        judge, prefix, told, before = random_situation(rng)

        verdict = judge.judge(prefix, told, NOW, adopted_before=before)

        expected = policy_twin.judge(judge, prefix, told, NOW, adopted_before=before)
        assert (*verdict[:2], *verdict[4:8], verdict.until) == expected
        reasons[verdict.reason] += 1
    assert reasons[Reason.OK] > TWINS / 25
    assert reasons[Reason.BELOW_THRESHOLD] > TWINS / 25
    assert reasons[Reason.NEEDS_VOICES] > TWINS / 250


@given(situations(), st.randoms())
def test_the_order_of_statements_changes_nothing(situation, shuffle):
    """Two nodes with equal ledgers decide equally, however the statements came to them."""
    judge, prefix, told, before = situation
    verdict = judge.judge(prefix, told, NOW, adopted_before=before)
    shuffle.shuffle(told)

    assert judge.judge(prefix, told, NOW, adopted_before=before) == verdict


@given(situations())
def test_an_explanation_has_the_verdict_and_every_statement_once(situation):
    """`why` can never disagree with the verdict, and leaves nothing out."""
    judge, prefix, told, before = situation
    verdict = judge.judge(prefix, told, NOW, adopted_before=before)

    explanation = judge.explain(prefix, told, NOW, adopted_before=before)

    assert explanation.verdict == verdict
    assert sorted(map(id, told)) == sorted(id(one.statement) for one in explanation.testimonies)
    assert all(not (one.counted and one.uncounted) for one in explanation.testimonies)


@given(situations(), st.integers(0, 40 * DAY))
def test_a_verdict_holds_until_its_review(situation, later):
    """Nothing but a statement, a setting or the review time changes an adopted verdict: the wheel may sleep."""
    judge, prefix, told, before = situation
    verdict = judge.judge(prefix, told, NOW, adopted_before=before)
    judge.whitelist.replace("command", [])
    told = [one for one in told if one.created <= NOW + 120]
    verdict = judge.judge(prefix, told, NOW, adopted_before=before)
    if verdict.decision is not Decision.ADOPT or (verdict.review and NOW + later >= verdict.review):
        return

    again = judge.judge(prefix, told, NOW + later, adopted_before=before)

    assert again == verdict


@given(situations())
def test_an_adopted_block_ends_after_now_and_never_outlives_what_was_signed(situation):
    """Everything expires, from signed times."""
    judge, prefix, told, before = situation
    verdict = judge.judge(prefix, told, NOW, adopted_before=before)
    if verdict.decision is not Decision.ADOPT:
        return

    live = [one for one in told if policy_twin.is_live(one, NOW)]
    ends = [one.expires for one in live]
    assert verdict.until == 0 or verdict.until > NOW
    assert 0 in ends or verdict.until <= max(ends)
    assert verdict.until or any(one.expires == 0 for one in live)
    assert verdict.review <= (verdict.until or verdict.review)


# --- precedence ------------------------------------------------------------------------------------------------------

STRONG = [said("a"), said("b")]


def reason_of(judge: Policy, text: str, *told, **options):
    """The reason for a prefix in text."""
    return judge.judge(key(text), told, NOW, **options).reason


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "0.1.2.3",
        "169.254.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "ff02::1",
    ],
)
def test_hard_protected_space_is_refused_to_everybody_even_with_force(text):
    """Hard-protected: REFUSE, always."""
    assert reason_of(policy(), text, by_operator(forced=True)) is Reason.PROTECTED


@pytest.mark.parametrize(
    "text",
    ["::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::127.0.0.1", "2002:7f00:1::5", "2001:0:808:808::80ff:fffe"],
)
def test_an_ipv4_address_inside_an_ipv6_one_is_tested_too(text):
    """IPv4-mapped, NAT64, 6to4 and Teredo addresses are unwrapped."""
    assert reason_of(policy(), text, by_operator()) is Reason.PROTECTED


def test_own_addresses_are_refused_to_everybody():
    """Hard: own addresses."""
    judge = policy(protected=protected(Strength.HARD, "203.0.113.7"))

    assert reason_of(judge, "203.0.113.0/24", by_operator(forced=True)) is Reason.PROTECTED


def test_soft_protection_gives_way_to_the_operators_own_force_only():
    """Soft-protected: REFUSE, unless the operator's own block says --force."""
    judge = policy(table(a=0.9), protected=protected(Strength.SOFT, "203.0.113.7"))

    assert reason_of(judge, "203.0.113.7", by_operator()) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", by_fleet(forced=True)) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", said("a", forced=True)) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", by_operator(forced=True)) is Reason.OPERATOR


def test_peers_are_protected_against_what_others_state_only():
    """Mutual blocks cannot split the network; the operator and this machine's detectors may block a peer."""
    judge = policy(table(a=0.9, b=0.9), protected=protected(Strength.PEER, "203.0.113.7"))

    assert reason_of(judge, "203.0.113.7", *STRONG) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", by_fleet()) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", local(Source.FEED)) is Reason.PROTECTED
    assert reason_of(judge, "203.0.113.7", by_operator()) is Reason.OPERATOR
    assert reason_of(judge, "203.0.113.7", local(Source.SIGHTING)) is Reason.LOCAL


@pytest.mark.parametrize("text", ["10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1", "fd00::1"])
def test_private_space_is_refused_unless_allowed(text):
    """Private: refused unless policy.allow_private = true, the operator's own word included."""
    assert reason_of(policy(), text, by_operator(forced=True)) is Reason.PRIVATE
    assert reason_of(policy(allow_private=True), text, by_operator()) is Reason.OPERATOR


@pytest.mark.parametrize("text", ["203.0.113.1", "198.51.100.1", "192.0.2.1", "2001:db8::1", "192.88.99.1", "8.8.8.8"])
def test_documentation_and_other_special_space_is_ordinary(text):
    """Documentation space counts as ordinary: examples use it."""
    assert reason_of(policy(), text, by_operator()) is Reason.OPERATOR


@pytest.mark.parametrize(
    ("allowed", "asked"),
    [
        ("203.0.113.7/32", "203.0.113.0/24"),
        ("203.0.113.0/24", "203.0.113.7/32"),
        ("203.0.113.7/32", "203.0.113.7/32"),
        ("2001:db8::/32", "2001:db8:1::/48"),
        ("2001:db8::7/128", "2001:db8::/64"),
        ("203.0.113.7/32", "::ffff:203.0.113.7/128"),
        ("::ffff:203.0.113.7/128", "203.0.113.7/32"),
    ],
)
def test_the_whitelist_wins_over_every_word_either_way(allowed, asked):
    """Whitelist overlap, either way: REFUSE whole; the operator's --force changes nothing."""
    judge = policy(table(a=0.9, b=0.9), whitelist=whitelist(allowed))

    for told in ([by_operator(forced=True)], [by_fleet(forced=True)], [local(Source.FEED)], STRONG):
        assert reason_of(judge, asked, *told) is Reason.WHITELIST


def test_a_neighbour_of_a_whitelisted_range_is_judged_as_usual():
    """Only what shares an address is refused."""
    judge = policy(whitelist=whitelist("203.0.113.8/29"))

    assert reason_of(judge, "203.0.113.7", by_operator()) is Reason.OPERATOR
    assert reason_of(judge, "203.0.113.16", by_operator()) is Reason.OPERATOR


def test_protection_is_named_before_the_whitelist():
    """First match wins."""
    judge = policy(whitelist=whitelist("203.0.113.7"), protected=protected(Strength.SOFT, "203.0.113.7"))

    assert reason_of(judge, "203.0.113.7", *STRONG) is Reason.PROTECTED


def test_operator_comes_before_fleet_before_feed_before_score():
    """Precedence 5 to 8."""
    judge = policy(table(a=0.9, b=0.9))
    told = [*STRONG, local(Source.FEED), by_fleet(), by_operator()]

    reasons = [reason_of(judge, "203.0.113.7", *told[:count]) for count in (5, 4, 3, 2)]

    assert reasons == [Reason.OPERATOR, Reason.FLEET, Reason.FEED, Reason.OK]


def test_a_block_ends_with_the_last_word_that_holds_it():
    """So that it does not lapse between the operator's end and the fleet's; it is looked at again at the first end."""
    judge = policy(table(a=0.9))
    told = [by_operator(ttl=60), by_fleet(ttl=7200), said("a", ttl=2 * DAY)]

    verdict = judge.judge(HOST, told, NOW)

    assert (verdict.reason, verdict.until, verdict.review) == (Reason.OPERATOR, NOW + DAY, NOW + 60)


def test_an_operators_block_without_end_has_none():
    """`--ttl forever` kept locally: until 0, and no review."""
    verdict = policy().judge(HOST, [local(Source.OPERATOR, until=0)], NOW)

    assert (verdict.decision, verdict.until, verdict.review) == (Decision.ADOPT, 0, 0)


@pytest.mark.parametrize(
    ("text", "told", "reason"),
    [
        ("198.0.0.0/9", by_operator, Reason.PRIVATE),
        ("8.0.0.0/6", by_operator, Reason.PRIVATE),
        ("4.0.0.0/6", by_operator, Reason.OPERATOR),
        ("203.0.0.0/16", by_fleet, Reason.FLEET),
        ("202.0.0.0/15", by_fleet, Reason.TOO_WIDE),
        ("2001:db8::/32", by_fleet, Reason.FLEET),
        ("2001:db8::/31", by_fleet, Reason.TOO_WIDE),
        ("203.0.0.0/10", lambda: local(Source.FEED), Reason.FEED),
        ("203.0.0.0/9", lambda: local(Source.FEED), Reason.TOO_WIDE),
        ("2a00::/24", lambda: local(Source.FEED), Reason.FEED),
        ("2a00::/23", lambda: local(Source.FEED), Reason.TOO_WIDE),
        ("203.0.112.0/23", lambda: local(Source.SIGHTING), Reason.TOO_WIDE),
        ("203.0.112.0/23", said, Reason.TOO_WIDE),
        ("2001:db8::/47", said, Reason.TOO_WIDE),
    ],
)
def test_each_class_may_go_so_wide_and_no_wider(text, told, reason):
    """Operator: any width; fleet /16 and /32; direct feeds /10 and /24; everybody else /24 and /48."""
    assert reason_of(policy(table(a=0.9)), text, told()) is reason


def test_the_fleet_goes_wider_with_force():
    """Wider needs --force on each node."""
    assert reason_of(policy(), "200.0.0.0/8", by_fleet(forced=True)) is Reason.FLEET


def test_a_node_of_the_own_owner_without_the_use_fleet_is_weighed_like_others():
    """The certificate's use `fleet` is what makes a statement the fleet's."""
    assert reason_of(policy(), "203.0.113.7", by_fleet(fleet=False)) is Reason.BELOW_THRESHOLD
    assert reason_of(policy(table(mine=0.9)), "203.0.113.7", by_fleet(fleet=False)) is Reason.OK


def test_a_key_with_host_bits_is_refused():
    """Exact prefix only; host bits must be zero."""
    assert policy().judge(v4_key(0xCB007107, 24), [by_operator()], NOW).reason is Reason.NOT_CANONICAL
    assert policy().explain(v4_key(0xCB007107, 24), [by_operator()], NOW).verdict.reason is Reason.NOT_CANONICAL


# --- trust, voices, leases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "length", "needed"),
    [
        *(("solo", 32, 1), ("solo", 28, 2), ("solo", 24, 2)),
        *(("pair", 32, 2), ("pair", 28, 3), ("pair", 24, 5)),
        *(("trio", 32, 3), ("trio", 28, 5), ("trio", 24, 8)),
        *(("quad", 32, 4), ("quad", 28, 5), ("quad", 24, 9)),
    ],
)
def test_so_many_equal_voices_are_needed(preset, length, needed):
    """The table of presets, as docs/policy.md prints it."""
    names = [f"o{number}" for number in range(needed)]
    judge = policy(table(**dict.fromkeys(names, PRESETS[preset])))
    prefix = truncate(HOST, length)

    enough = judge.judge(prefix, [said(name) for name in names], NOW)
    too_few = judge.judge(prefix, [said(name) for name in names[:-1]], NOW)

    assert (enough.decision, too_few.decision) == (Decision.ADOPT, Decision.HOLD)


def test_watch_is_shown_and_never_counted():
    """Trust 0: carried and shown."""
    judge = policy(table(**{f"o{number}": 0.0 for number in range(1000)}))

    verdict = judge.judge(HOST, [said(f"o{number}") for number in range(1000)], NOW)

    assert (verdict.decision, verdict.score, verdict.voices) == (Decision.HOLD, 0.0, 0)


def test_a_thousand_unknown_keys_score_nothing():
    """Nobody earns trust by speaking."""
    verdict = policy(table(a=0.4)).judge(HOST, [said(f"sybil {number}") for number in range(1000)], NOW)

    assert (verdict.decision, verdict.score, verdict.voices) == (Decision.HOLD, 0.0, 0)


def test_ten_trusted_origins_never_get_a_wide_network_adopted():
    """0.0.0.0/0, ::/0 and /8s: 0 adopted."""
    names = [f"o{number}" for number in range(10)]
    judge = policy(table(**dict.fromkeys(names, 0.9)))
    wide = ["0.0.0.0/0", "::/0", *(f"{number}.0.0.0/8" for number in range(256))]

    decisions = {judge.judge(key(text), [said(name) for name in names], NOW).decision for text in wide}

    assert decisions == {Decision.REFUSE}


def test_support_below_a_tenth_is_ignored():
    """s = T times confidence; below 0.10 it is ignored, 0.10 itself counts."""
    judge = policy(table(a=0.9, b=0.4, c=0.3))

    just_enough = judge.judge(HOST, [said("a"), said("b", confidence=0.25)], NOW)
    too_little = judge.judge(HOST, [said("a"), said("c", confidence=0.25)], NOW)

    assert (just_enough.voices, too_little.voices) == (2, 1)


def test_hysteresis_keeps_what_is_adopted_and_adopts_nothing_new():
    """Kept while score >= threshold - 0.15 and voices >= needed - 1."""
    judge = policy(table(a=0.45, b=0.44))

    kept = judge.judge(HOST, [said("a")], NOW, adopted_before=True)
    new = judge.judge(HOST, [said("a")], NOW)
    lost = judge.judge(HOST, [said("b")], NOW, adopted_before=True)

    assert (kept.decision, new.decision, lost.decision) == (Decision.ADOPT, Decision.HOLD, Decision.HOLD)


def test_hysteresis_lets_one_of_two_voices_go_and_no_more():
    """A /25 needs two voices; it is kept with one, and never with none."""
    judge = policy(table(a=1.0, b=1.0))
    prefix = truncate(HOST, 25)

    assert judge.judge(prefix, [said("a")], NOW).reason is Reason.NEEDS_VOICES
    assert judge.judge(prefix, [said("a")], NOW, adopted_before=True).decision is Decision.ADOPT
    assert judge.judge(prefix, [], NOW, adopted_before=True).decision is Decision.HOLD


def test_the_whitelist_removes_at_once_what_was_adopted():
    """No hysteresis there."""
    judge = policy(table(a=0.9), whitelist=whitelist("203.0.113.0/28"))

    assert judge.judge(HOST, [said("a")], NOW, adopted_before=True).decision is Decision.REFUSE


@pytest.mark.parametrize(("voices", "days"), [(1, 1), (2, 7), (3, 30), (4, 30)])
def test_the_lease_grows_with_the_voices(voices, days):
    """Newest statement time + 1 d / 7 d / 30 d, and never beyond the latest expiry."""
    names = "abcd"[:voices]
    judge = policy(table(**dict.fromkeys(names, 0.9)))
    long = [said(name, ttl=30 * DAY, created=NOW - 100 - number) for number, name in enumerate(names)]
    short = [said(name, ttl=600, created=NOW - number) for number, name in enumerate(names)]

    assert judge.judge(HOST, long, NOW).until == NOW - 100 + days * DAY
    assert judge.judge(HOST, short, NOW).until == NOW + 600


def test_a_lone_voice_blocks_for_a_day_unless_it_says_so_again():
    """After its day it needs another voice, or has to say it again: then voices are missing, not score."""
    judge = policy(table(a=0.9, b=0.1))
    old = said("a", ttl=7 * DAY, created=NOW - DAY)

    over = judge.judge(HOST, [old], NOW)
    joined = judge.judge(HOST, [old, said("b", ttl=7 * DAY, created=NOW - DAY)], NOW)
    renewed = judge.judge(HOST, [said("a", ttl=7 * DAY, created=NOW - 1)], NOW)

    assert (over.decision, over.reason, over.voices, over.voices_needed) == (Decision.HOLD, Reason.NEEDS_VOICES, 1, 2)
    assert (joined.decision, joined.until) == (Decision.ADOPT, NOW + 6 * DAY)
    assert renewed.decision is Decision.ADOPT


def test_two_voices_block_for_a_week_and_three_for_a_month():
    """The leases of two and three voices end too."""
    judge = policy(table(a=0.9, b=0.9, c=0.9))
    old = {name: said(name, ttl=20 * DAY, created=NOW - 8 * DAY) for name in "abc"}

    two = judge.judge(HOST, [old["a"], old["b"]], NOW)
    three = judge.judge(HOST, list(old.values()), NOW)

    assert (two.reason, two.voices, two.voices_needed) == (Reason.NEEDS_VOICES, 2, 3)
    assert three.decision is Decision.ADOPT


def test_a_replay_extends_no_lease():
    """The same signed entry again, later: the lease still ends by its times."""
    judge = policy(table(a=0.9))
    told = [said("a", ttl=7 * DAY)]

    ends = {judge.judge(HOST, told, NOW + seconds).until for seconds in (0, 600, 86_000)}

    assert ends == {NOW + DAY}


def test_whom_the_limiter_sets_aside_does_not_count_until_he_may():
    """His BLOCKs wait: HOLD with the reason `limit`, also where his class alone may go so wide."""
    judge = policy(table(a=0.9))

    voice = judge.judge(HOST, [said("a")], NOW, waiting=frozenset({node("a")}))
    fleet = judge.judge(key("203.0.112.0/20"), [by_fleet()], NOW, waiting=frozenset({node("f")}))
    mine = judge.judge(HOST, [by_operator()], NOW, waiting=frozenset({ME}))

    assert (voice.decision, voice.reason) == (Decision.HOLD, Reason.LIMIT)
    assert (fleet.decision, fleet.reason) == (Decision.HOLD, Reason.LIMIT)
    assert mine.reason is Reason.OPERATOR


def test_a_trust_edit_counts_from_the_next_judgement_on():
    """Nothing is remembered across an edit, even at the same time and for the same statement."""
    trust = table(a=0.9)
    judge = policy(trust)
    before = judge.judge(HOST, [said("a")], NOW)
    trust.give(owner("a"), 0.2)

    assert (before.decision, judge.judge(HOST, [said("a")], NOW).decision) == (Decision.ADOPT, Decision.HOLD)


def test_a_lone_statement_is_judged_by_the_prefix_it_is_about():
    """Equal statements on prefixes of other widths and families are other cases."""
    judge = policy(table(a=0.9))
    told = [said("a")]

    reasons = [judge.judge(key(text), told, NOW).reason for text in ("203.0.113.7", "203.0.113.0/28", "2001:db8::/56")]

    assert reasons == [Reason.OK, Reason.NEEDS_VOICES, Reason.BELOW_THRESHOLD]
    assert judge.judge(key("2001:db8::1"), told, NOW).reason is Reason.OK


# --- many at once ----------------------------------------------------------------------------------------------------


def random_prefixes(rng, count, *, shortest4, shortest6):
    """Prefixes of both families, crowded into a small part of the space."""
    for _ in range(count):
        if rng.random() < 0.5:
            yield truncate(v4_key(0xCB << 24 | rng.getrandbits(16) << 8, 32), rng.randint(shortest4, 32))
        else:
            yield truncate(v6_key(0x20010DB8 << 96 | rng.getrandbits(20) << 76, 128), rng.randint(shortest6, 128))


def test_a_hundred_thousand_random_announcements_never_overlap_a_random_whitelist():
    """10^5 announcements, both families, hosts and networks: 0 adopted that touch a whitelisted range."""
    rng = random.Random(20)
    allowed = list(dict.fromkeys(random_prefixes(rng, 400, shortest4=20, shortest6=48)))
    judge = policy(table(a=0.9, b=0.9, c=0.9))
    for prefix in allowed:
        judge.whitelist.put(WhitelistEntry(key=prefix))
    told = [said("a"), said("b"), said("c"), by_fleet()]

    asked = list(random_prefixes(rng, 100_000, shortest4=16, shortest6=32))
    adopted = [prefix for prefix in asked if judge.judge(prefix, told, NOW).decision is Decision.ADOPT]

    whitelisted = set(allowed)
    above = supernets(allowed)
    wrong = [prefix for prefix in adopted if prefix in above or supernets([prefix]) & whitelisted]
    assert len(adopted) > 10_000
    assert wrong == []


def supernets(prefixes):
    """Every prefix from /16 on that covers one of these, themselves included."""
    return {truncate(prefix, length) for prefix in prefixes for length in range(16, (prefix & 0xFF) + 1)}


@example(0)
@given(st.integers(0, 2**32))
def test_what_is_adopted_beside_a_whitelist_shares_no_address_with_it(seed):
    """The same, each pair looked at by itself."""
    rng = random.Random(seed)
    allowed = list(random_prefixes(rng, 8, shortest4=20, shortest6=48))
    judge = policy(table(a=0.9, b=0.9, c=0.9))
    for prefix in allowed:
        judge.whitelist.put(WhitelistEntry(key=prefix))

    for prefix in random_prefixes(rng, 60, shortest4=16, shortest6=32):
        verdict = judge.judge(prefix, [by_fleet()], NOW)
        assert (verdict.reason is Reason.WHITELIST) == any(overlaps(prefix, inner) for inner in allowed)
