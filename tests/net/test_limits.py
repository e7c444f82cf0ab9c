"""The gate's numbers, by a clock of the test's own."""

import pytest

from p2pfw.errors import AdmissionError
from p2pfw.net import limits as module
from p2pfw.net.limits import Gate, Limits, Ticket, TokenBucket


def ticket(group="192.0.2.1", *, reserved=False):
    """A connection from one address."""
    return Ticket(address=group, group=group, reserved=reserved, drop=lambda: None)


def other(number):
    """One of many addresses."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def refused(gate, group, now):
    """The code with which one more connection is refused."""
    with pytest.raises(AdmissionError) as caught:
        gate.enter(ticket(group), now)
    return caught.value.code


def test_defaults_are_the_protocols():
    """protocol 2.6 and 6."""
    limits = Limits()

    assert (limits.header_s, limits.handshake_s, limits.in_flight, limits.per_group) == (3, 5, 64, 4)
    assert (limits.group_burst, limits.group_per_minute, limits.new_per_second) == (20, 10, 200)
    assert (limits.queue_bytes, limits.stall_s, limits.session_s, limits.ban_s) == (4 << 20, 30, 43_200, 3_600)


def test_one_address_has_four_handshakes_at_once():
    """The fifth is refused until one of them is over."""
    gate = Gate(Limits(), 0.0)
    held = [ticket() for _ in range(4)]
    for one in held:
        gate.enter(one, 0.0)
    assert refused(gate, "192.0.2.1", 0.0) == "address-in-flight"
    gate.enter(ticket("192.0.2.2"), 0.0)
    gate.leave(held[0])
    gate.leave(held[0])
    gate.enter(ticket(), 0.0)

    assert refused(gate, "192.0.2.1", 0.0) == "address-in-flight"
    assert len(gate) == 5


def test_one_address_has_twenty_connections_and_then_ten_a_minute():
    """Burst, then one every six seconds."""
    gate = Gate(Limits(), 0.0)

    def come(now):
        one = ticket()
        gate.enter(one, now)
        gate.leave(one)

    for _ in range(20):
        come(0.0)
    assert refused(gate, "192.0.2.1", 0.0) == "address-rate"
    assert refused(gate, "192.0.2.1", 5.9) == "address-rate"
    come(6.1)
    assert refused(gate, "192.0.2.1", 6.1) == "address-rate"


def test_two_hundred_strangers_a_second():
    """All addresses together; a refused address loses nothing of its own rate."""
    gate = Gate(Limits(), 0.0)
    for number in range(200):
        one = ticket(other(number))
        gate.enter(one, 0.0)
        gate.leave(one)
    for _ in range(30):
        assert refused(gate, other(999), 0.0) == "busy"
    for _ in range(3):
        gate.enter(ticket(other(999)), 1.0)


def test_oldest_handshake_gives_way():
    """A full house of half-open connections does not keep anybody out."""
    gate = Gate(Limits(), 0.0)
    waiting = [ticket(other(number)) for number in range(48)]
    assert [gate.enter(one, 0.0) for one in waiting] == [None] * 48
    newcomer = ticket(other(100))

    assert gate.enter(newcomer, 0.0) is waiting[0]
    assert gate.enter(ticket(other(101)), 0.0) is waiting[1]
    assert len(gate) == 48


def test_configured_addresses_have_their_own_share():
    """No flood of strangers touches it: neither places nor rates."""
    gate = Gate(Limits(), 0.0)
    for number in range(200):
        gate.enter(ticket(other(number)), 0.0)
    assert refused(gate, other(999), 0.0) == "busy"
    friends = [ticket(other(1_000 + number), reserved=True) for number in range(17)]
    evicted = [gate.enter(one, 0.0) for one in friends]

    assert evicted == [None] * 16 + [friends[0]]
    assert len(gate) == 64


def test_connection_through_a_proxy_counts_under_the_address_that_it_names():
    """Before its header only the total counts; after it, the client's own address."""
    gate = Gate(Limits(per_group=2), 0.0)
    tickets = [ticket("") for _ in range(4)]
    for one in tickets:
        gate.enter(one, 0.0)
    for one in tickets[:2]:
        gate.name(one, "198.51.100.7", "198.51.100.7", 0.0)
    with pytest.raises(AdmissionError) as caught:
        gate.name(tickets[2], "198.51.100.7", "198.51.100.7", 0.0)
    assert caught.value.code == "address-in-flight"
    gate.name(tickets[3], "198.51.100.8", "198.51.100.8", 0.0)
    for one in tickets:
        gate.leave(one)

    assert len(gate) == 0
    assert tickets[0].address == "198.51.100.7"


def test_rate_holds_behind_a_proxy_too():
    """The proxy's own address is never used up."""
    gate = Gate(Limits(), 0.0)
    for number in range(21):
        one = ticket("")
        gate.enter(one, 0.0)
        if number < 20:
            gate.name(one, "198.51.100.7", "198.51.100.7", 0.0)
        else:
            with pytest.raises(AdmissionError) as caught:
                gate.name(one, "198.51.100.7", "198.51.100.7", 0.0)
            assert caught.value.code == "address-rate"
        gate.leave(one)


def test_remembered_addresses_are_bounded(monkeypatch):
    """The least recently seen is forgotten."""
    monkeypatch.setattr(module, "_GROUPS_KEPT", 10)
    gate = Gate(Limits(), 0.0)
    for number in range(50):
        gate.enter(ticket(other(number)), 0.0)

    assert len(gate._groups) == 10


def test_bucket_says_how_long_a_debt_takes():
    """What a reader waits for."""
    bucket = TokenBucket(100.0, 50.0, 0.0)
    bucket.take(80)
    assert not bucket.has(0, 0.1)
    assert bucket.wait() == pytest.approx(0.2)
    assert bucket.has(0, 0.4)
    assert bucket.wait() == 0.0
    bucket.has(0, 1_000.0)

    assert bucket.has(50, 1_000.0)
    assert not bucket.has(51, 1_000.0)
