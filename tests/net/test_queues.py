"""Byte-bounded queues by class."""

import asyncio

from p2pfw.net.queues import SendQueue
from p2pfw.ports import SendClass


def drain(queue):
    """All that waits, in the order in which it would be sent."""
    return list(iter(queue.pop, None))


def test_most_urgent_first_and_in_order_within_a_class():
    """Control, eager, ihave, reply, bulk."""
    queue = SendQueue(1_000)
    for number in range(2):
        for send_class in reversed(SendClass):
            assert queue.push(bytes([send_class, number]), send_class)

    assert drain(queue) == [bytes([send_class, number]) for send_class in SendClass for number in range(2)]
    assert queue.bytes == 0


def test_bound_is_in_bytes_over_all_classes():
    """What does not fit is not kept."""
    queue = SendQueue(100)
    assert queue.push(bytes(60), SendClass.BULK)
    assert queue.push(bytes(40), SendClass.CONTROL)
    assert not queue.push(b"x", SendClass.CONTROL)
    assert queue.bytes == 100
    queue.pop()

    assert queue.push(bytes(40), SendClass.EAGER)


def test_only_one_class_survives_the_end():
    """Before a goodbye, bulk is dropped and its bytes with it."""
    queue = SendQueue(100)
    queue.push(bytes(60), SendClass.BULK)
    queue.push(bytes(7), SendClass.CONTROL)
    queue.keep_only(SendClass.CONTROL)

    assert queue.bytes == 7
    assert drain(queue) == [bytes(7)]


async def test_waiting_ends_with_the_next_frame():
    """Also when it was pushed before the wait began; and only then."""
    queue = SendQueue(100)
    assert queue.pop() is None
    waiting = asyncio.create_task(queue.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.push(b"x", SendClass.BULK)
    await waiting
    await queue.wait()
    queue.pop()
    assert queue.pop() is None
    again = asyncio.create_task(queue.wait())
    await asyncio.sleep(0)

    assert not again.done()
    again.cancel()
