"""The bounds of the policy's table: what an attack must give, through the one way that adopts anything."""

import random

from p2pfw.core.adoption import REFILL, Adoption
from p2pfw.core.prefix import PrefixKey, truncate, v4_key
from p2pfw.core.statement import Source
from p2pfw.core.verdict import Decision, Reason
from p2pfw.core.vouch import Vouch
from tests.core.judging import DAY, HOST, NOW, by_operator, key, local, owner, policy, said, table
from tests.core.test_adoption import Book, judged

NET = key("203.0.113.0")


def made(trust=None, **given):
    """A book, and an adoption that reads it."""
    book = Book()
    return book, Adoption(policy(trust or table(**given)), book.statements)


def spread(count, first=0):
    """Hosts of networks of their own."""
    return [PrefixKey(v4_key(0x2D000000 + n * 256, 32)) for n in range(first, first + count)]


def vouched(trust, by, subject):
    """One owner vouches for another."""
    word = Vouch(voucher=by, subject=subject, level=100, created=NOW, expires=NOW + DAY, signature=bytes(64))
    trust.vouches.learn(word, NOW)
    trust.settle(subject, NOW)


def test_a_thousand_sybils_behind_a_sponsor_are_its_one_voice():
    """One `pair` origin + 1,000 Sybils that it vouches for: 0.40, as alone."""
    trust = table(p=0.4)
    for n in range(1000):
        vouched(trust, owner("p"), owner(f"s{n}"))
    book, adoption = made(trust)
    book.say(HOST, said("p"), *(said(f"s{n}") for n in range(1000)))
    judged(adoption, book)

    explanation = adoption.explain(HOST, book.statements(HOST, NOW), NOW)

    assert (explanation.verdict.decision, explanation.verdict.score) == (Decision.HOLD, 0.4)
    assert {one.uncounted.word for one in explanation.testimonies if one.uncounted} == {"same-sponsor"}


def test_sponsors_that_only_vouch_do_not_reach_a_host():
    """Four sponsors at 0.40, each vouching for Sybils only: below 0.60."""
    trust = table(**{f"p{n}": 0.4 for n in range(4)})
    for n in range(200):
        vouched(trust, owner(f"p{n % 4}"), owner(f"s{n}"))

    verdict = policy(trust).judge(HOST, [said(f"s{n}") for n in range(200)], NOW)

    assert (verdict.decision, verdict.score, verdict.voices) == (Decision.HOLD, 0.5904, 4)


def test_a_network_is_not_blocked_host_by_host():
    """One 0.9 origin announces all 256 hosts of a /24: 16 adopted; the others wait for a second voice."""
    book, adoption = made(a=0.9, b=0.3)
    hosts = [PrefixKey(NET + (n << 8)) for n in range(256)]
    for host in hosts:
        book.say(host, said("a"))
    judged(adoption, book)
    held = next(host for host in hosts if adoption.verdict(host).reason is Reason.DENSITY)

    assert adoption.count(Decision.ADOPT) == 16
    explanation = adoption.explain(held, book.statements(held, NOW), NOW)
    assert (explanation.verdict.threshold, explanation.verdict.voices_needed) == (0.92, 2)
    assert (explanation.flips[-1].voices, explanation.flips[-1].support) == (1, 0.2)
    book.say(held, said("a"), said("b"))
    judged(adoption, book, held)
    assert adoption.verdict(held).reason is Reason.OK


def test_the_place_of_a_host_that_goes_is_given_to_another():
    """Within a minute."""
    book, adoption = made(a=0.9)
    hosts = [PrefixKey(NET + (n << 8)) for n in range(20)]
    for host in hosts:
        book.say(host, said("a"))
    judged(adoption, book)
    gone = [host for host in hosts if adoption.verdict(host).decision is Decision.ADOPT][:2]
    for host in gone:
        book.say(host)
    judged(adoption, book, *gone)
    assert adoption.count(Decision.ADOPT) == 14
    adoption.tick(NOW + REFILL)
    adoption.judge_some(NOW + REFILL, 100)

    assert adoption.count(Decision.ADOPT) == 16


