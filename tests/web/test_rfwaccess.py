"""Passwords: guessing is slow, being right is quick, and nobody who guesses makes a client wait."""

import asyncio

import nacl.pwhash
import pytest

from p2pfw.core.prefix import Prefix
from p2pfw.web import rfwaccess
from p2pfw.web.problems import Refusal
from p2pfw.web.rfwaccess import FAILURES, MAX_WATCHED, REMEMBERED, WAITING, Basic, Clients, Guesses, Password
from tests.web.rfw_serving import PASSWORD, USER, basic, password_hash, serving_rfw
from tests.web.serving import FixedClock

CLIENT, STRANGER = "192.0.2.1", "203.0.113.9"


class Counting:
    """libsodium's check, counted; it can be made to wait for the test."""

    def __init__(self, monkeypatch):
        self.calls, self.real = 0, nacl.pwhash.verify
        monkeypatch.setattr(nacl.pwhash, "verify", self)

    def __call__(self, stored, password):
        self.calls += 1
        return self.real(stored, password)


@pytest.fixture
def clock():
    """Stands still."""
    return FixedClock()


@pytest.fixture
def lock(clock):
    """One client, one password."""
    clients = Clients((Prefix.parse(f"{CLIENT}/32").key,))
    return Basic(Password(USER, password_hash(), clock.monotonic), clients, clock.monotonic)


def header(password=PASSWORD, user=USER):
    """What comes as Authorization."""
    return [basic(user, password)["Authorization"]]


async def refused(lock, headers, remote):
    """The status that it is refused with."""
    with pytest.raises(Refusal) as refusal:
        await lock.enter(headers, remote)
    return refusal.value.status


async def test_the_sixth_guess_of_a_minute_has_to_wait(lock, clock):
    """Even when it is right; it is not looked at. A minute later it is."""
    guesses = [await refused(lock, header("guess"), STRANGER) for _ in range(FAILURES)]
    sixth, right = await refused(lock, header("guess"), STRANGER), await refused(lock, header(), STRANGER)
    await lock.enter(header(), CLIENT)
    clock.running += 61

    assert (guesses, sixth, right) == ([401] * FAILURES, 429, 429)
    await lock.enter(header(), STRANGER)


async def test_who_was_right_a_moment_ago_shares_an_address_with_who_guesses(lock):
    """An attacker behind the same address does not lock the client out."""
    await lock.enter(header(), CLIENT)
    for _ in range(FAILURES + 1):
        assert await refused(lock, header("guess"), CLIENT) in (401, 429)

    await lock.enter(header(), CLIENT)


async def test_guesses_at_once_are_no_more_than_guesses_one_by_one(lock):
    """Those that waited for their turn are counted before they are looked at."""
    statuses = await asyncio.gather(*(refused(lock, header("guess"), STRANGER) for _ in range(20)))

    assert sorted(statuses) == [401] * FAILURES + [429] * (20 - FAILURES)


async def test_being_right_is_computed_once_for_all_who_come_at_once(lock, monkeypatch):
    """Eight clients begin together: one computation; it is known for five minutes."""
    counting = Counting(monkeypatch)
    await asyncio.gather(*(lock.enter(header(), CLIENT) for _ in range(8)))
    await lock.enter(header(), CLIENT)

    assert counting.calls == 1


async def test_what_was_right_is_forgotten(lock, clock, monkeypatch):
    """The memory of it ends."""
    counting = Counting(monkeypatch)
    await lock.enter(header(), CLIENT)
    clock.running += REMEMBERED
    await lock.enter(header(), CLIENT)

    assert counting.calls == 2


async def test_no_credentials_are_no_guess(lock):
    """Some clients ask first and send the password when challenged."""
    asked = [await refused(lock, [], CLIENT) for _ in range(2 * FAILURES)]

    assert set(asked) == {401}
    await lock.enter(header(), CLIENT)


@pytest.mark.parametrize(
    "headers",
    [["Basic"], ["Basic "], ["Basic ?"], ["Basic YWRtaW4="], ["Digest x"], header() + header()],
    ids=["bare", "empty", "no base64", "no colon", "other kind", "two"],
)
async def test_what_is_no_basic_header_is_401(lock, headers):
    """Whatever it is."""
    assert await refused(lock, headers, CLIENT) == 401


async def test_a_wrong_user_with_the_right_password_is_wrong(lock):
    """And the other way round; a colon in the password is part of it."""
    assert await refused(lock, header(user="root"), CLIENT) == 401
    assert await refused(lock, header(PASSWORD + ":"), CLIENT) == 401


async def test_a_hash_that_is_none_lets_nobody_in(clock):
    """A slip in the configuration is no open door."""
    for stored in ("", "secret", "$argon2id$v=19$nonsense"):
        lock = Basic(Password(USER, stored, clock.monotonic), Clients(()), clock.monotonic)
        assert await refused(lock, header(), CLIENT) == 401
        assert await refused(lock, header(""), CLIENT) == 401


async def test_strangers_who_guess_do_not_make_clients_wait(lock, monkeypatch):
    """They have a turn of their own, and a bound on how many wait for it."""
    held, go = asyncio.Event(), asyncio.Event()
    real = Password.is_right

    async def slow(self, credentials):
        if credentials.endswith(b"guess"):
            held.set()
            await go.wait()
        return await real(self, credentials)

    monkeypatch.setattr(Password, "is_right", slow)
    waiting = [asyncio.create_task(refused(lock, header("guess"), f"203.0.113.{number}")) for number in range(WAITING)]
    await held.wait()
    one_too_many = await refused(lock, header("guess"), "203.0.113.200")
    await lock.enter(header(), CLIENT)
    go.set()

    assert one_too_many == 429
    assert set(await asyncio.gather(*waiting)) == {401}


def test_guesses_are_counted_by_address_and_ipv6_by_network(clock):
    """Whoever has a /64 has all its addresses; an address that is none counts too."""
    guesses = Guesses(clock.monotonic)
    for number in range(FAILURES):
        guesses.count(f"2001:db8::{number}")
        guesses.count("")

    assert guesses.wait("2001:db8::ffff:1") == 61
    assert guesses.wait("fe80::1%eth0") == 0
    assert guesses.wait("2001:db8:0:1::1") == 0
    assert guesses.wait("") == 61


def test_what_is_counted_is_bounded(clock, monkeypatch):
    """The oldest gives way."""
    monkeypatch.setattr(rfwaccess, "MAX_WATCHED", 4)
    guesses = Guesses(clock.monotonic)
    for _ in range(FAILURES):
        guesses.count("192.0.2.1")
    for number in range(4):
        guesses.count(f"198.51.100.{number}")

    assert guesses.wait("192.0.2.1") == 0
    assert MAX_WATCHED == 4_096


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.1", True),
        ("::ffff:192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8:1::5", True),
        ("2001:db8:2::5", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_clients_are_addresses_and_ranges(address, known):
    """An IPv4 address in IPv6 clothes is the same client."""
    clients = Clients([Prefix.parse(text).key for text in ("192.0.2.1/32", "2001:db8:1::/48")])

    assert clients.has(address) is known


async def test_over_the_wire_the_sixth_guess_is_429_with_the_seconds_to_wait():
    """As for tokens."""
    async with serving_rfw() as served:
        for _ in range(FAILURES):
            wrong = await served.ask("GET", "/list", headers=basic(password="guess"), credentials=False)
        late = await served.ask("GET", "/list", headers=basic(password="guess"), credentials=False)

    assert (wrong.status, late.status) == (401, 429)
    assert late.headers["Retry-After"] == "61"
    assert late.body == "ERROR: too many wrong passwords\r\n"
