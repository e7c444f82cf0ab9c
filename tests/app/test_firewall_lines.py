"""What health and doctor say of the firewall around our rules."""

from dataclasses import replace

import pytest

from p2pfw.app.enforcing import SURVEY_INTERVAL
from p2pfw.errors import FirewallError
from p2pfw.ports import FirewallSurvey
from tests.app.world import Running, World

PORT = "tcp/8080 to 172.17.0.2:80"


def said(one: Running) -> dict[str, str]:
    """What health says, by code."""
    return {line.code: f"{line.text} | {line.remedy}" for line in one.node.health.lines()}


async def test_open_published_ports_are_named_with_the_remedy():
    """In the doctor at once, in health at the next look; before enforcement is on, too."""
    world = World()
    a = await world.node("a")
    a.firewall.around = FirewallSurvey(variant="nft", open_ports=(PORT, *(f"udp/{n} to x" for n in range(9))))
    doctor = await a.app.doctor()

    (check,) = [check for check in doctor.checks if check.code == "published-ports"]
    assert check.level == "warning"
    assert PORT in check.text
    assert "and 2 more" in check.text
    assert "raw/PREROUTING" in check.remedy


async def test_the_look_is_repeated_while_enforcing():
    """A container that is started later shows within half a minute, and goes when it goes."""
    world = World()
    a = await world.node("a", enforce=True)
    a.firewall.around = FirewallSurvey(open_ports=(PORT,))
    await world.advance(seconds=SURVEY_INTERVAL + 2, step=1)
    assert "published-ports" in said(a)
    a.firewall.around = FirewallSurvey()
    await world.advance(seconds=SURVEY_INTERVAL + 2, step=1)

    assert "published-ports" not in said(a)


async def test_a_hook_that_waits_is_said():
    """Nothing is dropped where there is no chain."""
    world = World()
    a = await world.node("a", enforce=True)
    a.node.enforcing.report = replace(a.node.enforcing.report, waiting=("filter/DOCKER-USER (IPv6)",))

    assert "filter/DOCKER-USER (IPv6)" in said(a)["hook-waiting"]


@pytest.mark.parametrize(
    ("seen", "code", "words"),
    [
        (FirewallSurvey(variant="nft", other_rules=3), "other-variant", "iptables-legacy-save"),
        (FirewallSurvey(variant="legacy", other_rules=1), "other-variant", "iptables-nft-save"),
        (
            FirewallSurvey(variant="nft", other_rules=3, other_ours=("remove it so",)),
            "other-variant-ours",
            "remove it so",
        ),
    ],
)
async def test_rules_in_the_other_variant_are_said(seen: FirewallSurvey, code: str, words: str):
    """Both variants' rules see every packet, and each command shows only its own."""
    world = World()
    a = await world.node("a")
    a.firewall.around = seen
    await a.app.doctor()

    assert words in said(a)[code]


async def test_a_firewall_that_cannot_be_looked_at_breaks_nothing(monkeypatch: pytest.MonkeyPatch):
    """The doctor answers with what was seen last."""
    world = World()
    a = await world.node("a")

    async def refuse() -> FirewallSurvey:
        raise FirewallError("no right")

    monkeypatch.setattr(a.firewall, "survey", refuse)

    assert (await a.app.doctor()).level == "ok"
