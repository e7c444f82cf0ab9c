"""From the request to the first packet that is dropped: on the same machine, and on a neighbour's.

A probe a millisecond from the address in question, real packets into real kernels. `ipset add` and `iptables -A` take
the same way, each as one program started by a shell that waits for it.
"""

import time
from collections.abc import Callable, Iterator

from bench.measure import Scale, spread
from bench.stage import BARE_SET, CREATE, Shell, Stage, stage
from bench.table import Row
from tests.e2e.latency import measure, percentile
from tests.e2e.packets import Ear, Mouth


def local(scale: Scale) -> Iterator[Row]:
    """POST /v1/blocks on A until A's kernel drops, beside what an administrator types."""
    with stage() as here:
        here.only(here.fleet.a)
        mouth, ear, bare_ear = Mouth(here.fleet.attacker), Ear(here.fleet.a.host), Ear(here.bare)
        shell = _bare_firewall(here)
        api = here.fleet.a.api
        sources = {name: _sources(scale, network) for name, network in (("ours", 60), ("ipset", 61), ("iptables", 62))}
        for addresses in sources.values():
            here.fleet.attackers(*addresses)
        took: dict[str, list[float]] = {name: [] for name in sources}
        for ours, added, ruled in zip(*sources.values(), strict=True):
            took["ours"].append(_until_dropped(mouth, ours, ear, lambda one=ours: api.block(one, wait=True)))
            add = f"ipset add {BARE_SET} {added} timeout 3600"
            took["ipset"].append(_until_dropped(mouth, added, bare_ear, lambda one=add: shell.run(one)))
            rule = f"iptables -w -t raw -A PREROUTING -s {ruled} -j DROP"
            took["iptables"].append(_until_dropped(mouth, ruled, bare_ear, lambda one=rule: shell.run(one)))
        yield _local_row("ipset add", took["ours"], took["ipset"])
        yield _local_row("iptables -A", took["ours"], took["iptables"])
        for one in (mouth, ear, bare_ear):
            one.close()


def neighbour(scale: Scale) -> Iterator[Row]:
    """The answer on A until C, of another owner, drops."""
    with stage() as here:
        here.fleet.start()
        mouth, ear = Mouth(here.fleet.attacker), Ear(here.fleet.c.host)
        took = measure(here.fleet, mouth, ear, blocks=scale.blocks, networks=scale.networks)
        yield Row(
            what=f"A's answer → dropped on C, {scale.blocks} blocks over {scale.networks} /24s",
            ours=spread(took),
            beside="nothing: bare programs have no neighbour",
            target="p50 20, p99 100 ms",
            met=percentile(took, 50) <= 20 and percentile(took, 99) <= 100,
        )
        mouth.close()
        ear.close()


def _bare_firewall(here: Stage) -> Shell:
    shell = here.shell(here.bare)
    shell.run(f"ipset {CREATE}")
    shell.run(f"iptables -w -t raw -A PREROUTING -m set --match-set {BARE_SET} src -j DROP")
    return shell


def _sources(scale: Scale, network: int) -> list[str]:
    return [f"45.{network}.{n % scale.networks}.{1 + n // scale.networks}" for n in range(scale.blocks)]


def _until_dropped(mouth: Mouth, source: str, ear: Ear, act: Callable[[], object]) -> float:
    """Milliseconds from the beginning of `act` to the first lost probe."""
    took: list[float] = []

    def timed() -> None:
        begin = time.monotonic()
        act()
        took.append(time.monotonic() - begin)

    after = mouth.first_lost(source, ear, timed)
    return max(0.0, 1000 * (took[0] + float(after)))


def _local_row(name: str, ours: list[float], other: list[float]) -> Row:
    return Row(
        what=f"POST a block → dropped here, beside one {name}",
        ours=spread(ours),
        beside=f"{name}: {spread(other)}",
        ratio=f"{percentile(ours, 50) / max(percentile(other, 50), 0.1):.1f}",
        target="p50 5, p99 30 ms",
        met=percentile(ours, 50) <= 5 and percentile(ours, 99) <= 30,
    )
