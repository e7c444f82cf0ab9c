"""p2pfw, CrowdSec and fail2ban in one run, each in a namespace of its own: `bench/beside.sh` provides the others.

One block until the first packet that is dropped; a list until all of it is in the set; then a restart with an empty
kernel, as after a reboot, until all of it is there again. What stands first is p2pfw's; the ratio is the other's to it.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measure import machine
from bench.rivals import PATIENCE, Announcing, CrowdSec, Fail2ban, Rival, holds
from bench.stage import Stage, stage
from bench.table import Row, markdown, plain
from p2pfw.demo.lab import Host
from tests.e2e.fleet import BLOCK_SETS, Server, until
from tests.e2e.packets import Ear, Mouth

RUNS = 5
LIST = 10_000
POLL = 0.02


class Ours:
    """A node of ours, seen as the others are."""

    name, set, polls = "p2pfw", BLOCK_SETS[0], 0.0

    def __init__(self, server: Server) -> None:
        self._server, self.host = server, server.host

    def start(self) -> None:
        """The process; its API answers, its rule stands."""
        self._server.start()

    def stop(self) -> None:
        """As systemd would."""
        self._server.stop()

    def block(self, address: str) -> None:
        """POST /v1/blocks, answered once it is on disk."""
        self._server.api.block(address)

    def block_all(self, addresses: Sequence[str]) -> None:
        """POST /v1/import."""
        self._server.api.request("POST", "/v1/import?ttl=4h", "\n".join(addresses).encode())


def beside(unpacked: Path, runs: int, count: int) -> Iterator[Row]:
    """Three rows for each of the others."""
    with stage() as here:
        ours, others = Ours(here.fleet.a), _others(here, unpacked)
        found = {rival.name: _measured(here, rival, runs, count) for rival in (ours, *others)}
        for rival in others:
            for what, took in found[rival.name].items():
                mine = found[ours.name][what]
                yield Row(
                    what=what,
                    ours=_text(mine),
                    beside=f"{rival.name}: {_text(took)}",
                    ratio=f"{statistics.median(took) / statistics.median(mine):,.0f}",
                )


def _others(here: Stage, unpacked: Path) -> tuple[Rival, ...]:
    made: list[Rival] = []
    for kind in (CrowdSec, Fail2ban):
        home = here.folder / kind.name
        home.mkdir()
        made.append(kind(here.fleet.lab.host(kind.name), home, unpacked))
    home = here.folder / "announcing"
    home.mkdir()
    made.append(Announcing(here.fleet.c, home, unpacked))
    return tuple(made)


def _measured(here: Stage, rival: Rival, runs: int, count: int) -> dict[str, list[float]]:
    rival.start()
    single = [f"45.80.0.{n + 1}" for n in range(runs)]
    many = [f"46.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)]
    here.fleet.attackers(*(set(single) - set(here.fleet.attacker.addresses)))
    took = {"one block → dropped": _singly(here, rival, single)}
    shell, total = here.shell(rival.host), runs + count

    def installed() -> bool:
        return holds(shell, rival, total)

    took[f"{count:,} → all installed"] = [_until(installed, lambda: rival.block_all(many))]
    rival.stop()
    _forget_kernel(rival.host)
    took[f"restart with {count:,} → all installed"] = [_until(installed, rival.start)]
    rival.stop()
    return took


def _forget_kernel(host: Host) -> None:
    """What a reboot does: some leave their rules and sets when they stop, some take them along."""
    for program in ("iptables", "ip6tables"):
        for table in ("raw", "filter"):
            host.run([program, "-w", "5", "-t", table, "-F"])
    host.run(["ipset", "destroy"])


def _singly(here: Stage, rival: Rival, addresses: Sequence[str]) -> list[float]:
    """Seconds each from the beginning of the command to the first lost packet."""
    mouth, ear, took = Mouth(here.fleet.attacker), Ear(rival.host), []
    chance = random.Random(len(addresses))
    for address in addresses:
        time.sleep(chance.random() * rival.polls)  # an attacker does not wait for the look that has just passed
        spent: list[float] = []

        def act(address: str = address, spent: list[float] = spent) -> None:
            begin = time.monotonic()
            rival.block(address)
            spent.append(time.monotonic() - begin)

        after = mouth.first_lost(address, ear, act)
        took.append(max(0.0, spent[0] + float(after)))
    mouth.close()
    ear.close()
    return took


def _until(fact: Callable[[], bool], act: Callable[[], object]) -> float:
    """Seconds from the beginning of `act` until the fact, which is looked at once `act` has returned."""
    begin = time.monotonic()
    act()
    until(fact, patience=PATIENCE)
    return time.monotonic() - begin


def _text(took: Sequence[float]) -> str:
    median = statistics.median(took)
    text = f"{median * 1000:.1f} ms" if median < 0.1 else f"{median:.2f} s"
    return f"{text} (most {max(took):.2f} s)" if len(took) > 1 and max(took) >= 0.1 else text


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="bench/beside.sh", description="p2pfw beside CrowdSec and fail2ban.")
    parser.add_argument("unpacked", type=Path, help="where the others' packages are unpacked")
    parser.add_argument("--runs", type=int, default=RUNS, help="single blocks")
    parser.add_argument("--list", type=int, default=LIST, help="entries of the list")
    parser.add_argument("--markdown", action="store_true", help="rows for docs/benchmarks.md")
    given = parser.parse_args()
    before = machine()
    rows = list(beside(given.unpacked, given.runs, given.list))
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {before}\n")
    print(markdown(rows) if given.markdown else plain(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
