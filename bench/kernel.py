"""Changes of a kernel set of 100,000: by netlink, as the node makes them, beside one run of the ipset program."""

import socket
import statistics
import time
from collections.abc import Callable, Iterator

from bench.material import SystemClock, hosts
from bench.measure import Scale, paired, wall
from bench.stage import stage
from bench.table import Row
from p2pfw.firewall.kernel import Kernel
from p2pfw.firewall.names import SetNames
from p2pfw.firewall.netlink import NETLINK_NETFILTER, IpsetLink
from p2pfw.firewall.rules import DEFAULT_HOOK, parse_hooks
from p2pfw.firewall.runner import ProgramRunner

TURNS = 20
"""Changes a run."""


def changes(scale: Scale) -> Iterator[Row]:
    """One entry, then a thousand, among as many as `entries`."""
    with stage() as here:
        host = here.fleet.a.host
        link = IpsetLink(host.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
        runner = ProgramRunner(through=host.namespace.command([]))
        hooks, clock = parse_hooks([DEFAULT_HOOK]), SystemClock()
        kernel = Kernel(runner, SetNames("p2pfw"), hooks, max_entries=1 << 21, clock=clock, link=link)
        kernel.start()
        kernel.allow(frozenset())
        kernel.replace(dict.fromkeys(hosts(scale.entries), _soon()))
        shell, fresh = here.shell(host), iter(hosts(scale.runs * TURNS * 2_200, 2 * scale.entries))
        for count, target in ((1, None), (1_000, 0.030)):
            path = here.folder / f"change{count}"

            def ours(count: int = count) -> float:
                batches = [dict.fromkeys((next(fresh) for _ in range(count)), _soon()) for _ in range(TURNS)]
                return _median([lambda one=one: kernel.apply(one, []) for one in batches])  # type: ignore[misc]

            def program(count: int = count, path: object = path) -> float:
                lines = [f"add p2pfw-block4 44.{n >> 8}.{n & 255}.1 timeout 600" for n in range(count)]
                here.folder.joinpath(f"change{count}").write_text("\n".join(lines) + "\n")
                return _median([lambda: shell.run(f"ipset -exist restore < {path}")] * TURNS)

            pair = paired(scale.runs, ours, program)
            yield Row(
                what=f"a change of {count:,} among {scale.entries:,}, in the kernel",
                ours=f"{pair.ours * 1000:.2f} ms",
                beside=f"ipset restore: {pair.other * 1000:.2f} ms",
                ratio=f"{pair.ratio:.2f}",
                target="30 ms" if target else "",
                met=pair.ours <= target if target else None,
            )


def _median(calls: list[Callable[[], object]]) -> float:
    return statistics.median(wall(call) for call in calls)


def _soon() -> int:
    return int(time.time()) + 3_600
