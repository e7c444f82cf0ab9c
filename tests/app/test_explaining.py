"""`why`, for any prefix whatever: the verdict, its evidence, what stands in the way, what would change it."""

import pytest

from p2pfw import schema
from p2pfw.core.prefix import Prefix
from p2pfw.core.statement import Source
from p2pfw.errors import FirewallError
from p2pfw.ports import Neighbour
from tests.app.world import CALLER, Running, World, key

BAD = "203.0.113.9"


async def why(one: Running, text: str, *, counters: bool = False) -> schema.Why:
    """GET /v1/why/{prefix}."""
    return await one.app.why(Prefix.parse(text), counters=counters)


async def equals(world: World) -> tuple[Running, Running, Running]:
    """A trusts two other owners at 0.40 each: neither is enough alone."""
    a = await world.node("a", owner=1, enforce=True)
    c, d = await world.node("c", owner=2), await world.node("d", owner=3)
    await world.meet(a, c, trust=0.4)
    await world.meet(a, d, trust=0.4)
    await world.advance(seconds=2)
    return a, c, d


async def test_nobody_speaks_of_it():
    """UNKNOWN, not blocked, nothing to undo."""
    world = World()
    a, *_ = await equals(world)
    answer = await why(a, BAD)

    assert (answer.verdict, answer.blocked, answer.dropped, answer.matched) == ("UNKNOWN", False, False, None)
    assert answer.evidence == []
    assert answer.undo == []


async def test_one_voice_is_not_enough_and_it_says_what_would_be():
    """HOLD with score and threshold, and the support that is missing."""
    world = World()
    a, c, _ = await equals(world)
    await c.block(BAD, category="ssh")
    await world.settle()
    answer = await why(a, BAD)

    assert (answer.verdict, answer.reason, answer.score, answer.threshold) == ("HOLD", "below-threshold", 0.4, 0.6)
    (evidence,) = answer.evidence
    assert (evidence.name, evidence.counted, evidence.trust, evidence.category) == ("c", True, 0.4, "ssh")
    assert any("more voice" in flip for flip in answer.flips)


async def test_two_voices_block_and_each_is_shown():
    """ADOPT with both, since when, until when, in the kernel, and how to undo it."""
    world = World()
    a, c, d = await equals(world)
    await c.block(BAD)
    await d.block(BAD)
    await world.settle()
    await a.node.enforcing.step()
    a.firewall.packets[key(BAD)] = (41, 2_460)
    answer = await why(a, BAD, counters=True)

    assert (answer.verdict, answer.reason, answer.blocked, answer.dropped) == ("ADOPT", "ok", True, True)
    assert answer.score == 0.64
    assert (answer.voices, answer.voices_needed) == (2, 1)
    assert {one.name for one in answer.evidence} == {"c", "d"}
    assert any("retract" in flip for flip in answer.flips)
    assert (answer.kernel.installed, answer.kernel.set, answer.kernel.packets) == (True, "p2pfw-block4", 41)
    assert answer.since == "2027-01-15T08:00:02Z"
    assert answer.expires is not None
    assert answer.undo == ["p2pfw allow add 203.0.113.9 --ttl 1d", "p2pfw peer trust c 0.2"]


async def test_what_does_not_count_says_why():
    """Pardoned, retracted, same owner: shown, not counted, with the word for it."""
    world = World()
    a, c, _ = await equals(world)
    e = await world.node("e", owner=2)
    await world.meet(a, e, trust=0.4)
    await c.block(BAD)
    await e.block(BAD)
    await world.settle()
    words = sorted(one.not_counted for one in (await why(a, BAD)).evidence)
    assert words == ["", "same-owner"]
    await c.unblock(BAD, scope="own")
    await e.unblock(BAD, scope="own")
    await world.settle()

    assert {one.not_counted for one in (await why(a, BAD)).evidence} == {"retracted"}


