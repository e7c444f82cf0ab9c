"""What is held is found by id, origin and prefix, and paid for; putting and removing keep that in step."""

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import build_other
from p2pfw.core.directory import Directory
from p2pfw.core.equivocation import signed
from p2pfw.core.holdings import Counts, Holdings
from p2pfw.core.shares import ANNOUNCEMENT_OCTETS, GRAVE_OCTETS, Used
from tests.core.making import DAY, NOW, block, certificate, key, node_id, owner_id
from tests.core.saying import HOST, NET6, NEXT, certified, checkpoint, pardon, place, say

OWNER = owner_id(100)


def holdings() -> Holdings:
    """Nothing held yet."""
    return Holdings(Directory(), 262_144, lambda owner: owner)


def test_everything_is_given_back():
    """After removal nothing is held, found or charged, whatever the kind."""
    held = holdings()
    said = [
        say(1, block(HOST), block(NET6)),
        pardon(2, NEXT),
        checkpoint(3),
        certified(certificate(), seq=4),
        build_other(key(1), place(5), 99, b"?", NOW + DAY),
    ]
    put = [held.put(one, OWNER, None)[0] for one in said]
    assert held.counts() == Counts(announcements=5, entries=3, prefixes=2)
    assert held.used(OWNER).prefixes == held.used_by(node_id(1)).prefixes == 3
    assert list(held.origins()) == [node_id(1)]

    keys = [held.remove(one) for one in put]

    assert [len(each) for each in keys] == [2, 1, 0, 0, 0]
    assert held.counts() == (0, 0, 0)
    assert held.used(OWNER) == held.used_by(node_id(1)) == Used()
    assert held.of(node_id(1)) == list(held.origins()) == []
    assert not any(held.known(one.id) for one in said)


def test_two_of_one_number_are_both_held():
    """Where neither dies of it; each is removed by itself, and the number is the first one's."""
    held = holdings()
    one = held.put(checkpoint(3), OWNER, None)[0]
    two = held.put(certified(certificate(), seq=3), OWNER, None)[0]
    assert held.rival(say(3, block(HOST))) == signed(one.raw)
    assert held.highest(node_id(1)) is one
    assert held.of(node_id(1)) == [one, two]

    held.remove(two)
    assert held.of(node_id(1)) == [one]
    held.remove(one)
    assert held.rival(say(3, block(HOST))) is None
    assert held.highest(node_id(1)) is None


def test_a_grave_keeps_the_origin_its_owners():
    """And costs a little until its time; its id stays known."""
    held = holdings()
    one = held.put(say(1, block(HOST)), OWNER, None)[0]
    assert held.used(OWNER).octets == one.octets + ANNOUNCEMENT_OCTETS

    assert len(held.replace_by_grave(one, NOW + 60)) == 1
    assert held.used(OWNER) == Used(0, GRAVE_OCTETS)
    assert held.known(one.id)
    assert held.find(one.id) is None
    held.clear_graves(NOW + 60)
    assert held.used(OWNER) == Used()
    assert not held.known(one.id)


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(1, 9), st.sets(st.sampled_from([HOST, NEXT, NET6]), min_size=1))),
    st.randoms(use_true_random=False),
)
@settings(max_examples=100)
def test_counts_and_charges_are_what_a_recount_finds(drawn, random):
    """Whatever is put and removed."""
    held, present = holdings(), []
    for by, seq, texts in drawn:
        said = say(seq, *(block(text) for text in sorted(texts)), by=by)
        if not held.known(said.id) and held.rival(said) is None:
            present.append(held.put(said, OWNER, None)[0])
        if present and random.random() < 0.4:
            gone = present.pop(random.randrange(len(present)))
            held.restore(gone.origin, set(held.remove(gone)))

        assert held.counts().entries == sum(one.entries for one in present)
        assert held.used(OWNER).octets == sum(one.octets + ANNOUNCEMENT_OCTETS for one in present)
        assert held.used(OWNER).prefixes == len({(one.origin, where) for one in present for where in set(one.keys())})


def test_the_newest_certificate_of_an_origin_is_at_hand():
    """Whatever the order of arrival; when it goes, the one before it is the newest, until none is left."""
    held = holdings()
    old, new = certified(certificate(), seq=4), certified(certificate(serial=2), seq=6)
    later, former = held.put(new, OWNER, None)[0], held.put(old, OWNER, None)[0]
    held.put(checkpoint(7), OWNER, None)
    told = [held.certificate(node_id(1))]
    held.remove(later)
    told.append(held.certificate(node_id(1)))
    held.remove(former)

    assert [one and one.raw for one in told] == [new.raw, old.raw]
    assert held.certificate(node_id(1)) is held.certificate(node_id(2)) is None
