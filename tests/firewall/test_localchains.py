"""Local rules put in and looked after through the programs, in a kernel in memory."""

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.errors import FirewallError
from p2pfw.firewall.chains import jump_text, rule_text
from p2pfw.firewall.iptables import KernelRules
from p2pfw.firewall.localchains import FRESH, LocalChains
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.runner import Output, Program

DROP = LocalRule(chain=Chain.INPUT, target=Target.DROP, source=Prefix.parse("203.0.113.9").key)
NAMES = SetNames("p2pfw")
EMPTY = b"*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"


class Programs:
    """Runner: iptables-save prints what it is told, restore keeps what it is fed, and may say no."""

    def __init__(self) -> None:
        self.fed: list[str] = []
        self.runs = 0
        self.saved = {Program.IPTABLES_SAVE: EMPTY, Program.IP6TABLES_SAVE: EMPTY}
        self.refusals: list[str] = []

    def find(self, program: Program) -> str:
        return program.file

    def run(self, program: Program, arguments, feed=(), timeout=0.0) -> Output:
        self.runs += 1
        if program in (Program.IPTABLES_SAVE, Program.IP6TABLES_SAVE):
            return Output(command=program.file, code=0, stdout=self.saved[program])
        if program is Program.NFT:
            return Output(command=program.file, code=1)
        if self.refusals:
            return Output(command=program.file, code=1, stderr=self.refusals.pop(0))
        self.fed.append(b"".join(feed).decode())
        return Output(command=program.file, code=0)


def made() -> tuple[Programs, LocalChains]:
    """Chains over programs."""
    programs = Programs()
    return programs, LocalChains(KernelRules(programs, NAMES, ()), NAMES)


def test_one_commit_a_family_and_none_where_nothing_is_wrong():
    """IPv6 has no rule: nothing is written there."""
    programs, chains = made()
    chains.want([DROP])
    faults = chains.repair()

    assert faults == ("chain missing (local rules, INPUT, IPv4)",)
    assert len(programs.fed) == 1


def test_without_local_rules_nothing_is_read():
    """After the first look, which finds what an earlier life left."""
    programs, chains = made()
    chains.repair()
    first = programs.runs
    chains.repair()

    assert (first, programs.runs) == (2, 2)
    assert chains.faults() == ()
    assert chains.counted() == {}


def standing(packets: int) -> bytes:
    """The filter table with the one rule in its place, which dropped so many packets."""
    name = NAMES.chain(Chain.INPUT)
    lines = [f"[0:0] -A INPUT {jump_text(NAMES, Chain.INPUT)}", f"[{packets}:84] -A {name} {rule_text(DROP)}"]
    head = EMPTY.decode().removesuffix("COMMIT\n") + f":{name} - [0:0]\n"
    return (head + "\n".join(lines) + "\nCOMMIT\n").encode()


def test_counters_are_those_of_the_last_check_if_that_was_a_moment_ago():
    """Read anew when it was not, when something was put right, and when other rules are wanted."""
    programs, now = Programs(), [100.0]
    chains = LocalChains(KernelRules(programs, NAMES, ()), NAMES, lambda: now[0])
    chains.want([DROP])
    programs.saved[Program.IPTABLES_SAVE] = standing(3)
    assert chains.repair() == ()
    runs = programs.runs
    programs.saved[Program.IPTABLES_SAVE] = standing(4)
    fresh, runs_after = chains.counted(), programs.runs
    now[0] += FRESH
    later = chains.counted()
    chains.repair()
    programs.saved[Program.IPTABLES_SAVE] = standing(5)
    chains.want([DROP])
    wanted_anew = chains.counted()
    programs.saved[Program.IPTABLES_SAVE] = EMPTY
    chains.repair()
    programs.saved[Program.IPTABLES_SAVE] = standing(6)

    assert (fresh, runs_after) == ({DROP: (3, 84)}, runs)
    assert (later, wanted_anew, chains.counted()) == ({DROP: (4, 84)}, {DROP: (5, 84)}, {DROP: (6, 84)})


def test_what_is_too_long_for_one_comes_in_pieces():
    """Any other refusal is an error."""
    programs, chains = made()
    chains.want([DROP])
    programs.refusals = ["iptables-restore: sendmsg() failed: Message too long"]
    chains.repair()
    assert len(programs.fed) == 2
    programs.refusals = ["no"]

    with pytest.raises(FirewallError, match="no"):
        chains.repair()
