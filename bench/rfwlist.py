"""`GET /list` as rfw's clients ask for it: 5,000 rules, half of them blocks, half rules of this machine alone.

Beside it stands what rfw runs for its own list, `iptables -n -L -v -x --line-numbers` over as many rules; rfw then
parses that, which costs it as much again, and answers nobody meanwhile.
"""

import http.client
import json
import socket
from collections.abc import Iterator

from bench.measure import Scale, paired, wall
from bench.stage import Shell, Stage, stage
from bench.table import Row
from p2pfw.demo.lab import Host

LISTED = 5_000
PORT = 7390
BATCH = 500
"""A commit of many more is too long a message where root is not the machine's own."""


def listing(scale: Scale) -> Iterator[Row]:
    """Whole answers over one kept connection, from the request to the last byte, read as JSON afterwards."""
    half = min(LISTED, scale.entries) // 2
    with stage() as here:
        connection = _filled(here, half)
        shell = here.shell(here.bare)
        for start in range(0, 2 * half, BATCH):
            shell.run(f"iptables-restore --noflush <<'END'\n{_rules(start, min(start + BATCH, 2 * half))}END")
        rows = json.loads(_listed(connection))
        assert len(rows) == 2 * half, f"{len(rows)} rows"
        pair = paired(scale.runs, lambda: wall(lambda: _listed(connection)), lambda: _iptables(shell))
        size = len(_listed(connection)) // 1000
        yield Row(
            what=f"GET /list of {2 * half:,} rules, rfw's API",
            ours=f"{pair.ours * 1000:.0f} ms, {size} kB",
            beside=f"iptables -L alone: {pair.other * 1000:.0f} ms",
            ratio=f"{pair.ratio:.2f}",
            target="100 ms",
            met=pair.ours <= 0.1,
        )


def _filled(here: Stage, half: int) -> http.client.HTTPConnection:
    """A node with so many blocks and so many rules, and a connection to its local door."""
    server = here.fleet.a
    server.extra = f'[api.rfw]\nenabled = true\nlisten = ""\nlocal_listen = "127.0.0.1:{PORT}"\n'
    here.only(server)
    blocks = [f"45.70.{n // 250}.{1 + n % 250}" for n in range(half)]
    for start in range(0, half, BATCH):
        server.api.block(*blocks[start : start + BATCH], wait=True)
    connection = _connection(server.host)
    for number in range(half):
        _ask(connection, "PUT", f"/reject/input/eth0/46.70.{number // 250}.{1 + number % 250}")
    _ask(connection, "PUT", "/reject/input/eth0/46.70.0.1?wait=true")
    return connection


def _connection(host: Host) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.sock = host.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.sock.connect(("127.0.0.1", PORT))
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _listed(connection: http.client.HTTPConnection) -> bytes:
    return _ask(connection, "GET", "/list")


def _ask(connection: http.client.HTTPConnection, method: str, path: str) -> bytes:
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    return body


def _iptables(shell: Shell) -> float:
    return wall(lambda: shell.run("iptables -n -L -v -x --line-numbers > /dev/null"))


def _rules(start: int, end: int) -> str:
    lines = [f"-A INPUT -s 45.70.{n // 250}.{1 + n % 250} -j DROP" for n in range(start, end)]
    return "\n".join(["*filter", *lines, "COMMIT", ""])
