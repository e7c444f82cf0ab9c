"""The enforcer beside a dictionary: random requests, foreign commands, deaths; after each step both are equal."""

import random
import socket
import threading
import time
from pathlib import Path

import pytest

from p2pfw.core.prefix import Prefix, key_text, overlaps, truncate, v4_key, v6_key
from p2pfw.demo.lab import Lab
from p2pfw.errors import FirewallError
from p2pfw.firewall.enforcer.guard import Guard
from p2pfw.firewall.enforcer.remote import RemoteKernel
from p2pfw.firewall.enforcer.serving import Desk, serve
from tests.kernel.firewalls import Box, SystemClock, key, until
from tests.scale import trials

STEPS = trials(200, 5_000)
ROOM = 2_000
OWN = key("198.51.100.7")
HOUR = 3_600
LATE = 2
"""Seconds by which an entry may outlive its end (I4)."""


class Twin:
    """The enforcer in a thread, the node's way to it, and what should be in the kernel."""

    def __init__(self, box: Box, seed: int) -> None:
        self.box, self.chance = box, random.Random(seed)
        self.guard = Guard(ROOM, 0.0, [OWN])
        self.block: dict[int, int] = {}
        self.allowed: frozenset[int] = frozenset()
        self.connections: list[socket.socket] = []
        self._desk = self._fresh()
        self.remote = RemoteKernel(self._connect, ROOM, time.time)
        self.remote.start()
        self.allow()
        self.remote.enforce()

    def _fresh(self) -> Desk:
        return Desk(self.box.kernel(room=ROOM), ROOM, SystemClock(), lambda: [OWN])

    def _connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        threading.Thread(target=serve, args=(theirs, self._desk), daemon=True).start()
        self.connections.append(ours)
        return ours

    # --- steps -----------------------------------------------------------------------------------------------------

    def some(self, most: int = 12) -> dict[int, int]:
        """Entries, some of which may never go in."""
        found: dict[int, int] = {}
        for _ in range(self.chance.randrange(most)):
            length = self.chance.choice([6, 8, 16, 24, 32, 32, 32])
            address = self.chance.choice([45, 46, 127, 198]) << 24 | self.chance.getrandbits(24)
            wide = truncate(v4_key(address, 32), length)
            six = truncate(
                v6_key(0x2A << 120 | self.chance.getrandbits(40) << 80, 128), self.chance.choice([32, 48, 64])
            )
            wanted = self.chance.choice([wide, six, OWN, self.chance.choice([*self.block, OWN])])
            found[wanted] = int(time.time()) + self.chance.choice([2, 60, HOUR, 24 * HOUR])
        return found

    def enter(self, wanted: dict[int, int]) -> None:
        """What of it should be there from now on."""
        self.block |= {one: end for one, end in wanted.items() if self.guard.objection(one) is None}

    def apply(self) -> None:
        add = self.some()
        gone = [one for one in self.block if self.chance.random() < 0.1 and one not in add]
        short = self.remote.apply(add, gone)
        assert short.refused.keys() == {one for one in add if self.guard.objection(one) is not None}
        self.enter(add)
        for one in gone:
            del self.block[one]

    def replace(self) -> None:
        wanted = self.some(60)
        self.remote.replace(wanted)
        self.block = {}
        self.enter(wanted)

    def allow(self) -> None:
        """As the node does it: the allow set first, then what overlaps it leaves the block set."""
        self.allowed = frozenset(
            self.chance.choice([45, 46]) << 32 | self.chance.getrandbits(8) << 24 | 16 for _ in range(2)
        )
        self.remote.allow(self.allowed)
        self.guard.allow(self.allowed)
        gone = [one for one in self.block if any(overlaps(one, other) for other in self.allowed)]
        self.remote.apply({}, gone)
        for one in gone:
            del self.block[one]

    def foreign(self) -> None:
        """Another administrator; the node notices, and writes everything again."""
        flush = "ipset flush p2pfw-block4; ipset flush p2pfw-allow4"
        remove = "iptables -t raw -F; ip6tables -t raw -F"
        self.box.sh(self.chance.choice([flush, remove, f"{remove}; ipset destroy", "nft flush ruleset"]))
        self.remote.check(0, 0)
        self.remote.replace(self.block)

    def die(self) -> None:
        """The enforcer is another one from now on."""
        for one in self.connections:
            one.shutdown(socket.SHUT_RDWR)
        self.connections.clear()
        self._desk = self._fresh()
        with pytest.raises(FirewallError):
            self.remote.check(0, 0)
        self.remote.enforce()

    def release(self) -> None:
        self.remote.release()
        assert self.box.sets() == []
        self.block = {}
        self.remote.allow(self.allowed)
        self.remote.enforce()

    def refuse(self) -> None:
        """Too much at once: the last good state stays."""
        with pytest.raises(FirewallError, match="quarter of the internet"):
            self.remote.replace(
                {v4_key(number << 24, 8): int(time.time()) + HOUR for number in range(11, 100) if number != 45}
            )

    def step(self) -> None:
        names, weights = zip(*STEP_WEIGHTS.items(), strict=True)
        getattr(self, self.chance.choices(names, weights)[0])()

    # --- what must be so ---------------------------------------------------------------------------------------------

    def agrees(self) -> None:
        """Members and ends are the model's (I4), nothing that must not be is in (I3), and the rule stands."""
        now = time.time()
        held = self.remote.membership()
        wanted = {one: end for one, end in self.block.items() if end > now - LATE}
        assert held.keys() <= wanted.keys(), [key_text(one) for one in held.keys() - wanted.keys()]
        missing = {one for one, end in wanted.items() if end > now + LATE} - held.keys()
        assert not missing, [key_text(one) for one in missing]
        assert all(abs(held[one] - wanted[one]) <= LATE for one in held)
        hard = [*self.allowed, OWN, Prefix.parse("127.0.0.0/8").key]
        assert not [one for one in held if any(overlaps(one, other) for other in hard)]
        assert self.remote.check(0, 0).enforcing


STEP_WEIGHTS = {"apply": 40, "replace": 10, "allow": 10, "foreign": 6, "die": 4, "release": 3, "refuse": 3}


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Box:
    """One host."""
    return Box(lab.host("victim"), tmp_path)


def test_the_kernel_equals_a_dictionary_after_every_step(box: Box):
    """Changes, replacements, whitelist edits, refusals, foreign commands, deaths of the enforcer, panics."""
    twin = Twin(box, seed=5)
    for _ in range(STEPS):
        twin.step()
        twin.agrees()
    until(lambda: all(end > time.time() for end in twin.remote.membership().values()))
    twin.remote.close()
