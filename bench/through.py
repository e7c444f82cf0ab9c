"""What a packet costs on its way through the rule: with no rule, with sets of every size, and with one rule each.

A datagram is sent and received by one thread, so all of it (the sender's stack, two veth devices, the bridge, the
receiver's PREROUTING) happens within the two calls, and nothing else is waited for. Hosts take turns in short bursts;
the figure is the median over the bursts of one host, and differences are medians of the differences within a turn.
"""

import socket
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.material import SystemClock
from bench.measure import Scale
from bench.stage import Stage, stage
from bench.table import Row
from p2pfw.core.prefix import PrefixKey, v4_key
from p2pfw.demo.lab import Host
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import ProgramRunner

BURST = 500
TURNS = 12
"""Bursts a host and run."""
PORT = 7171
FIRST = 45 << 24
COMMIT = 500
MICRO = 1e6
APART = 0.5
"""Microseconds that a set may cost more than an empty one, whatever its size (enforcement)."""


@dataclass
class Lane:
    """One host that packets are sent to, and what they cost so far, a burst each, in microseconds."""

    host: Host
    ear: socket.socket
    took: list[float] = field(default_factory=list)


def packets(scale: Scale) -> Iterator[Row]:
    """Every kind of rule beside no rule."""
    with stage() as here:
        sender = here.bare.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sets = (0, scale.entries // 100, scale.entries, scale.million)
        rules = (scale.entries // 100, scale.entries // 10)
        lanes = {"no rule": _lane(here, "none")}
        for count in sets:
            lanes[f"our rule, {count:,} entries"] = _with_set(here, count)
        for count in rules:
            lanes[f"{count:,} rules, one an address"] = _with_rules(here, count)
        for _ in range(scale.runs * TURNS):
            for lane in lanes.values():
                lane.took.append(_burst(sender, lane))
        for lane in lanes.values():
            lane.ear.close()
        sender.close()
        yield from _rows(lanes, f"our rule, {sets[0]:,} entries")


def _rows(lanes: dict[str, Lane], empty: str) -> Iterator[Row]:
    none = lanes["no rule"].took
    for name, lane in lanes.items():
        if name == "no rule":
            continue
        ours = name.startswith("our rule")
        apart = _apart(lane.took, lanes[empty].took)
        yield Row(
            what=f"a packet: {name}",
            ours=f"{statistics.median(lane.took):.2f} µs",
            beside=f"no rule: {statistics.median(none):.2f} µs ({_apart(lane.took, none):+.2f})",
            ratio=f"{statistics.median(one / other for one, other in zip(lane.took, none, strict=True)):.2f}",
            target=f"{APART} µs above an empty set" if ours and name != empty else "",
            met=apart <= APART if ours and name != empty else None,
        )


def _apart(one: list[float], other: list[float]) -> float:
    return statistics.median(mine - others for mine, others in zip(one, other, strict=True))


def _burst(sender: socket.socket, lane: Lane) -> float:
    """Microseconds a packet, sent and received one after the other."""
    to, ear = (lane.host.address, PORT), lane.ear
    begin = time.perf_counter()
    for _ in range(BURST):
        sender.sendto(b"x", to)
        ear.recv(16)
    return (time.perf_counter() - begin) / BURST * MICRO


def _lane(here: Stage, name: str) -> Lane:
    host = here.fleet.lab.host(name)
    ear = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.settimeout(10.0)
    ear.bind((host.address, PORT))
    return Lane(host, ear)


def _keys(count: int) -> list[PrefixKey]:
    return [v4_key(FIRST + 3 * n, 32) for n in range(count)]


def _with_set(here: Stage, count: int) -> Lane:
    lane = _lane(here, f"set{count}")
    runner = ProgramRunner(through=lane.host.namespace.command([]))
    kernel = Kernel(runner, SetNames("p2pfw"), parse_hooks([DEFAULT_HOOK]), max_entries=1 << 20, clock=SystemClock())
    kernel.start()
    kernel.allow(frozenset())
    kernel.enforce()
    kernel.replace(dict.fromkeys(_keys(count), int(time.time()) + 86_400))
    return lane


def _with_rules(here: Stage, count: int) -> Lane:
    """What rfw builds: a rule for each address, in the same chain."""
    lane = _lane(here, f"rules{count}")
    rules = [f"-A PREROUTING -s {socket.inet_ntoa((key >> 8).to_bytes(4))} -j DROP\n" for key in _keys(count)]
    for at in range(0, count, COMMIT):  # more than some hundred are too long a message for nft
        text = f"*raw\n{''.join(rules[at : at + COMMIT])}COMMIT\n"
        lane.host.run(["iptables-restore", "--noflush"], text=text)
    return lane
