"""Chains of local rules: how they read, when they stand right, and what puts them right."""

from dataclasses import replace

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Family, Prefix
from p2pfw.firewall.chains import PIECE, judge_chains, jump_text, rule_text
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.parse import parse_tables

NAMES = SetNames("p2pfw")
HOST, SIX, NET = (Prefix.parse(text).key for text in ("203.0.113.9", "2001:db8::9", "198.51.100.0/24"))
DROP = LocalRule(chain=Chain.INPUT, target=Target.DROP, source=HOST)
REJECT = LocalRule(chain=Chain.INPUT, target=Target.REJECT, source=NET, in_interface="eth0")
JUMP = f"-A INPUT {jump_text(NAMES, Chain.INPUT)}"
BODY = [f"-A p2pfw-input {rule_text(one)}" for one in (REJECT, DROP)]


def table(*lines: str, chains: tuple[str, ...] = ("p2pfw-input",)):
    """The filter table as iptables-save -c prints it."""
    heads = [f":{one} ACCEPT [0:0]" for one in ("INPUT", "FORWARD", "OUTPUT")] + [f":{one} - [0:0]" for one in chains]
    text = "\n".join(["*filter", *heads, *(f"[3:180] {line}" for line in lines), "COMMIT\n"])
    return parse_tables(text, "")["filter"]


def verdict(*lines: str, wanted=(REJECT, DROP), **more):
    """Of a table with these rules."""
    return judge_chains(table(*lines, **more), wanted, NAMES, Family.V4)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (DROP, "-s 203.0.113.9/32 -j DROP"),
        (REJECT, "-s 198.51.100.0/24 -i eth0 -j REJECT --reject-with icmp-port-unreachable"),
        (
            LocalRule(
                chain=Chain.FORWARD,
                target=Target.REJECT,
                in_interface="ppp+",
                out_interface="br0",
                source=SIX,
                destination=Prefix.parse("2001:db8:1::/48").key,
            ),
            "-s 2001:db8::9/128 -d 2001:db8:1::/48 -i ppp+ -o br0 -j REJECT --reject-with icmp6-port-unreachable",
        ),
        (LocalRule(chain=Chain.OUTPUT, target=Target.ACCEPT, destination=HOST), "-d 203.0.113.9/32 -j ACCEPT"),
    ],
)
def test_a_rule_reads_as_iptables_prints_it(rule: LocalRule, text: str):
    """So that what is there is compared without asking anybody."""
    assert rule_text(rule) == text


def test_a_rule_that_ends_carries_its_end_into_the_kernel_and_counts_on_when_it_is_prolonged():
    """Written anew, with what it counted."""
    short, long = (replace(DROP, ends=ends) for ends in (1_800_000_000, 1_800_000_060))
    text = f"-A p2pfw-input {rule_text(short)}"
    prolonged = verdict(JUMP, text, wanted=(long,))

    assert rule_text(short) == "-s 203.0.113.9/32 -m time --datestop 2027-01-15T08:00:00 -j DROP"
    assert verdict(JUMP, text, wanted=(short,)).faults == ()
    assert prolonged.faults == ("rules altered (local rules, INPUT, IPv4)",)
    assert prolonged.lines[-2] == f"[3:180] -A p2pfw-input {rule_text(long)}"


def test_what_is_right_is_left_alone_and_counted():
    """Rules of p2pfw may stand above the jump, others below; the parts of a rule in any order."""
    ours = "-A INPUT -m set --match-set p2pfw-block4 src -m comment --comment p2pfw:p2pfw -j DROP"
    turned = "-A p2pfw-input -i eth0 -s 198.51.100.0/24 -j REJECT --reject-with icmp-port-unreachable"
    right = verdict(ours, JUMP, "-A INPUT -j ACCEPT", turned, BODY[1])

    assert (right.faults, right.lines, right.correction) == ((), (), "")
    assert right.counted[DROP] == (3, 180)


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["-A INPUT -j ACCEPT"], "jump missing"),
        ([JUMP], "rules altered"),
        ([JUMP, BODY[1], BODY[0]], "rules altered"),
        ([JUMP, *BODY, BODY[0]], "rules altered"),
        ([JUMP, JUMP, *BODY], "jump altered"),
        (["-A INPUT -j p2pfw-input", *BODY], "jump altered"),
        (["-A INPUT -s 192.0.2.1/32 -j ACCEPT", JUMP, *BODY], "jump not first"),
    ],
)
def test_what_is_wrong_is_named_and_one_transaction_puts_it_right(lines: list[str], fault: str):
    """The chain anew, with what its rules counted; jumps of ours out, one in at the head; others' rules not named."""
    wrong = verdict(*lines)
    counted = "[3:180]" if BODY[1] in lines else "[0:0]"

    assert wrong.faults == (f"{fault} (local rules, INPUT, IPv4)",)
    assert wrong.lines[0] == ":p2pfw-input - [0:0]"
    assert wrong.lines[-2:] == (f"{counted} {BODY[1]}", f"[0:0] -I INPUT 1 {jump_text(NAMES, Chain.INPUT)}")
    assert [line for line in wrong.lines if line.startswith("-D")] == [
        f"-D{line[2:]}" for line in lines if line.endswith("-j p2pfw-input")
    ]
    assert wrong.correction.startswith("*filter\n:p2pfw-input - [0:0]\n")


def test_a_chain_that_nobody_needs_is_taken_away():
    """Jump, content, chain; a chain that is not there is no fault."""
    gone = verdict(JUMP, *BODY, wanted=())

    assert gone.lines == (f"-D{JUMP[2:]}", "-F p2pfw-input", "-X p2pfw-input")
    assert verdict(wanted=(), chains=()).lines == ()
    assert judge_chains(None, (), NAMES, Family.V6).lines == ()


def test_what_is_missing_altogether_is_made():
    """Also where there is no filter table yet."""
    for found in (table(chains=()), None):
        made = judge_chains(found, [DROP], NAMES, Family.V4)
        assert made.faults == ("chain missing (local rules, INPUT, IPv4)",)
        assert made.lines[1] == f"[0:0] {BODY[1]}"


def test_many_rules_come_in_pieces_where_one_is_too_long():
    """Chains and jumps first; together they are the whole."""
    many = [
        LocalRule(chain=Chain.INPUT, target=Target.DROP, source=Prefix.parse(f"198.18.{at // 256}.{at % 256}").key)
        for at in range(2 * PIECE + 1)
    ]
    made = judge_chains(None, many, NAMES, Family.V4)
    pieces = list(made.pieces())
    lines = [line for piece in pieces for line in piece.splitlines() if line not in ("*filter", "COMMIT")]

    assert len(pieces) == 4
    assert pieces[0].splitlines()[1:-1] == [":p2pfw-input - [0:0]", made.lines[-1]]
    assert sorted(lines) == sorted(made.lines)
