"""GET /list: what this machine drops, lets in and rejects, as rows of strings."""

import json

import pytest

from p2pfw import schema
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.operations import Caller
from p2pfw.web.rfwlisting import PIECE, Rules, row_of
from tests.web.fake_operations import NOW, Block, FakeOperations
from tests.web.fake_rules import FakeRules
from tests.web.rfw_serving import serving_rfw

CALLER = Caller(name="test")
FIELDS = ["chain", "num", "pkts", "bytes", "target", "prot", "opt", "inp", "out", "source", "destination", "extra"]


def key(text: str):
    """The key of a prefix."""
    return Prefix.parse(text).key


@pytest.fixture
def operations():
    """One whitelist entry, two blocks, in the kernel."""
    node = FakeOperations()
    node.mode = "enforce"
    node.blocks = {key("198.51.100.7"): Block(0), key("2001:db8::/48"): Block(0)}
    node.allowed = {key("192.0.2.0/24"): schema.AllowEntry(prefix="192.0.2.0/24", source="command")}
    return node


@pytest.fixture
async def rules():
    """One rule a chain, the newest on INPUT first."""
    fake = FakeRules()
    for rule in (
        LocalRule(chain=Chain.INPUT, target=Target.REJECT, source=key("203.0.113.9"), in_interface="eth0"),
        LocalRule(chain=Chain.OUTPUT, target=Target.REJECT, destination=key("2001:db8::1"), out_interface="ppp+"),
        LocalRule(
            chain=Chain.FORWARD,
            target=Target.ACCEPT,
            source=key("1.2.3.0/24"),
            destination=key("5.5.5.5"),
            out_interface="e1",
        ),
        LocalRule(chain=Chain.INPUT, target=Target.ACCEPT, source=key("203.0.113.10"), in_interface="eth0"),
    ):
        await fake.put_rule(rule, NOW, CALLER)
    return fake


async def listed(operations, rules, chain=None):
    """The rows."""
    return json.loads(b"".join(await Rules(operations, rules).listing(chain)))


def short(row):
    """What differs between rows, in one line."""
    return " ".join(row[name] for name in ("chain", "num", "target", "inp", "out", "source", "destination"))


async def test_everything_is_listed_in_the_order_in_which_packets_meet_it(operations, rules):
    """The whitelist and the blocks are asked before any chain; the newest rule first. REJECT is there: rfw hid it."""
    rows = await listed(operations, rules)

    assert [short(row) for row in rows] == [
        "INPUT 1 ACCEPT * * 192.0.2.0/24 0.0.0.0/0",
        "INPUT 2 DROP * * 198.51.100.7 0.0.0.0/0",
        "INPUT 3 DROP * * 2001:db8::/48 ::/0",
        "INPUT 4 ACCEPT eth0 * 203.0.113.10 0.0.0.0/0",
        "INPUT 5 REJECT eth0 * 203.0.113.9 0.0.0.0/0",
        "OUTPUT 1 REJECT * ppp+ ::/0 2001:db8::1",
        "FORWARD 1 ACCEPT * e1 1.2.3.0/24 5.5.5.5",
    ]
    assert [row["extra"] for row in rows if row["target"] == "REJECT"] == [
        "reject-with icmp-port-unreachable",
        "reject-with icmp6-port-unreachable",
    ]


async def test_every_field_is_a_string_in_rfws_order(operations, rules):
    """Numbers too."""
    rows = await listed(operations, rules)

    assert [list(row) for row in rows] == [FIELDS] * len(rows)
    assert {type(value) for row in rows for value in row.values()} == {str}
    assert [(row["pkts"], row["bytes"]) for row in rows][:2] == [("0", "0"), ("2", "168")]


@pytest.mark.parametrize("chain", list(Chain))
async def test_one_chain_is_its_part_of_all(operations, rules, chain):
    """The same rows with the same numbers."""
    everything = await listed(operations, rules)

    assert await listed(operations, rules, chain) == [row for row in everything if row["chain"] == chain.value]


async def test_what_the_kernel_does_not_have_says_so(operations, rules):
    """In observe mode, or not yet: a list that looks like a firewall must not claim what is not."""
    operations.mode = "observe"
    rules.unfollowed = "no such chain"
    rule = LocalRule(chain=Chain.INPUT, target=Target.REJECT, source=key("203.0.113.77"))
    await rules.put_rule(rule, NOW, CALLER)

    rows = await listed(operations, rules, Chain.INPUT)

    assert {row["extra"] for row in rows if row["target"] == "DROP"} == {"not installed"}
    assert rows[3]["extra"] == "reject-with icmp-port-unreachable, not installed"


async def test_no_rules_are_an_empty_array():
    """Valid JSON."""
    assert await listed(FakeOperations(), FakeRules()) == []


async def test_very_many_rules_arrive_whole():
    """Over the wire, in more parts than one."""
    async with serving_rfw() as served:
        served.operations.blocks = {key(f"198.51.{n >> 8}.{n & 255}"): Block(0) for n in range(3 * PIECE + 1)}
        reply = await served.ask("GET", "/list")
    rows = json.loads(reply.body)

    assert len(rows) == 3 * PIECE + 1
    assert [row["num"] for row in rows] == [str(number + 1) for number in range(len(rows))]


def test_a_row_of_a_rule_alone_is_the_first_of_its_chain():
    """As a change answers with it."""
    row = row_of(LocalRule(chain=Chain.OUTPUT, target=Target.DROP, destination=key("192.0.2.1")))

    assert (row.num, row.pkts, row.destination, row.source) == ("1", "0", "192.0.2.1", "0.0.0.0/0")