def test_a_flood_of_one_owner_is_held_and_another_owners_block_is_not():
    """100,000 announcements from one 0.3 owner beside a trio: its limits, and nobody else's."""
    book, adoption = made(a=0.9, b=0.4, c=0.4)
    flood = spread(4_000)
    for host in flood:
        book.say(host, said("a"))
    adoption.mark(flood)
    adoption.judge_some(NOW, 10_000)
    other = spread(1, 90_000)[0]
    book.say(other, said("b"), said("c"))
    judged(adoption, book, other)

    assert adoption.count(Decision.ADOPT) == 1_800 + 1
    assert adoption.tally.counts[Decision.HOLD, Reason.LIMIT] == 2_200
    usage = adoption.allowances.usage(owner("a"), NOW)
    assert (usage.surges, usage.asked, usage.held) == (True, 4_000, 2_200)


def test_what_was_held_goes_in_as_the_hours_pass():
    """2,000 T an hour, without anybody saying it again."""
    hosts = spread(1_000)
    book, adoption = made(a=0.2, b=0.55)
    book.told = {host: [said("a", ttl=9 * DAY), said("b", ttl=9 * DAY)] for host in hosts}
    adopted = []
    for minute in range(0, 61, 1):
        now = NOW + minute * 60
        adoption.tick(now) if minute else adoption.mark(hosts)
        adoption.judge_some(now, 5_000)
        adopted.append(adoption.count(Decision.ADOPT))
    assert adopted[0] == adopted[9] == 400
    assert adopted[11] == 800
    assert adopted[60] == 1_000


def test_the_voice_without_room_is_set_aside_and_the_others_decide():
    """A flooder's word beside two others' is worth nothing more, and takes nothing from them."""
    book, adoption = made(a=0.9, b=0.4, c=0.4, d=0.3)
    flood = spread(1_801)
    for host in flood:
        book.say(host, said("a"))
    adoption.mark(flood)
    adoption.judge_some(NOW, 10_000)
    enough, lacking = spread(2, 90_000)
    book.say(enough, said("a"), said("b"), said("c"))
    book.say(lacking, said("a"), said("d"))
    judged(adoption, book, enough, lacking)

    assert adoption.verdict(enough).reason is Reason.OK
    assert adoption.verdict(lacking) == (Decision.HOLD, Reason.LIMIT, None)
    usage = adoption.allowances.usage(owner("b"), NOW)
    assert (usage.prefixes, usage.held) == (1, 0)
    assert adoption.allowances.usage(owner("d"), NOW).held == 1
    assert adoption.charged(enough) == adoption.allowances.number((owner("b"), owner("c")), 2)
    assert adoption.charged(HOST) == 0


def test_others_who_have_no_room_either_leave_it_held():
    """Both floods are over: what they say together waits, too."""
    book, adoption = made(a=0.9, b=0.9, c=0.9)
    for name, first in (("a", 0), ("b", 10_000)):
        hosts = spread(1_801, first)
        for host in hosts:
            book.say(host, said(name))
        adoption.mark(hosts)
        adoption.judge_some(NOW, 10_000)
    both, third = spread(2, 90_000)
    book.say(both, said("a"), said("b"))
    book.say(third, said("a"), said("b"), said("c"))
    judged(adoption, book, both, third)

    assert adoption.verdict(both).reason is Reason.LIMIT
    assert adoption.verdict(third).reason is Reason.OK
    assert adoption.allowances.voices(adoption.charged(third)) == (owner("c"),)


def test_a_dense_network_is_dense_for_the_one_who_is_left():
    """The flooder is set aside, and the other one has its sixteen hosts there already."""
    book, adoption = made(a=0.9, c=0.9)
    for host in (near := [PrefixKey(NET + (n << 8)) for n in range(17)])[:16]:
        book.say(host, said("c"))
    flood = spread(1_801)
    for host in flood:
        book.say(host, said("a"))
    adoption.mark([*near, *flood])
    adoption.judge_some(NOW, 10_000)
    book.say(near[16], said("a"), said("c"))
    judged(adoption, book, near[16])

    assert adoption.verdict(near[16]).reason is Reason.LIMIT


