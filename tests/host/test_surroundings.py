"""What keeps this machine reachable, read from a made-up root; strange files protect nothing and break nothing."""

import socket
import struct
import subprocess
import sys
from pathlib import Path

import ifaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.prefix import key_text
from p2pfw.host.clock import SystemClock
from p2pfw.host.process import give_back_memory, memory_bytes
from p2pfw.host.surroundings import Surroundings

ROUTES4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0000A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
wg0\t0000000A\t0164400A\t0003\t0\t0\t0\t000000FF\t0\t0\t0
"""
ROUTES6 = (
    "00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
    "20010db8000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n"
    "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n"
)


def utmp(address: bytes, *, kind: int = 7, user: str = "root") -> bytes:
    """One record as login writes it (x86-64 glibc)."""
    return struct.pack(
        "<hxxi32s4s32s256s4siii16s20s",
        kind, 1234, b"pts/0", b"ts/0", user.encode(), b"client.example", b"", 0, 0, 0, address.ljust(16, b"\0"), b"",
    )  # fmt: skip


def put(root: Path, name: str, content: str | bytes) -> None:
    """A file under the made-up root."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def soft(root: Path) -> set[tuple[str, str]]:
    """(prefix, reason) of what is softly protected."""
    return {(key_text(one.key), one.reason) for one in Surroundings(root).soft()}


def test_gateways_of_both_families(tmp_path: Path):
    """Every route through a gateway, not only the default one; a route without one protects nothing."""
    put(tmp_path, "proc/net/route", ROUTES4)
    put(tmp_path, "proc/net/ipv6_route", ROUTES6)

    assert soft(tmp_path) == {
        ("192.168.0.1/32", "gateway on eth0"),
        ("10.64.100.1/32", "gateway on wg0"),
        ("2001:db8::1/128", "gateway on eth0"),
    }


def test_resolvers_behind_the_stub_too(tmp_path: Path):
    """systemd-resolved's own upstream servers are what the machine needs, not its 127.0.0.53."""
    put(tmp_path, "etc/resolv.conf", "# made by hand\nnameserver 192.0.2.53\nsearch example.net\nnameserver\n")
    put(tmp_path, "run/systemd/resolve/resolv.conf", "nameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver x\n")

    assert soft(tmp_path) == {
        ("192.0.2.53/32", "resolver in /etc/resolv.conf"),
        ("2001:db8::53/128", "resolver in /run/systemd/resolve/resolv.conf"),
        ("fe80::1/128", "resolver in /run/systemd/resolve/resolv.conf"),
    }


def test_logins_by_utmp(tmp_path: Path):
    """Remote hosts of sessions: IPv4, IPv6, IPv4 within IPv6; not local ones, not those that are over."""
    mapped = bytes(10) + b"\xff\xff" + socket.inet_aton("203.0.113.8")
    records = [
        utmp(socket.inet_aton("203.0.113.7")),
        utmp(socket.inet_pton(socket.AF_INET6, "2001:db8::7"), user="ada"),
        utmp(mapped, user="bob"),
        utmp(b"", user="local"),
        utmp(socket.inet_aton("203.0.113.9"), kind=8),
    ]
    put(tmp_path, "run/utmp", b"".join(records) + b"half a record")

    assert soft(tmp_path) == {
        ("203.0.113.7/32", "login session of root"),
        ("2001:db8::7/128", "login session of ada"),
        ("203.0.113.8/32", "login session of bob"),
    }


def test_logins_by_logind(tmp_path: Path):
    """Where utmp is gone: the session files of systemd-logind."""
    put(tmp_path, "run/systemd/sessions/3", "USER=ada\nACTIVE=1\nREMOTE=1\nREMOTE_HOST=203.0.113.7\n")
    put(tmp_path, "run/systemd/sessions/4", "USER=bob\nREMOTE=1\nREMOTE_HOST=2001:db8::7%eth0\n")
    put(tmp_path, "run/systemd/sessions/5", "USER=eve\nREMOTE_HOST=client.example.net\n")
    put(tmp_path, "run/systemd/sessions/6", "USER=tty\n")
    put(tmp_path, "run/systemd/sessions/7", "USER=wide\nREMOTE_HOST=0.0.0.0/0\n")

    assert soft(tmp_path) == {
        ("203.0.113.7/32", "login session of ada"),
        ("2001:db8::7/128", "login session of bob"),
    }


def test_a_machine_without_these_files_has_nothing_soft(tmp_path: Path):
    """A container may have none of them."""
    assert soft(tmp_path) == set()


