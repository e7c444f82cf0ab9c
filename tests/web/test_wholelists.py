"""One list for all who start at once."""

import asyncio

from p2pfw.web.wholelists import LIVE, WholeLists
from tests.web.fake_bouncing import FakeBouncing


def blocked(count: int) -> FakeBouncing:
    """A node that blocks so many hosts."""
    node = FakeBouncing()
    for number in range(count):
        node.block(f"10.1.{number >> 8}.{number & 255}")
    return node


async def test_a_hundred_at_once_share_one_list():
    """However it was made, it is one object."""
    node = blocked(1_000)
    wholes = WholeLists(node)

    found = await asyncio.gather(*(wholes.get() for _ in range(100)))

    assert len({id(one) for one in found}) == 1
    assert node.walks == 1


async def test_what_changed_before_the_question_is_in_the_list():
    """A list that began earlier is made anew."""
    node = blocked(3)
    wholes = WholeLists(node)
    await wholes.get()
    node.block("203.0.113.9")

    whole = await wholes.get()

    assert b"203.0.113.9" in whole.pieces[0].form
    assert (whole.begun, whole.done) == (4, 4)


async def test_no_more_lists_live_than_there_is_room_for():
    """While older ones go to slow clients, the newest is given again; its number says how old it is."""
    node = blocked(3)
    wholes = WholeLists(node)
    held = []
    for number in range(LIVE + 3):
        held.append(await wholes.get())
        node.block(f"203.0.113.{number}")

    assert len({id(one) for one in held}) == LIVE
    assert held[-1].begun < node.position
    newest = held[-1].begun
    held.clear()
    assert (await wholes.get()).begun > newest


async def test_a_list_that_nobody_wants_is_forgotten():
    """Memory is for who asks."""
    wholes = WholeLists(blocked(3))
    one = await wholes.get()
    wholes._forget()

    assert await wholes.get() is not one
