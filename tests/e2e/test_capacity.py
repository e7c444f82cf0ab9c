"""More is adopted than a set may hold: told before it happens, never called installed, and room that opens is used."""

import os

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.netns import lab_or_skip

ROOM = 1_024
"""The least that enforcer.max_entries may be."""
ENVIRONMENT = {"P2PFW_ENFORCER__MAX_ENTRIES": str(ROOM), "P2PFW_ENFORCER__AUDIT_INTERVAL": "5s"}


@pytest.fixture
def small(tmp_path):
    """A node whose sets are small."""
    tmp_path.chmod(0o700)
    with lab_or_skip() as lab:
        server = Server(lab.host("A"), tmp_path, Owner(tmp_path))
        try:
            server.start(env={**os.environ, **ENVIRONMENT})
            until(lambda: server.api.status()["enforcing"])
            yield server
        finally:
            server.close()


def hosts(first, count):
    """So many addresses, a few in each network."""
    return [f"64.{n % 250}.{n // 250}.9" for n in range(first, first + count)]


def full(server):
    """The line of health about it."""
    return next((line for line in server.api.status()["health"] if line["code"] == "full"), None)


def test_a_set_that_fills_up_is_told_and_nothing_is_pretended(small):
    """Eighty percent: a warning. Beyond the limit: an error, and what found no room is not called dropped."""
    small.api.block(*hosts(0, 800), ttl="1d", wait=True)
    assert full(small) is None
    small.api.block(*hosts(800, 50), ttl="1d", wait=True)
    assert full(small)["level"] == "warning"

    first, more = hosts(0, 850), hosts(850, 450)
    small.api.block(*more, ttl="1d", wait=True)
    until(lambda: (full(small) or {}).get("level") == "error")
    held = small.installed().keys()
    assert len(held) == ROOM
    assert f"{1_300 - ROOM} adopted prefixes" in full(small)["text"]
    left = [one for one in (*first, *more) if one not in held]
    assert not any(small.api.why(one)["dropped"] for one in left[:20])
    assert all(small.api.why(one)["dropped"] for one in list(held)[:20])
    assert small.api.status()["enforcing"]

    for one in first[:300]:
        small.api.unblock(one)
    until(lambda: set(small.installed()) == {*first[300:], *more})
    until(lambda: (full(small) or {}).get("level") == "warning")
    assert small.api.status()["drift"] == {}


def test_a_larger_limit_grows_the_sets_as_they_are(small):
    """After a restart, by a bigger set that is swapped in: nothing that was held is gone for an instant."""
    small.api.block(*hosts(0, ROOM), ttl="1d", wait=True)
    held = small.installed().keys()
    small.stop()
    small.start()
    until(lambda: small.api.status()["enforcing"])
    small.api.block(*hosts(ROOM, 500), ttl="1d", wait=True)

    assert held <= small.installed().keys()
    assert len(small.installed()) == ROOM + 500
    assert full(small) is None
