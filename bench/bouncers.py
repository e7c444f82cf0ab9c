"""What bouncers ask, beside CrowdSec's own local API in one run: `bench/beside.sh` unpacks it; without it ours alone.

Whether one address is blocked, and the whole list as at a bouncer's start, both by wrk on the same machine; and what a
hundred start-ups at once, of a list of 300,000, cost in memory.
"""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Scale
from bench.rivals import KEY, CrowdSec
from bench.stage import Shell, Stage, stage
from bench.table import Row, number
from p2pfw.demo.lab import Host
from tests.e2e.fleet import Server, until
from tests.e2e.shapes import firehol

UNPACKED = Path(__file__).parents[1] / "build/beside/unpacked"
OURS, THEIRS = "127.0.0.1:7788", "127.0.0.1:8080"
PULLS = 100
"""Bouncers that start at once."""
GROWTH = 200 << 20
"""Bytes above idle that they may cost."""
IMPORT = "/v1/import?format=plain&ttl=1d&local_only=1"


def crowdsec(scale: Scale) -> Iterator[Row]:
    """Questions and start-ups at the size of the usual list, then the memory at three times that."""
    if shutil.which("wrk") is None:
        yield Row(what="bouncers", ours="wrk is not installed")
        return
    with stage() as here:
        server = here.fleet.a
        key = _serving(here, server)
        text, members = firehol(scale.entries)
        _import(server, text)
        shell = here.shell(server.host)
        asked = min(members)
        theirs = _theirs(here, sorted(members))
        for what, path, connections in (
            (f"GET /v1/decisions?ip= of {scale.entries:,}", f"/v1/decisions?ip={asked}", 8),
            (f"start-up pulls of {scale.entries:,}", "/v1/decisions/stream?startup=true", 4),
        ):
            ours = _rate(shell, f"http://{OURS}{path}", key, connections)
            other = _rate(here.shell(theirs.host), f"http://{THEIRS}{path}", KEY, connections) if theirs else 0.0
            yield Row(
                what=f"{what}, by wrk, {connections} connections",
                ours=f"{number(ours)}/s",
                beside=f"CrowdSec's local API: {number(other)}/s" if theirs else "",
                ratio=f"{ours / other:.1f}" if other else "",
                target="more than theirs",
                met=ours > other if theirs else None,
            )
        if theirs:
            theirs.stop()
    yield from start_ups(scale)


def start_ups(scale: Scale) -> Iterator[Row]:
    """Memory of the node while so many take the whole list, above what it had before."""
    entries = 3 * scale.entries
    with stage() as here:
        server = here.fleet.a
        key = _serving(here, server)
        _import(server, firehol(entries)[0])
        before, peak = _at_rest(server), _Peak(server)
        pulls = [_pull(server.host, key) for _ in range(PULLS)]
        sizes = {int(one.communicate()[0]) for one in pulls}
        grown = peak.stop() - before
        assert min(sizes) > entries * 100, f"a start-up got {min(sizes)} bytes"
    yield Row(
        what=f"{PULLS} start-ups of {entries:,} at once: memory above idle",
        ours=f"{grown / (1 << 20):.0f} MB over {before / (1 << 20):.0f} MB",
        target="200 MB",
        met=grown <= GROWTH,
    )


def _serving(here: Stage, server: Server) -> str:
    """A node that listens on HTTP, and a bouncer's key."""
    server.mode = "observe"
    server.write_config()
    server.config.write_text(server.config.read_text().replace('http = ""', f'http = "{OURS}"'))
    here.only(server)
    made = server.cli("token", "add", "bench", "--scope", "feeds", "--rate", "1000000")
    return made.stdout.strip()


def _import(server: Server, text: str) -> None:
    answer = server.api.request("POST", IMPORT, text.encode())
    assert answer.status == 200, answer.text[-500:]
    wanted = sum(not line.startswith("#") for line in text.splitlines())
    until(lambda: server.api.status()["adopted"] >= wanted, patience=300)


def _theirs(here: Stage, members: list[str]) -> CrowdSec | None:
    """Their local API with the same list, without a bouncer."""
    if not (UNPACKED / "usr/bin/crowdsec").exists():
        return None
    home = here.folder / "crowdsec"
    home.mkdir()
    rival = CrowdSec(here.bare, home, UNPACKED)
    rival.start_api()
    rival.block_all(members)
    return rival


def _rate(shell: Shell, url: str, key: str, connections: int) -> float:
    """Whole answers a second; any other status is an error."""
    lines = shell.run(f"wrk -t1 -c{connections} -d10s --timeout 60s -H 'X-Api-Key: {key}' '{url}'")
    assert not any("Non-2xx" in line for line in lines), lines
    return next(float(line.split()[1]) for line in lines if line.startswith("Requests/sec"))


def _pull(host: Host, key: str) -> "subprocess.Popen[bytes]":
    """One start-up; prints how many bytes came."""
    url = f"http://{OURS}/v1/decisions/stream?startup=true"
    line = ["curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", "-H", f"X-Api-Key: {key}", url]
    return host.popen(line, stdout=subprocess.PIPE)


def _at_rest(server: Server) -> int:
    """Once the node has given back what the import needed."""
    lowest: list[int] = []

    def settled() -> bool:
        lowest.append(server.resident())
        return len(lowest) > 500 and min(lowest[-200:]) >= min(lowest[:-200])

    until(settled, patience=120)
    return server.resident()


class _Peak:
    """Looks at a node's memory until it is stopped."""

    def __init__(self, server: Server) -> None:
        self._server, self._over, self._most = server, threading.Event(), 0
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> int:
        """The most that there was."""
        self._over.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, self._server.resident())
