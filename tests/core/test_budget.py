"""The address space that nodes of the own fleet may block, in sums."""

import pytest

from p2pfw.core.budget import FLEET_BUDGET, NODE_BUDGET, FleetBudget
from p2pfw.core.prefix import v4_key
from tests.core.judging import key, node


def test_budgets_are_those_of_the_specification():
    """2^24 a node and 2^26 in all."""
    assert (NODE_BUDGET, FLEET_BUDGET) == (2**24, 2**26)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [("203.0.113.7", 1), ("203.0.112.0/20", 4096), ("2001:db8::1", 1), ("2001:db8::/64", 1), ("2001:db8::/48", 65536)],
)
def test_space_is_counted_in_hosts_and_a_64_is_one(text, hosts):
    """IPv6 is counted in /64s."""
    budget = FleetBudget()
    budget.charge(key(text), budget.number(node("f")))

    assert budget.used(node("f")) == hosts
    budget.refund(key(text), budget.number(node("f")))
    assert budget.used(node("f")) == 0


def test_a_node_pays_as_long_as_it_has_room_and_then_another_does():
    """256 times /16 is all that one node gets."""
    budget = FleetBudget()
    for number in range(256):
        one = v4_key(number << 16, 16)
        budget.charge(one, budget.payer(one, [node("f")], 0))

    assert budget.payer(key("203.0.113.7"), [node("f")], 0) == 0
    assert budget.node(budget.payer(key("203.0.113.7"), [node("f"), node("g")], 0)) == node("g")


def test_who_paid_goes_on_paying():
    """A prefix that is judged again is not charged twice."""
    budget = FleetBudget()
    paying = budget.number(node("g"))

    assert budget.payer(key("203.0.113.7"), [node("f"), node("g")], paying) == paying
    assert budget.payer(key("203.0.113.7"), [node("f")], paying) == budget.number(node("f"))


def test_all_nodes_together_have_a_budget_too():
    """Four nodes use it up; a fifth gets nothing."""
    budget = FleetBudget()
    for number in range(4 * 256):
        one = v4_key(number << 16, 16)
        budget.charge(one, budget.number(node(str(number // 256))))

    assert budget.payer(key("203.0.113.7"), [node("fifth")], 0) == 0
    assert budget.used(node("fifth")) == 0


def test_an_unknown_node_has_used_nothing():
    """And asking makes it no number."""
    assert FleetBudget().used(node("f")) == 0
