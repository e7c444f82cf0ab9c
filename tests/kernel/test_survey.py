"""The self-check's look around, with the real programs of both variants."""

import pytest

from p2pfw.demo.lab import Lab
from tests.kernel.firewalls import VARIANTS, Box
from tests.netns import lab_or_skip

PUBLISHED = "-t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination"


@pytest.fixture(scope="module")
def lab():
    """One network for all."""
    with lab_or_skip() as made:
        yield made


@pytest.fixture(params=VARIANTS)
def box(lab: Lab, tmp_path, request) -> Box:
    """A host of its own for each test, with `iptables` of either variant."""
    made = Box(lab.host(f"{request.node.name[:30]}-{request.param}"), tmp_path)
    made.choose(request.param)
    return made


def test_a_published_port_is_named_where_the_hook_misses_it(box: Box):
    """Both families; with the default hook there is nothing to say."""
    box.sh(f"iptables -w 5 {PUBLISHED} 192.0.2.77:80")
    box.sh(f"ip6tables -w 5 {PUBLISHED} [2001:db8::77]:80")

    found = box.kernel(hooks=["filter/INPUT"]).survey()
    assert found.open_ports == ("tcp 8080 to 192.0.2.77:80", "tcp 8080 to [2001:db8::77]:80")
    assert box.kernel().survey().open_ports == ()


def test_rules_of_the_other_variant_are_seen(box: Box, request):
    """Ours among them: somebody changed the variant under us. Looking changes nothing."""
    kernel = box.kernel()
    kernel.start()
    kernel.allow(frozenset())
    kernel.enforce()
    before = kernel.survey()
    assert before.variant == {"nft": "nf_tables", "legacy": "legacy"}[request.node.callspec.params["box"]]
    assert (before.other_rules, before.other_is_ours) == (0, False)
    rules = box.rules()
    for name in list(box.folder.iterdir()):
        name.unlink()
    (other,) = set(VARIANTS) - {request.node.callspec.params["box"]}
    box.choose(other)

    after = box.kernel().survey()
    assert after.variant != before.variant
    assert (after.other_variant, after.other_rules, after.other_is_ours) == (before.variant, 2, True)
    assert "p2pfw:p2pfw" in rules
