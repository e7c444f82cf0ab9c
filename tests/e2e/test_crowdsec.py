"""CrowdSec's unmodified firewall bouncer beside a real node, in a namespace; and a client that asks ten times a second.

What counts is what the bouncer's own sets hold: exactly what the node adopted, with what is left of its time.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.e2e.bouncer import API, Bouncer, Follower, adopted
from tests.e2e.fleet import Server, until
from tests.e2e.shapes import firehol
from tests.scale import trials

FEW, MANY = 2_000, 100_000


@pytest.fixture
def key(lone: Server) -> str:
    """A node with its HTTP listener, and a key for a bouncer."""
    lone.extra = ""
    lone.write_config()
    text = lone.config.read_text().replace('http = ""', f'http = "{API}"')
    lone.config.write_text(text)
    lone.start()
    return lone.cli("token", "add", "bouncer", "--scope", "feeds").stdout.strip().splitlines()[-1]


@pytest.fixture(params=["iptables", "nftables"])
def bouncer(lone: Server, key: str, request: pytest.FixtureRequest) -> Iterator[Bouncer]:
    """Debian's, started on an empty list, in each of its modes."""
    made = Bouncer(lone, key, mode=request.param)
    try:
        yield made.start()
    finally:
        made.stop()


def test_the_bouncers_sets_hold_exactly_what_the_node_adopted(lone: Server, bouncer: Bouncer):
    """From an empty list on: hosts and ranges of both families, ends, and a restart of the node."""
    lone.api.block("203.0.113.9", "198.51.100.0/24", "2001:db8:7::9", "2001:db8:8::/48", wait=False)
    lone.cli("block", "192.0.2.77", "--ttl", "forever")
    bouncer.follows()
    left = bouncer.members()
    assert len(left) == 5
    assert all(0 < seconds <= 2_147_483 for seconds in left.values())

    lone.cli("unblock", "203.0.113.9")
    lone.cli("unblock", "2001:db8:8::/48")
    bouncer.follows()
    assert len(bouncer.members()) == 3

    lone.stop()
    lone.start()
    lone.cli("block", "203.0.113.10")
    bouncer.follows()
    assert len(bouncer.members()) == 4


@pytest.mark.timeout(1_800)  # the bouncer starts ipset for each entry
@pytest.mark.parametrize("mode", ["iptables", "nftables"])
def test_a_bouncer_that_starts_beside_a_long_list_has_all_of_it(lone: Server, key: str, mode: str):
    """As many as it is told to take (`ipset_size`); by itself its sets of ipset hold 65,536."""
    text, members = firehol(trials(FEW, MANY))
    lone.api.request("POST", "/v1/import?format=plain&ttl=1d", text.encode())
    bouncer = Bouncer(lone, key, mode=mode)
    try:
        bouncer.start()
        wanted = bouncer.expected()
        until(lambda: bouncer.alive() and bouncer.count() >= len(wanted), patience=1_200)
        assert adopted(lone) == members
        assert bouncer.members().keys() == wanted
    finally:
        bouncer.stop()


@pytest.mark.parametrize("run", range(trials(1, 20)))
def test_a_client_that_asks_during_an_import_misses_nothing(
    lone: Server, key: str, figure: Callable[[str], None], run: int
):
    """Ten times a second during an import, of which a part is taken back: it knows what is adopted, and no more."""
    text, members = firehol(trials(10_000, MANY), seed=run + 1)
    taken_back, done = sorted(members)[:50], threading.Event()

    def change():
        lone.api.request("POST", "/v1/import?format=plain&ttl=1d", text.encode())
        for one in taken_back:
            lone.api.unblock(one, scope="own")
        done.set()

    with closing(Follower(lone, key)) as follower:
        changing = threading.Thread(target=change)
        changing.start()
        while not done.wait(0.1):
            follower.ask()
        changing.join()
        until(lambda: follower.ask() == 0)

    assert follower.values == adopted(lone) == members - set(taken_back)
    figure(f"{len(members)} imported, asked {follower.asked} times: 0 lost")
