"""Each list in its real consumer: its own checker says yes, and where it is cheap, it blocks what is listed.

Whatever needs a firewall has a private namespace. Servers listen on sockets in the test's folder and are told by the
PROXY protocol where a connection comes from. A program that is not installed is a skip, and in CI a failure.
"""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stix2

from p2pfw.core.prefix import key_text
from p2pfw.formats import WRITTEN, write
from tests.formats.samples import AT, BOTH, Row, rows
from tests.netns import lab_or_skip

LISTED = ("198.51.100.7", "203.0.113.130", "2001:db8:0:9::1", "2001:db8:1::1")
OTHERS = ("198.51.100.8", "203.0.113.10", "2001:db8:1::2", "192.0.2.200")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def program(name: str) -> str:
    """Where it is, or a skip."""
    found = shutil.which(name, path=PATH)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture
def file(tmp_path: Path):
    """Writes a list into a file."""

    def make(name: str, entries: list[Row] = BOTH) -> Path:
        path = tmp_path / name
        path.write_bytes(write(entries, WRITTEN[name], AT))
        return path

    return make


def checked(*line: str | Path) -> None:
    """It says yes, and complains of nothing on the way."""
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()


def status(path: Path, source: str) -> int:
    """Of a request that comes from there."""
    kind = "TCP6 {0} ::1" if ":" in source else "TCP4 {0} 127.0.0.1"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(f"PROXY {kind.format(source)} 40000 80\r\nGET / HTTP/1.0\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


@contextmanager
def running(line: list[str], path: Path) -> Iterator[None]:
    """A server in the foreground, from when it accepts."""
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while True:
                assert process.poll() is None, f"{line[0]} ended"
                try:
                    with socket.socket(socket.AF_UNIX) as connection:
                        connection.connect(str(path))
                    break
                except OSError:
                    subprocess.run(["sleep", "0.02"], check=True)
            yield
        finally:
            process.kill()


def test_nginx_blocks_what_its_geo_includes(file, tmp_path):
    """`geo` with an include of ours: 403 for those, 204 for others."""
    nginx, sock = program("nginx"), tmp_path / "n.sock"
    places = "".join(
        f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; error_log stderr crit; daemon off; master_process off; events {{}}\n"
        f"http {{ access_log off; {places}\n"
        f"geo $proxy_protocol_addr $p2pfw {{ default 0; include {file('nginx')}; }}\n"
        f"server {{ listen unix:{sock} proxy_protocol; if ($p2pfw) {{ return 403; }} return 204; }} }}\n"
    )
    line = [nginx, "-p", str(tmp_path), "-e", "stderr", "-c", str(config)]
    checked(*line, "-t", "-q")
    sock.unlink(missing_ok=True)
    with running(line, sock):
        assert [status(sock, source) for source in LISTED + OTHERS] == [403] * 4 + [204] * 4


def test_haproxy_blocks_what_its_acl_lists(file, tmp_path):
    """`src -f` with a file of ours."""
    haproxy, sock = program("haproxy"), tmp_path / "h.sock"
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 60s\n"
        f"frontend all\n bind unix@{sock} accept-proxy\n acl p2pfw src -f {file('haproxy')}\n"
        " http-request deny if p2pfw\n http-request return status 204\n"
    )
    checked(haproxy, "-c", "-f", config)
    with running([haproxy, "-db", "-f", str(config)], sock):
        assert [status(sock, source) for source in LISTED + OTHERS] == [403] * 4 + [204] * 4


@pytest.mark.parametrize("entries", [BOTH, BOTH[:4], BOTH[4:], []])
def test_named_takes_the_zone(file, entries):
    """Also an empty one: it has its SOA and NS."""
    checked(program("named-checkzone"), "rpz.example", file("rpz", entries))


@pytest.mark.parametrize("entries", [BOTH, BOTH[:4], BOTH[4:], []])
def test_bird_takes_the_routes(file, tmp_path, entries):
    """An include at the top: one static protocol a family, none for a family that has nothing."""
    config = tmp_path / "bird.conf"
    config.write_text(f'router id 192.0.2.1;\nprotocol device {{}}\ninclude "{file("bird", entries)}";\n')
    checked(program("bird"), "-p", "-c", config)


@pytest.fixture
def host():
    """A machine of its own."""
    with lab_or_skip() as lab:
        yield lab.host("reader")


def in_private(host, *line: str | Path) -> str:
    """In the namespace; its output."""
    done = subprocess.run(host.namespace.command(list(map(str, line))), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_ipset_restores_the_list_and_restores_it_again(file, host):
    """Members are those of the list, once."""
    for _ in range(2):
        in_private(host, program("ipset"), "-file", file("ipset"), "restore")
    saved = in_private(host, program("ipset"), "save")
    members = [line.split()[2] for line in saved.splitlines() if line.startswith("add p2pfw-export")]

    hosts_short = [key_text(row.key).removesuffix("/32").removesuffix("/128") for row in BOTH]
    assert sorted(members) == sorted(hosts_short)


@pytest.mark.parametrize("entries", [BOTH, BOTH[:4], BOTH[4:], [], rows("0.0.0.0/0", "::/0")])
def test_nft_checks_and_loads_the_list(file, host, entries):
    """`nft -c -f`, then for real, twice: the second replaces the first."""
    nft, path = program("nft"), file("nft", entries)
    in_private(host, nft, "-c", "-f", path)
    for _ in range(2):
        in_private(host, nft, "-f", path)
    listed = json.loads(in_private(host, nft, "-j", "list", "ruleset"))["nftables"]
    sets = [one["set"] for one in listed if "set" in one]

    assert {one["name"] for one in sets} == {"block4", "block6"}
    assert sum(len(one.get("elem", ())) for one in sets) == len(entries)


@pytest.mark.parametrize("entries", [BOTH, []])
def test_stix2_takes_the_bundle(file, entries):
    """The reference library reads it strictly, and gives the same objects back; patterns parse."""
    text = file("stix", entries).read_text()
    bundle = stix2.parse(text, allow_custom=False, version="2.1")

    assert json.loads(bundle.serialize()) == _with_milliseconds(json.loads(text))
    assert len(bundle.get("objects", ())) == len(entries)


def _with_milliseconds(document: dict) -> dict:
    """The library writes what it read with the precision of the standard."""
    for one in document.get("objects", ()):
        for name in ("created", "modified"):
            one[name] = one[name].replace("Z", ".000Z")
    return document
