"""The enforcer's side: it trusts nobody, and a connection that goes wrong hurts only itself."""

import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p2pfw.core.prefix import v4_key
from p2pfw.firewall.enforcer import protocol
from p2pfw.firewall.enforcer.protocol import HEADER, MAX_PAYLOAD, Frame, Kind, Role
from p2pfw.firewall.enforcer.serving import KNOW_EVERY
from p2pfw.firewall.enforcer.stream import receiver, send
from p2pfw.firewall.runner import Output
from tests.firewall.enforcer.desks import SOON, node, office

KEY = v4_key(203 << 24 | 113 << 8 | 9, 32)
kinds = st.sampled_from([*Kind])
payloads = st.binary(max_size=120) | st.builds(
    lambda keys: protocol.pack(sorted(keys), [SOON] * len(keys)), st.sets(st.integers(0, (1 << 64) - 1), max_size=5)
)


def greeted(at, role=Role.WORK):
    """A connection after its greeting."""
    connection = at.connect()
    send(connection, [protocol.hello(role)])
    assert protocol.read_frame(receiver(connection, 30)).kind is Kind.DONE
    return connection


def rest(connection):
    """All that comes until the other end hangs up."""
    connection.settimeout(30)
    data = b""
    try:
        while more := connection.recv(1 << 16):
            data += more
    except ConnectionResetError:
        pass  # it hung up on what it had not read
    return data


@pytest.fixture
def working():
    """An enforcer, and what it holds."""
    with office() as at:
        with node(at) as remote:
            remote.start()
            remote.allow(frozenset())
            remote.replace({KEY: SOON})
        yield at


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(kinds, payloads), max_size=6), st.binary(max_size=40))
def test_no_bytes_bring_it_down(working, frames, tail):
    """Frames in any order, with any payload, cut anywhere: it goes on to serve, and writes no text from outside."""
    connection = working.connect()
    try:
        send(connection, [protocol.hello(Role.WORK), *(Frame(kind, payload) for kind, payload in frames)])
        connection.sendall(tail)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # it hung up already
    rest(connection)
    connection.close()
    for thread in working.threads:
        thread.join(30)
    working.threads.clear()
    working.connections.clear()
    with node(working) as remote:
        remote.start()
        assert remote.check(0, 0).entries4 >= 0


@pytest.mark.parametrize(
    "data",
    [
        HEADER.pack(MAX_PAYLOAD + 1, Kind.ENTRIES),
        HEADER.pack(0, 200),
        Frame(Kind.DONE).encode(),
        Frame(Kind.HELLO, b"").encode(),
        Frame(Kind.APPLY, b"").encode().replace(b"\4", b"\101"),
        Frame(Kind.KEYS, protocol.pack([1 << 40 | 7])).encode() + Frame(Kind.APPLY).encode(),
        Frame(Kind.CHECK, b"1").encode(),
    ],
)
def test_what_is_not_understood_ends_the_connection_with_a_reason(working, data):
    """And nothing is changed."""
    connection = greeted(working)
    connection.sendall(data)
    heard = protocol.read_frame(receiver(connection, 30))

    assert heard.kind is Kind.FAILED
    assert "not understood" in str(protocol.read_failed(heard.payload))
    assert rest(connection) == b""
    assert working.blocked == {"203.0.113.9"}


def test_a_request_has_a_bounded_size(working):
    """Parts without end are not kept without end."""
    connection = greeted(working)
    part = Frame(Kind.KEYS, protocol.pack([KEY] * 4_001)).encode()
    connection.sendall(part)

    assert b"more entries than any has" in rest(connection)


@pytest.mark.parametrize(
    ("role", "kind"),
    [(Role.LOOK, Kind.RELEASE), (Role.LOOK, Kind.APPLY), (Role.PANIC, Kind.REPLACE), (Role.PANIC, Kind.TALLIES)],
)
def test_a_connection_does_what_it_is_for(working, role, kind):
    """One that looks changes nothing; one for panic does nothing else."""
    connection = greeted(working, role)
    send(connection, [Frame(kind)])

    assert b"on a connection for" in rest(connection)
    assert working.blocked == {"203.0.113.9"}


def test_half_a_batch_is_none(working):
    """The node dies in the middle of a replacement: what is held stays."""
    connection = greeted(working)
    frames = list(protocol.entries({v4_key(45 << 24 | number, 32): SOON for number in range(100)}, working.clock.now))
    send(connection, frames)
    connection.close()
    for thread in working.threads:
        thread.join(30)

    assert working.blocked == {"203.0.113.9"}


def test_new_addresses_of_the_machine_are_noticed(working):
    """An interface that came up a few seconds ago is protected, whatever the node knows of it."""
    with node(working) as remote:
        assert not remote.apply({KEY: SOON}, []).refused
        working.own = [KEY]
        working.clock.at += KNOW_EVERY
        assert remote.apply({KEY: SOON + 9}, []).refused == {KEY: "it holds an address of this machine"}


def test_it_is_well_when_the_kernel_can_be_read(working):
    """What the watchdog hears."""
    assert working.desk.is_well()
    working.fake.before = lambda *_: Output(command="ipset", code=1, stderr="broken")
    assert not working.desk.is_well()
