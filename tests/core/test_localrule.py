"""A local rule: what it may be, and how it is told."""

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.errors import InputError

HOST, OTHER, SIX = (Prefix.parse(text).key for text in ("203.0.113.9", "198.51.100.0/24", "2001:db8::9"))


def test_a_rule_reads_as_it_acts():
    """Target, chain, interfaces, addresses; the family is that of its addresses."""
    rule = LocalRule(
        chain=Chain.FORWARD, target=Target.REJECT, in_interface="ppp+", out_interface="eth0", source=HOST,
        destination=OTHER,
    )  # fmt: skip

    assert str(rule) == "reject forward in ppp+ out eth0 from 203.0.113.9/32 to 198.51.100.0/24"
    assert not rule.is_v6
    assert LocalRule(chain=Chain.OUTPUT, target=Target.DROP, destination=SIX).is_v6


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("interface", {"chain": Chain.INPUT, "source": HOST, "in_interface": "eth0; reboot"}),
        ("interface", {"chain": Chain.INPUT, "source": HOST, "in_interface": "a-name-too-long0"}),
        ("interface", {"chain": Chain.INPUT, "source": HOST, "out_interface": "eth0"}),
        ("interface", {"chain": Chain.OUTPUT, "destination": HOST, "in_interface": "eth0"}),
        ("interface", {"chain": Chain.INPUT, "source": HOST, "in_interface": "+"}),
        ("address", {"chain": Chain.INPUT}),
        ("address", {"chain": Chain.INPUT, "destination": HOST}),
        ("address", {"chain": Chain.OUTPUT, "source": HOST}),
        ("address", {"chain": Chain.INPUT, "source": Prefix.parse("0.0.0.0/0").key}),
        ("address", {"chain": Chain.INPUT, "source": HOST - 1}),
        ("address", {"chain": Chain.FORWARD, "source": HOST, "destination": SIX}),
    ],
)
def test_what_no_rule_can_be(field: str, said: dict):
    """Names what is wrong."""
    with pytest.raises(InputError) as caught:
        LocalRule(target=Target.DROP, **said)

    assert caught.value.field == field


def test_whom_a_rule_keeps_out_is_the_other_end():
    """Of what comes in the source, of what goes out the destination, of what passes through both."""
    both = {"source": HOST, "destination": OTHER, "target": Target.DROP}

    assert LocalRule(chain=Chain.INPUT, **both).remote == (HOST,)
    assert LocalRule(chain=Chain.OUTPUT, **both).remote == (OTHER,)
    assert LocalRule(chain=Chain.FORWARD, **both).remote == (HOST, OTHER)