async def test_the_whitelist_is_named_with_its_entry():
    """Which entry, from where, with what comment; the undo takes exactly that away."""
    world = World()
    a, *_ = await equals(world)
    await a.block(BAD)
    await a.beside(a.allow("203.0.113.0/24", comment="partners"))
    answer = await why(a, BAD)

    assert (answer.verdict, answer.reason) == ("REFUSE", "whitelist")
    assert answer.overlap == "203.0.113.0/24 (whitelist: command, partners)"
    assert answer.undo == ["p2pfw allow remove 203.0.113.0/24"]
    assert any("no longer stands in the way" in flip for flip in answer.flips)
    assert answer.whitelist_ranges == 1


async def test_protection_and_special_space_are_explained_without_any_block():
    """For any prefix whatever: loopback, the gateway, private space."""
    world = World()
    a = await world.node("a", start=False)
    a.machine.near = [Neighbour(key=key("192.0.2.1"), reason="gateway on eth0")]
    await a.start()
    expected = {"127.0.0.1": "loopback", "192.0.2.1": "gateway on eth0", "10.1.2.3": "private use"}
    for text, overlap in expected.items():
        answer = await why(a, text)
        assert overlap in answer.overlap
        assert not answer.blocked


async def test_the_longest_of_several_covering_entries_decides():
    """An address inside two blocks: the narrower one is matched, the other is related; inside a network, its hosts."""
    world = World()
    a, *_ = await equals(world)
    await a.block("203.0.113.0/28")
    await a.block("203.0.113.9")
    answer = await why(a, BAD)
    assert (answer.matched, answer.matched_of) == (f"{BAD}/32", 2)
    assert [(one.prefix, one.verdict) for one in answer.related] == [("203.0.113.0/28", "ADOPT")]
    wide = await why(a, "203.0.113.0/24")

    assert wide.matched is None
    assert {one.prefix for one in wide.related} == {"203.0.113.0/28", f"{BAD}/32"}


async def test_local_words_are_told_apart():
    """This node's operator, this machine's sensors, the fleet's other nodes."""
    world = World()
    a, b = await world.node("a", owner=1), await world.node("b", owner=1)
    await world.meet(a, b)
    await a.block(BAD, local_only=True, reason="mine")
    await a.app.sighting(Prefix.parse(BAD), schema.SightingRequest(prefix=BAD, category="ssh"), CALLER)
    await b.block(BAD)
    await world.settle()
    answer = await why(a, BAD)
    names = {one.source: one.name for one in answer.evidence}

    assert names == {
        Source.OPERATOR.value: "this node",
        Source.SIGHTING.value: "this machine",
        Source.SIGNED.value: "b",
    }
    assert {one.note for one in answer.evidence} == {"mine", ""}
    assert answer.undo[0] == "p2pfw unblock 203.0.113.9"
    (flip,) = answer.flips
    assert flip.startswith("this operator's word and the fleet's word and this machine are taken back (0.00 < 0.60")


async def test_a_kernel_that_cannot_be_read_is_no_reason_to_say_nothing():
    """The explanation comes with the kernel's error in it."""
    world = World()
    a = await world.node("a", enforce=True)
    await a.beside(a.block(BAD, wait=True))
    a.firewall.fail(FirewallError("ipset: no luck"))
    answer = await why(a, BAD, counters=True)

    assert answer.blocked
    assert (answer.kernel.installed, answer.kernel.error) == (False, "ipset: no luck")
    assert not answer.dropped
    assert (await why(a, "198.51.100.1", counters=True)).kernel.installed is False


async def test_a_lease_that_is_over_says_who_would_have_to_speak():
    """A lone voice's day has passed: held, and said again it would hold again."""
    world = World()
    a, c = await world.node("a", owner=1), await world.node("c", owner=2)
    await world.meet(a, c, trust=0.9)
    await c.block(BAD, ttl="5d")
    await world.settle()
    c.node.domain.standing.clear()
    await world.advance(hours=25)
    answer = await why(a, BAD)

    assert not answer.blocked
    assert any("says it again" in flip for flip in answer.flips)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "224.0.0.1", "2001:db8::1", "203.0.113.0/25"])
async def test_any_prefix_has_an_answer(text: str):
    """Whatever is asked."""
    world = World()
    a, *_ = await equals(world)
    await a.block(BAD)

    assert (await why(a, text)).prefix
