"""Local clients: `why` over REST as fast as one core answers, and `p2pfw test` as fast as a program can start."""

import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.asker import ASKED
from bench.measure import Scale, paired, wall
from bench.stage import Stage, child_json, cpu_seconds, stage
from bench.table import Row, number
from tests.e2e.fleet import Server

CONNECTIONS = 8
LOOPBACK = "127.0.0.1:7788"
BLOCKED = 256
"""Half of what is asked for."""


def why(scale: Scale) -> Iterator[Row]:
    """One client process; the node's own CPU time says what a core could do if the client cost nothing."""
    with stage() as here:
        server = here.fleet.a
        _with_loopback(server)
        here.only(server)
        server.api.block(*(f"45.70.{n // 128}.{1 + n % 128}" for n in range(ASKED)[:BLOCKED]), wait=True)
        bare = _bare(here, scale)
        for name, address in (("unix socket", str(server.api.path)), ("loopback", LOOPBACK)):
            yield _why_row(name, _rates(server, address, scale), bare)
        if shutil.which("wrk"):
            yield from _wrk_rows(here, server, bare)


def command(scale: Scale) -> Iterator[Row]:
    """`p2pfw test ADDRESS`, from nothing to the exit status."""
    with stage() as here:
        server = here.fleet.a
        here.only(server)
        server.api.block("45.70.0.1", wait=True)
        ours, bare = _test_command(server), [sys.executable, "-c", "pass"]
        pair = paired(scale.calls, lambda: _run(ours), lambda: _run(bare))
        yield Row(
            what="p2pfw test ADDRESS",
            ours=f"{pair.ours * 1000:.0f} ms",
            beside=f"python -c pass: {pair.other * 1000:.0f} ms",
            ratio=f"{pair.ratio:.1f}",
            target="80 ms",
            met=pair.ours <= 0.08,
        )


def _with_loopback(server: Server) -> None:
    folder = server.folder / "conf.d"
    folder.mkdir()
    (folder / "bench.toml").write_text(f'[api]\nhttp = "{LOOPBACK}"\n')


def _bare(here: Stage, scale: Scale) -> tuple[float, float]:
    """The same client against aiohttp with a constant answer."""
    path = here.folder / "bare.sock"
    serving = subprocess.Popen([sys.executable, "-m", "bench.bare_web", str(path)], stdout=subprocess.PIPE)
    try:
        assert serving.stdout is not None
        assert serving.stdout.readline() == b"ready\n"
        return _median_rates(lambda: _asked([], str(path), scale), serving.pid, scale)
    finally:
        serving.kill()
        serving.communicate()


def _rates(server: Server, address: str, scale: Scale) -> tuple[float, float]:
    assert server.process is not None
    return _median_rates(lambda: _asked(server.host.namespace.command([]), address, scale), server.process.pid, scale)


def _median_rates(ask: Callable[[], dict[str, float]], pid: int, scale: Scale) -> tuple[float, float]:
    """(requests a second by the clock, requests a CPU second of the server)."""
    by_clock, by_cpu = [], []
    ask()
    for _ in range(scale.runs):
        before = cpu_seconds(pid)
        told = ask()
        by_clock.append(told["requests"] / told["seconds"])
        by_cpu.append(told["requests"] / max(cpu_seconds(pid) - before, 0.01))
    return statistics.median(by_clock), statistics.median(by_cpu)


def _asked(through: list[str], address: str, scale: Scale) -> dict[str, float]:
    line = [*through, sys.executable, "-m", "bench.asker", address, str(scale.requests), str(CONNECTIONS)]
    return child_json(subprocess.Popen(line, stdout=subprocess.PIPE))


def _why_row(name: str, ours: tuple[float, float], bare: tuple[float, float]) -> Row:
    return Row(
        what=f"why over REST, kept alive, {name}, {CONNECTIONS} connections",
        ours=f"{number(ours[0])}/s ({number(ours[1])} a CPU second)",
        beside=f"bare aiohttp: {number(bare[0])}/s ({number(bare[1])})",
        ratio=f"{ours[1] / bare[1]:.2f}",
        target="5,000/s a core",
        met=ours[1] >= 5_000,
    )


def _wrk_rows(here: Stage, server: Server, bare: tuple[float, float]) -> Iterator[Row]:
    """What proxies and firewalls ask all the time, by a client that costs next to nothing."""
    tag = _tag(server)
    for what, path, header, target in (
        ("why", "/v1/why/45.70.0.1", "", 5_000),
        ("one address of the list", "/v1/blocklist/45.70.0.1", "", 8_000),
        ("the list, unchanged: 304", "/v1/blocklist?format=plain", f"-H 'If-None-Match: {tag}'", 10_000),
    ):
        assert server.process is not None
        before = cpu_seconds(server.process.pid)
        url = f"http://{LOOPBACK}{path}"
        lines = here.shell(server.host).run(f"wrk -t1 -c{CONNECTIONS} -d5s {header} '{url}'")
        spent = cpu_seconds(server.process.pid) - before
        rate = next(float(line.split()[1]) for line in lines if line.startswith("Requests/sec"))
        count = next(float(line.split()[0]) for line in lines if "requests in" in line)
        a_core = count / max(spent, 0.01)
        yield Row(
            what=f"{what}, kept alive, {CONNECTIONS} connections, by wrk",
            ours=f"{number(rate)}/s ({number(a_core)} a CPU second)",
            beside=f"bare aiohttp: {number(bare[0])}/s ({number(bare[1])})",
            ratio=f"{a_core / bare[1]:.2f}",
            target=f"{target:,}/s a core",
            met=a_core >= target,
        )


def _tag(server: Server) -> str:
    """The list's validator as it is now."""
    head = server.host.run(["curl", "-sI", f"http://{LOOPBACK}/v1/blocklist?format=plain"]).stdout
    return next(line.partition(": ")[2].strip() for line in head.splitlines() if line.lower().startswith("etag"))


def _test_command(server: Server) -> list[str]:
    """As the operator has it: the installed command where there is one."""
    installed = Path(sys.executable).with_name("p2pfw")
    program = [str(installed)] if installed.exists() else [sys.executable, "-m", "p2pfw"]
    return [*program, "-c", str(server.config), "test", "45.70.0.1"]


def _run(line: list[str]) -> float:
    return wall(lambda: subprocess.run(line, check=True, stdin=subprocess.DEVNULL))
