"""The look at what others have in the firewall: variants and published ports, and nothing is changed by it."""

import pytest

from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import parse_hooks
from p2pfw.firewall.runner import Output, Program
from p2pfw.firewall.survey import survey, variant_of
from tests.firewall.fake_kernel import FakeKernel
from tests.firewall.test_ports_seen import DOCKER, OPEN

NAMES, INPUT = SetNames("p2pfw"), parse_hooks(["filter/INPUT"])
OURS = '-A PREROUTING -m comment --comment "p2pfw:p2pfw" -j DROP'


def answering(**texts: str) -> FakeKernel:
    """A kernel with these outputs, by the program's name in Program."""
    kernel = FakeKernel()
    outputs = {Program[name]: text for name, text in texts.items()}
    kernel.before = lambda program, _: Output(command="", code=0, stdout=outputs.get(program, "").encode())
    return kernel


@pytest.mark.parametrize(
    ("said", "variant"),
    [("iptables v1.8.9 (nf_tables)", "nft"), ("iptables v1.8.9 (legacy)", "legacy"), ("iptables v1.6.0", "legacy")],
)
def test_the_variant_is_what_the_command_says(said: str, variant: str):
    """Old versions say nothing and are what is called legacy now."""
    assert variant_of(said) == variant


def test_both_families_and_the_other_variant_are_seen():
    """Rules of others are counted; ours come with the command that removes them and nothing else."""
    legacy = f"*raw\n:PREROUTING ACCEPT [0:0]\n{OURS}\n-A PREROUTING -j ACCEPT\nCOMMIT\n"
    found = survey(
        answering(IPTABLES="iptables v1 (nf_tables)", IPTABLES_SAVE=DOCKER, IP6TABLES_LEGACY_SAVE=legacy), NAMES, INPUT
    )

    assert (found.variant, found.other_rules, list(found.open_ports)) == ("nft", 2, OPEN)
    assert found.other_ours == ("ip6tables-legacy-save | grep -v '\"p2pfw:p2pfw\"' | ip6tables-legacy-restore",)


def test_a_variant_that_is_not_installed_has_no_rules():
    """Many systems have only one."""
    kernel = answering(IPTABLES="iptables v1 (legacy)")
    kernel.missing = {Program.IPTABLES_NFT_SAVE, Program.IP6TABLES_NFT_SAVE}
    found = survey(kernel, NAMES, INPUT)

    assert (found.variant, found.other_rules, found.open_ports) == ("legacy", 0, ())


def test_looking_runs_nothing_that_changes():
    """Only -V and the save programs."""
    kernel = answering(IPTABLES="iptables v1 (nf_tables)")
    survey(kernel, NAMES, INPUT)

    assert all(arguments in {("-V",), ()} and not feed for _, arguments, feed in kernel.runs)