STRANGE = [
    "proc/net/route",
    "proc/net/ipv6_route",
    "etc/resolv.conf",
    "run/utmp",
    "run/systemd/sessions/1",
    "proc/net/tcp",
    "proc/net/tcp6",
]


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_in_place_of_a_file_breaks_nothing(tmp_path: Path, name: str):
    """Whatever is there."""
    (tmp_path / name).mkdir(parents=True)

    assert soft(tmp_path) == set()


@given(st.sampled_from(STRANGE), st.one_of(st.binary(max_size=900), st.text("0123456789abcdefG \t\n-x", max_size=300)))
def test_strange_content_breaks_nothing(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes | str):
    """Any bytes in any of the files: no error, and only hosts are protected by them."""
    root = tmp_path_factory.mktemp("root")
    put(root, name, content)

    assert all(prefix.endswith(("/32", "/128")) for prefix, _ in soft(root))
    assert all(key_text(one.key).endswith(("/32", "/128")) for one in Surroundings(root).clients())


def test_strange_lines_do_not_hide_the_good_ones(tmp_path: Path):
    """One line that makes no sense protects nothing; those around it do."""
    put(tmp_path, "proc/net/route", ROUTES4 + "eth9 zz\nbad 0 xyz 0003\nlong 0 0100A8C0FF 0003\nbad 0 0100A8C0 flags\n")
    put(tmp_path, "proc/net/ipv6_route", "a b c d nothex f g h 0003 eth0\n" + ROUTES6 + "0 0 0 0 1 0 0 0 zz eth1\n")

    assert {prefix for prefix, _ in soft(tmp_path)} == {"192.168.0.1/32", "10.64.100.1/32", "2001:db8::1/128"}


TCP4 = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 0A7100CB:0016 077100CB:D431 01 00000000:00000000 02:000A 00000000     0        0 2 2 0 20 4 29 10 -1
   2: 0A7100CB:01BB 087100CB:D432 06 00000000:00000000 03:0000 00000000     0        0 0 3 0
   3: 0A7100CB:01BB 077100CB:D433 01 00000000:00000000 02:000A 00000000     0        0 3 2 0 20 4 29 10 -1
   4: broken nothex:D431 01
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: B80D0120000000000000000001000000:01BB B80D0120000000000000000009000000:A000 01 00000000:00000000 0
   1: 0000000000000000FFFF00000A7100CB:01BB 0000000000000000FFFF0000097100CB:A001 01 00000000:00000000 0
"""


@pytest.mark.skipif(sys.byteorder == "big", reason="the sample was written by a little-endian machine")
def test_clients_are_the_remote_hosts_of_established_connections(tmp_path: Path):
    """Each host once, with the first local port; IPv4 within IPv6 unwrapped; no listeners, nothing closed."""
    put(tmp_path, "proc/net/tcp", TCP4)
    put(tmp_path, "proc/net/tcp6", TCP6)

    assert [(key_text(one.key), one.reason) for one in Surroundings(tmp_path).clients()] == [
        ("203.0.113.7/32", "connected with port 22"),
        ("203.0.113.9/32", "connected with port 443"),
        ("2001:db8::9/128", "connected with port 443"),
    ]
    assert soft(tmp_path) == set()


def test_a_real_connection_is_a_client():
    """As this kernel writes it."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        found = {key_text(one.key) for one in Surroundings().clients()}

    assert "127.0.0.1/32" in found


def test_own_addresses_are_those_of_all_interfaces():
    """Loopback included: hard-protected by the table as well."""
    own = {key_text(one.key) for one in Surroundings().hard()}
    known = {ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)}

    assert {f"{address}/32" for address in known} <= own
    assert "127.0.0.1/32" in own


def test_clocks_and_memory_are_this_machines():
    """Wall time after 2020, a monotonic clock that does not go back, some megabytes resident."""
    clock = SystemClock()
    first = clock.monotonic()

    assert clock.now() > 1_577_836_800
    assert clock.monotonic() >= first
    assert memory_bytes() > 1 << 20
    give_back_memory()


def test_what_is_there_once_all_is_built_is_not_walked_again():
    """The collector knows it, and leaves it alone; what is made afterwards is collected as ever."""
    code = (
        "import gc; from p2pfw.host.process import settle_collector\n"
        "settle_collector(); assert gc.get_freeze_count() > 1_000; assert gc.isenabled()\n"
        "made = []; made.append(made); del made; assert gc.collect() >= 1"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_memory_is_unknown_where_proc_does_not_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No /proc: 0, not an error."""
    monkeypatch.setattr("p2pfw.host.process.Path", lambda name: tmp_path / "nothing")

    assert memory_bytes() == 0
