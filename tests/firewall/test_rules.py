"""The rule: how it reads, when it stands right, and what puts it right."""

import pytest

from p2pfw.core.prefix import Family
from p2pfw.errors import ConfigError
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.parse import parse_tables
from p2pfw.firewall.rules import DEFAULT_HOOK, Hook, judge, parse_hooks, removal, rule_text

NAMES = SetNames("p2pfw")
RAW = parse_hooks([DEFAULT_HOOK])
OURS = rule_text(NAMES, Family.V4)
FOREIGN = "-s 9.9.9.9/32 -j DROP"
SIBLING = rule_text(SetNames("other"), Family.V4)


def table(*rules: str, name: str = "raw", chain: str = "PREROUTING", chains: tuple[str, ...] = ("PREROUTING",)):
    """A table as iptables-save would print it."""
    lines = [f"*{name}", *(f":{one} ACCEPT [0:0]" for one in chains), *(f"[2:99] -A {chain} {rule}" for rule in rules)]
    return parse_tables("\n".join([*lines, "COMMIT\n"]), "p2pfw:")[name]


def verdict(*rules: str):
    """On the raw table with these rules."""
    return judge(table(*rules), RAW, NAMES, Family.V4)


def test_the_rule_reads_as_decided():
    """Word for word enforcement.md's."""
    assert OURS == (
        "! -i lo -m set ! --match-set p2pfw-allow4 src -m set --match-set p2pfw-block4 src"
        " -m comment --comment p2pfw:p2pfw -j DROP"
    )
    assert rule_text(NAMES, Family.V6) == OURS.replace("allow4", "allow6").replace("block4", "block6")


def test_once_and_first_is_right():
    """Nothing to do, and its packets are counted."""
    right = verdict(OURS, FOREIGN)

    assert (right.standing, right.faults, right.correction, right.packets) == (1, (), "", 2)


@pytest.mark.parametrize(
    "rules, fault",
    [
        ([], "rule missing"),
        ([FOREIGN], "rule missing"),
        ([SIBLING], "rule missing"),
        ([OURS, OURS], "rule doubled"),
        ([FOREIGN, OURS], "rule not first"),
        ([SIBLING, FOREIGN, OURS], "rule not first"),
        ([OURS.replace("DROP", "ACCEPT")], "rule altered"),
        ([OURS.replace("! -i lo ", "")], "rule altered"),
        ([OURS.replace("p2pfw-block4", "other-block4")], "rule altered"),
    ],
)
def test_what_is_wrong_is_named(rules: list[str], fault: str):
    """Exactly once, our text, at the head (enforcement 2)."""
    wrong = verdict(*rules)

    assert wrong.faults == (f"{fault} in raw/PREROUTING (IPv4)",)
    assert wrong.standing == 0
    assert wrong.correction.endswith(f"-I PREROUTING 1 {OURS}\nCOMMIT\n")


def test_correcting_is_one_transaction_that_deletes_first():
    """No gap: one commit; -D takes the first match, which must not be the new rule; by text, never by position."""
    assert verdict(FOREIGN, OURS, OURS).correction == (
        f"*raw\n-D PREROUTING {OURS}\n-D PREROUTING {OURS}\n-I PREROUTING 1 {OURS}\nCOMMIT\n"
    )


def test_foreign_rules_are_never_named():
    """Only what carries our comment is deleted (enforcement 9)."""
    correction = verdict(FOREIGN, SIBLING, OURS).correction

    assert "9.9.9.9" not in correction
    assert "other" not in correction


def test_another_instance_may_stand_above():
    """Both want the head: the second one to come would otherwise fight the first for ever."""
    assert verdict(SIBLING, OURS, FOREIGN).faults == ()


def test_a_chain_of_others_is_waited_for():
    """DOCKER-USER before Docker: nothing is wrong, nothing stands, and it is said."""
    hooks = parse_hooks(["filter/INPUT", "filter/DOCKER-USER"])
    before = judge(table(OURS, name="filter", chain="INPUT", chains=("INPUT",)), hooks, NAMES, Family.V4)
    after = judge(table(OURS, name="filter", chain="INPUT", chains=("INPUT", "DOCKER-USER")), hooks, NAMES, Family.V4)

    assert (before.standing, before.faults, before.waiting) == (1, (), ("filter/DOCKER-USER (IPv4)",))
    assert (after.standing, after.waiting) == (1, ())
    assert after.correction == f"*filter\n-I DOCKER-USER 1 {OURS}\nCOMMIT\n"


def test_a_table_that_is_not_there_lacks_the_rule():
    """A fresh kernel has no raw table: the built-in chain is made with the rule."""
    assert judge(None, RAW, NAMES, Family.V4).faults == ("rule missing in raw/PREROUTING (IPv4)",)


def test_a_rule_in_the_wrong_chain_goes():
    """Ours, but where no hook is wanted."""
    stray = table(OURS, chain="OUTPUT", chains=("PREROUTING", "OUTPUT"))
    wrong = judge(stray, RAW, NAMES, Family.V4)

    assert "rule of ours in raw/OUTPUT (IPv4)" in wrong.faults
    assert f"-D OUTPUT {OURS}\n-I PREROUTING 1 {OURS}\n" in wrong.correction


def test_removal_names_every_rule_of_ours_and_no_other():
    """In whatever table and chain."""
    tables = {
        "raw": table(FOREIGN, OURS, SIBLING),
        "filter": table(OURS, name="filter", chain="INPUT"),
        "nat": table(FOREIGN, name="nat"),
    }

    assert removal(tables, NAMES) == (f"*raw\n-D PREROUTING {OURS}\nCOMMIT\n*filter\n-D INPUT {OURS}\nCOMMIT\n")
    assert removal({"nat": tables["nat"]}, NAMES) == ""


def test_hooks_are_parsed_once_each():
    """The configuration's words; said twice is said once."""
    hooks = parse_hooks(["filter/INPUT", "raw/PREROUTING", "filter/INPUT"])

    assert hooks == (Hook(table="filter", chain="INPUT"), Hook(table="raw", chain="PREROUTING"))


@pytest.mark.parametrize("texts", [[], ["nat/PREROUTING"], ["raw/PREROUTING", "INPUT"]])
def test_unknown_hooks_are_refused(texts: list[str]):
    """With the ones that are known."""
    with pytest.raises(ConfigError, match="raw/PREROUTING"):
        parse_hooks(texts)