def test_what_was_adopted_stays_adopted_when_trust_and_limits_shrink():
    """Only what is new is asked; and what a stronger word held is new when that ends."""
    trust = table(a=0.9)
    book, adoption = made(trust)
    hosts = spread(1_800)
    for host in hosts:
        book.say(host, said("a"))
    judged(adoption, book)
    trust.give(owner("a"), 0.6)
    judged(adoption, book)
    extra = spread(1, 50_000)[0]
    book.say(extra, said("a"), by_operator())
    judged(adoption, book, extra)
    by_hand = adoption.verdict(extra).reason
    book.say(extra, said("a"))
    judged(adoption, book, extra)

    assert adoption.count(Decision.ADOPT) == 1_800
    assert (by_hand, adoption.verdict(extra).reason) == (Reason.OPERATOR, Reason.LIMIT)


def test_a_restart_does_not_count_what_was_adopted_as_new():
    """By the kernel's memory, or by the number that is kept."""
    book, _ = made(a=0.9)
    hosts = spread(4_000)
    for host in hosts:
        book.say(host, said("a"))
    kept = Adoption(policy(table(a=0.9)), book.statements)
    kept.assume(hosts[:3_000])
    judged(kept, book)
    counted = Adoption(policy(table(a=0.9)), book.statements)
    counted.allowances.credit({owner("a"): 3_000})
    judged(counted, book)

    assert kept.count(Decision.ADOPT) == 4_000
    assert counted.count(Decision.ADOPT) == 4_000
    assert not counted.allowances.usage(owner("a"), NOW).surges


def test_what_this_machine_saw_itself_takes_from_nobodys_limits():
    """Reason `local`; feeds have caps of their own."""
    book, adoption = made(a=0.9, b=0.3)
    book.say(HOST, said("a"), local(Source.SIGHTING))
    other = spread(1)[0]
    book.say(other, local(Source.FEED_VOICE, name="x", trust=0.9))
    judged(adoption, book)

    assert (adoption.verdict(HOST).reason, adoption.verdict(other).reason) == (Reason.LOCAL, Reason.OK)
    assert adoption.allowances.adopted() == {}
    book.say(HOST, said("a"))
    judged(adoption, book, HOST)
    assert adoption.allowances.adopted() == {owner("a"): 1}


def test_doubt_ends_hysteresis():
    """A false positive: what was adopted must reach the threshold as if it were new."""
    book, adoption = made(a=0.5, b=0.4)
    book.say(HOST, said("a"), said("b"))
    judged(adoption, book)
    book.say(HOST, said("a"))
    judged(adoption, book, HOST)
    kept = adoption.verdict(HOST).decision
    adoption.doubt([HOST])
    adoption.judge_some(NOW, 10)

    assert (kept, adoption.verdict(HOST).decision) == (Decision.ADOPT, Decision.HOLD)


def test_the_accounts_are_what_a_count_of_everything_gives():
    """Random statements come, change and go: the sums never drift."""
    rng = random.Random(4)
    names = "abcd"
    book, adoption = made(a=0.9, b=0.4, c=0.4, d=0.25)
    pool = [PrefixKey(truncate(NET + (rng.randrange(64) << 8), rng.choice([32, 32, 32, 28, 27]))) for _ in range(60)]
    for step in range(3_000):
        host = rng.choice(pool)
        now = NOW + step
        book.say(host, *(said(name, created=now) for name in rng.sample(names, rng.randint(0, 4))))
        adoption.mark([host])
        adoption.judge_some(now, 10)
    used = dict.fromkeys(names, 0)
    for host in set(pool):
        word = adoption.verdict(host)
        if word is not None and word.reason is Reason.OK:
            for voice in adoption.allowances.voices(adoption.charged(host)):
                used[next(name for name in names if owner(name) == voice)] += 1

    counted = {name: adoption.allowances.usage(owner(name), NOW).prefixes for name in names}
    assert counted == used
    held = sum(adoption.tally.counts.get((Decision.HOLD, reason), 0) for reason in (Reason.LIMIT, Reason.DENSITY))
    assert adoption.allowances.held <= held


def test_doubt_is_used_up_by_one_judgement():
    """Also where that changes nothing: hysteresis is back from then on."""
    book, adoption = made(a=0.9, b=0.4)
    book.say(HOST, said("a"))
    judged(adoption, book)
    adoption.doubt([HOST])
    adoption.judge_some(NOW, 10)
    adoption.policy.trust.give(owner("a"), 0.5)
    judged(adoption, book)

    assert adoption.verdict(HOST).decision is Decision.ADOPT
