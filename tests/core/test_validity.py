"""What changes next, and what changed since: against a list that is simply searched."""

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.identity import CARRIED_AFTER, CLOCK_SLACK
from p2pfw.core.validity import Validity
from tests.core.making import NOW, certificate, node_id

# Certificates of small numbers, signed once.
MADE = [certificate(node=n, begins=NOW + n % 3, days=1 + n % 4) for n in range(1, 9)]


def moments(certificates):
    """Every (time, node) at which one of them begins, ends, or stops being carried: the slow twin."""
    for c in certificates:
        yield c.not_before - CLOCK_SLACK, c.node
        yield c.not_after, c.node
        yield c.not_after + CARRIED_AFTER, c.node


instants = st.sampled_from(sorted({t + d for t, _ in moments(MADE) for d in (-1, -0.5, 0, 0.5, 1)}))


@given(chosen=st.sets(st.sampled_from(MADE)), gone=st.sets(st.sampled_from(MADE)), then=instants, now=instants)
def test_it_answers_as_a_search_through_all_of_them(chosen, gone, then, now):
    """Any set of certificates, some removed again, and any two instants."""
    validity = Validity()
    for c in chosen | gone:
        validity.add(c)
    for c in gone:
        validity.remove(c)
    left = chosen - gone

    assert validity.next_after(now) == min((t for t, _ in moments(left) if t > now), default=None)
    assert set(validity.between(then, now)) == {node for t, node in moments(left) if then < t <= now}
    assert set(validity.ended(now)) == {c.node for c in left if c.not_after + CARRIED_AFTER <= now}


def test_the_longest_ended_comes_first():
    """That is the one to give way."""
    validity = Validity()
    for node, days in ((1, 3), (2, 1), (3, 2)):
        validity.add(certificate(node=node, days=days))

    assert list(validity.ended(NOW + CARRIED_AFTER * 2)) == [node_id(2), node_id(3), node_id(1)]
