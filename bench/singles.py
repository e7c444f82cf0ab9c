"""A thousand blocks, one after another and as one list, each answered when the kernel has it.

Beside what rfw does for each (one iptables process, one more linear rule) and beside bare ipset.
"""

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.measure import Scale, spread
from bench.stage import BARE_SET, CREATE, stage
from bench.table import Row
from tests.e2e.fleet import until
from tests.e2e.latency import percentile

COUNT = 1_000


def singles(scale: Scale) -> Iterator[Row]:
    """POST /v1/blocks with `wait`, by one client over one connection."""
    count = min(COUNT, scale.requests)
    with stage() as here:
        here.only(here.fleet.a)
        until(lambda: here.fleet.a.api.status()["enforcing"])
        shell = here.shell(here.bare)
        shell.run(f"ipset {CREATE}")
        with KeptAlive(here.fleet.a.api.path) as api:
            ours = _each(_hosts(count, 47), lambda one: api.block(prefix=one, wait=True))
            ruled = _each(_hosts(count, 48), lambda one: shell.run(f"iptables -w -I INPUT -s {one} -j DROP"))
            added = _each(_hosts(count, 49), lambda one: shell.run(f"ipset add {BARE_SET} {one} timeout 3600"))
            for name, other in (("one iptables process each, as rfw", ruled), ("one ipset process each", added)):
                yield Row(
                    what=f"{count:,} single blocks by one client, each in the kernel",
                    ours=spread(ours),
                    beside=f"{name}: {spread(other)}",
                    ratio=f"{percentile(ours, 50) / percentile(other, 50):.2f}",
                    target="p50 5, p99 30 ms",
                    met=percentile(ours, 50) <= 5 and percentile(ours, 99) <= 30,
                )
            lists = [_hosts(count, 50 + turn) for turn in range(scale.runs)]
            whole = _each(lists, lambda one: api.block(prefixes=one, wait=True))
            files = [_restore_file(here.folder / f"list{turn}", one) for turn, one in enumerate(lists)]
            restored = _each(files, lambda one: shell.run(f"ipset -exist restore < {one}"))
            yield Row(
                what=f"{count:,} blocks as one list, in the kernel",
                ours=f"{percentile(whole, 50):.0f} ms",
                beside=f"ipset restore: {percentile(restored, 50):.0f} ms; rfw's way: {sum(ruled):.0f} ms",
                ratio=f"{percentile(whole, 50) / percentile(restored, 50):.1f}",
                target="100 ms",
                met=percentile(whole, 50) <= 100,
            )


class KeptAlive:
    """A client that keeps its connection, as a detector would."""

    def __init__(self, path: Path) -> None:
        self._connection = http.client.HTTPConnection("localhost")
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.connect(str(path))

    def __enter__(self) -> "KeptAlive":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def block(self, **fields: object) -> None:
        """AssertionError unless it worked."""
        body = json.dumps({**fields, "ttl": "1h"})
        self._connection.request("POST", "/v1/blocks", body, {"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status == 201, said


def _hosts(count: int, first: int) -> list[str]:
    return [f"{first}.{n % 250}.{n // 250}.7" for n in range(count)]


def _restore_file(path: Path, hosts: Sequence[str]) -> Path:
    path.write_text("".join(f"add {BARE_SET} {one} timeout 3600\n" for one in hosts))
    return path


def _each(arguments: Sequence[object], act: Callable[..., object]) -> list[float]:
    """Milliseconds of each call."""
    took = []
    for one in arguments:
        begin = time.perf_counter()
        act(one)
        took.append(1000 * (time.perf_counter() - begin))
    return took
