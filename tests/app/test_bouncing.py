"""What bouncers follow is what is adopted, change by change."""

from p2pfw.core.prefix import key_text
from p2pfw.core.records import Category
from tests.app.world import World, key

BAD, NET = "203.0.113.9", "203.0.113.0/24"


async def test_bouncers_follow_what_is_adopted():
    """All, one, what covers an address, and what changed since."""
    world = World()
    node = await world.node("a", owner=1)
    bouncing = node.app.bouncing
    await node.block(NET, ttl="4h", category="ssh")
    await world.settle()
    before = bouncing.position
    await node.block(BAD, ttl="forever", category="web")
    await world.settle()

    assert {key_text(row[0]): row[2] for row in bouncing.rows()} == {f"{BAD}/32": Category.WEB, NET: Category.SSH}
    assert [key_text(row[0]) for row in bouncing.covering(key(BAD))] == [f"{BAD}/32", NET]
    found = bouncing.row(key(NET))
    assert found is not None
    assert found[1] - bouncing.now() <= 4 * 3_600
    changed, was = bouncing.changes(before, 10)[0]
    assert (key_text(changed), was) == (f"{BAD}/32", False)
    assert bouncing.knows(before)
    assert bouncing.row(key("192.0.2.1")) is None
