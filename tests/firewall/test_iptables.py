"""The raw table that our rule leaves behind in the nft variant: removed only when there is nothing in it."""

from collections.abc import Iterable, Sequence

import pytest

from p2pfw.core.prefix import Family
from p2pfw.firewall.iptables import KernelRules, empty_base_chains
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks, rule_text
from p2pfw.firewall.runner import Output, Program
from tests.firewall.fake_kernel import FakeKernel, FakeSet

EMPTY = """# Warning: table ip raw is managed by iptables-nft, do not touch!
table ip raw {
	chain PREROUTING {
		type filter hook prerouting priority raw; policy accept;
	}

	chain OUTPUT {
		type filter hook output priority -300; policy accept;
	}
}
"""


def test_an_empty_table_is_recognised():
    """Base chains that let everything through, and nothing else."""
    assert empty_base_chains(EMPTY) == ["PREROUTING", "OUTPUT"]
    assert empty_base_chains("table ip raw {\n}\n") == []


@pytest.mark.parametrize(
    "old, new",
    [
        ("accept;\n", "drop;\n"),
        ("accept;\n", "accept;\n\t\tip saddr 9.9.9.9 drop\n"),
        ("\tchain OUTPUT", "\tchain MINE {\n\t}\n\n\tchain OUTPUT"),
        ("\tchain OUTPUT", "\tset s {\n\t\ttype ipv4_addr\n\t}\n\tchain OUTPUT"),
        (EMPTY, ""),
        (EMPTY, "garbage"),
    ],
)
def test_anything_else_is_left_alone(old: str, new: str):
    """A rule, another policy, a chain or set of somebody, or what we do not understand."""
    assert not empty_base_chains(EMPTY.replace(old, new, 1))


class WithNft(FakeKernel):
    """A kernel whose nft answers."""

    def __init__(self, listing: str) -> None:
        super().__init__()
        self.listing, self.nft = listing, []

    def run(self, program: Program, arguments: Sequence[str], *, feed: Iterable[bytes] = (), timeout: float = 10.0):
        if program is Program.NFT:
            self.nft.append(b"".join(feed).decode())
            return Output(command="nft", code=0, stdout=self.listing.encode())
        return super().run(program, arguments, feed=feed, timeout=timeout)


def rules_with_one(fake: FakeKernel) -> KernelRules:
    """The IPv4 rule of an instance, in place."""
    names = SetNames("p2pfw")
    fake.sets = {"p2pfw-allow4": FakeSet(), "p2pfw-block4": FakeSet()}
    fake.chain(Family.V4, DEFAULT_HOOK).append(rule_text(names, Family.V4))
    return KernelRules(fake, names, parse_hooks([DEFAULT_HOOK]))


def test_the_table_goes_with_our_rule():
    """One transaction: it fails as a whole when somebody's rule has come meanwhile."""
    fake = WithNft(EMPTY)
    rules_with_one(fake).remove(Family.V4)

    assert fake.nft[1:] == ["delete chain ip raw PREROUTING\ndelete chain ip raw OUTPUT\ndelete table ip raw\n"]


def test_a_table_in_use_stays():
    """Nothing is deleted where anything is left."""
    fake = WithNft(EMPTY.replace("accept;\n", "drop;\n", 1))
    rules_with_one(fake).remove(Family.V4)

    assert fake.nft == [""]


def test_a_table_without_a_rule_of_ours_is_not_looked_at():
    """Somebody's empty table is somebody's."""
    fake = WithNft(EMPTY)
    KernelRules(fake, SetNames("p2pfw"), ()).remove(Family.V4)

    assert fake.nft == []


def test_without_nft_the_empty_table_stays():
    """It lets everything through; no error."""
    fake = FakeKernel()
    fake.missing.add(Program.NFT)

    assert rules_with_one(fake).remove(Family.V4) == ("rule in raw (IPv4)",)
