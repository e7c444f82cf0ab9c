"""The node's side over a real socket pair: the answers are those of a kernel here; and what happens when it breaks."""

import socket

import pytest

from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Family, Prefix, v4_key
from p2pfw.errors import FirewallError, MissingProgramError, PrivilegeError
from p2pfw.firewall.enforcer import protocol
from p2pfw.firewall.enforcer.protocol import Frame, Kind
from p2pfw.firewall.enforcer.remote import RemoteKernel, release
from p2pfw.firewall.enforcer.stream import receiver, send
from p2pfw.firewall.runner import Output, Program
from tests.firewall.enforcer.desks import OWN, SOON, node, office
from tests.firewall.fake_kernel import FakeClock

HOST = Prefix.parse("203.0.113.9").key
SIX = Prefix.parse("2001:db8:bad::/48").key
LAN = Prefix.parse("192.0.2.0/24").key


def ready(remote):
    """As the worker begins."""
    remote.start()
    remote.allow(frozenset({LAN}))


def test_the_kernel_does_what_is_asked_from_start_to_release():
    """Each call of the port, with values of both families."""
    with office() as at, node(at) as remote:
        ready(remote)
        assert not remote.replace({HOST: SOON, SIX: SOON}).no_room
        remote.enforce()
        remote.apply({v4_key(HOST >> 8 & ~0xFF, 24): SOON}, [HOST])

        assert remote.membership() == {v4_key(HOST >> 8 & ~0xFF, 24): SOON, SIX: SOON}
        report = remote.check(1, 1)
        assert (report.enforcing, report.entries4, report.entries6) == (True, 1, 1)
        assert remote.counters(SIX) == (7, 420)
        assert remote.counters(HOST) is None
        assert remote.tallies().keys() == {v4_key(HOST >> 8 & ~0xFF, 24), SIX}
        assert remote.survey().open_ports == ()
        assert "rule in raw (IPv4)" in remote.release()
        assert at.fake.sets == {}


def test_what_the_guard_refuses_is_told_and_the_rest_goes_in():
    """By key, in words."""
    with office() as at, node(at) as remote:
        ready(remote)
        inside = v4_key(LAN >> 8 | 7, 32)
        short = remote.apply({HOST: SOON, OWN: SOON, inside: SOON}, [])

        assert short.refused == {OWN: "it holds an address of this machine", inside: "it overlaps the allow set"}
        assert at.blocked == {"203.0.113.9"}
        assert remote.replace({OWN: SOON}).refused.keys() == {OWN}


def test_a_batch_that_is_too_much_changes_nothing():
    """The last good state stays, and the error says what was too much."""
    with office() as at, node(at, room=2_000) as remote:
        ready(remote)
        remote.replace({HOST: SOON})
        with pytest.raises(FirewallError, match="max_entries is 1000"):
            remote.apply({v4_key(45 << 24 | number, 32): SOON for number in range(1_001)}, [])
        assert at.blocked == {"203.0.113.9"}
        with pytest.raises(FirewallError, match="quarter of the internet"):
            remote.replace({v4_key(number << 24, 8): SOON for number in range(11, 76)})
        assert at.blocked == {"203.0.113.9"}
        assert not remote.apply({v4_key(45 << 24, 32): SOON}, []).refused


def test_space_that_was_freed_may_be_used_again():
    """The guard looks at what the kernel holds before it says no."""
    with office() as at, node(at) as remote:
        ready(remote)
        wide = {v4_key(number << 24, 8): SOON for number in range(11, 75)}
        remote.replace(wide)
        first, *_ = wide
        remote.apply({}, [first])
        remote.apply({first: SOON}, [])

        assert len(at.blocked) == 64


def test_what_a_set_has_no_room_for_is_told():
    """Cut before it is sent where it is everything, told by the enforcer where it is a change."""
    with office(room=3) as at, node(at, room=3) as remote:
        ready(remote)
        keys = [v4_key(45 << 24 | number, 32) for number in range(6)]
        short = remote.replace({**dict.fromkeys(keys, SOON), SIX: SOON})
        assert short.no_room == set(keys[3:])
        assert remote.apply({keys[4]: SOON}, []).no_room == {keys[4]}
        assert remote.membership().keys() == {*keys[:3], SIX}


def test_an_enforcer_that_was_restarted_is_told_what_it_must_know():
    """One error for the call under way; the next one begins anew, the whitelist first."""
    with office() as at, node(at) as remote:
        ready(remote)
        remote.replace({HOST: SOON})
        remote.enforce()
        at.die()
        with pytest.raises(FirewallError, match="the kernel keeps what it holds"):
            remote.check(1, 0)
        remote.enforce()

        assert remote.check(1, 0).enforcing
        assert remote.counters(HOST) == (7, 420)
        assert remote.apply({v4_key(LAN >> 8, 32): SOON}, []).refused  # it knows the whitelist


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (lambda fake: fake.missing.add(Program.IPSET), MissingProgramError, "Debian package: ipset"),
        (
            lambda fake: setattr(fake, "before", lambda *_: Output(command="x", code=1, stderr="permission denied")),
            PrivilegeError,
            "CAP_NET_ADMIN",
        ),
    ],
)
def test_errors_come_through_as_what_they_are(spoil, error, words):
    """The worker treats a missing right otherwise than a failing command."""
    with office() as at, node(at) as remote:
        spoil(at.fake)
        with pytest.raises(error, match=words):
            remote.start()


def test_where_nobody_is_the_error_is_the_connectors():
    """And it is tried again by the next call."""
    tries = []

    def nobody():
        tries.append(1)
        raise FirewallError("no enforcer answers")

    remote = RemoteKernel(nobody, 10, FakeClock().now)
    for _ in range(2):
        with pytest.raises(FirewallError, match="no enforcer answers"):
            remote.start()
    assert len(tries) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0",
        Frame(Kind.KEYS, protocol.pack([])).encode(),
        protocol.HEADER.pack(0, 99),
        Frame(Kind.DONE, b"\xc1").encode(),
        Frame(Kind.ENTRIES, b"\1\0\0\0").encode(),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_not_the_end(answer):
    """Of a worker that must not die."""
    broken, asked = [], []

    def connect():
        ours, theirs = socket.socketpair()
        send(theirs, [Frame(Kind.DONE)])  # the greeting is answered
        asked.append(theirs)
        broken.append(theirs)
        return ours

    remote = RemoteKernel(connect, 10, FakeClock().now)
    remote._work.open()
    asked[0].sendall(answer)
    asked[0].shutdown(socket.SHUT_WR)
    with pytest.raises(FirewallError, match="enforcer"):
        remote.check(0, 0)
    remote.close()
    for one in broken:
        one.close()


def test_panic_needs_no_node_and_asks_nobody():
    """Also while another connection works, and hangs."""
    with office() as at, node(at) as remote:
        ready(remote)
        remote.replace({HOST: SOON})
        remote.enforce()
        removed = release(at.connect)

        assert "rule in raw (IPv4)" in removed
        assert at.fake.sets == {}
        assert release(at.connect) == ()


def test_a_second_node_is_told_that_another_one_works():
    """Until the first is gone."""
    with office() as at:
        with node(at) as first, node(at) as second:
            ready(first)
            with pytest.raises(FirewallError, match="works for another node"):
                second.start()
            first.start()
        with node(at) as third:
            third.start()


def test_a_greeting_is_answered_before_anything_else():
    """A connection that says nothing else is closed with a reason."""
    with office() as at:
        connection = at.connect()
        send(connection, [Frame(Kind.START)])
        heard = protocol.read_frame(receiver(connection, 30))

        assert heard.kind is Kind.FAILED
        assert "before HELLO" in str(protocol.read_failed(heard.payload))
        assert connection.recv(1) == b""


KEEP_OUT = LocalRule(chain=Chain.INPUT, target=Target.REJECT, source=HOST, ends=SOON)
OF_THE_LAN = LocalRule(chain=Chain.FORWARD, target=Target.DROP, source=HOST, destination=LAN, ends=SOON)


def test_local_rules_go_in_but_for_those_that_would_keep_out_whom_they_must_not():
    """The guard names the whitelisted end; what lets in is not refused."""
    with office() as at, node(at) as remote:
        ready(remote)
        accept = LocalRule(chain=Chain.INPUT, target=Target.ACCEPT, source=LAN, ends=SOON)
        refused = remote.local([KEEP_OUT, OF_THE_LAN, accept])
        text = at.fake.tables[Family.V4]["filter"]["p2pfw-input"]

        assert refused == {OF_THE_LAN: "it overlaps the allow set"}
        assert [line.partition(" -j ")[2].split()[0] for line in text] == ["REJECT", "ACCEPT"]
        assert remote.local_counters().keys() == {KEEP_OUT, accept}


@pytest.mark.parametrize(("ends", "why"), [(0, "it has no end"), (SOON + (1 << 40), "it ends later than")])
def test_a_local_rule_without_an_end_does_not_go_in(ends, why):
    """Whatever becomes of node and enforcer: the kernel ends it by itself."""
    with office() as at, node(at) as remote:
        ready(remote)
        endless = LocalRule(chain=Chain.INPUT, target=Target.ACCEPT, source=HOST, ends=ends)
        refused = remote.local([endless, KEEP_OUT])
        text = at.fake.tables[Family.V4]["filter"]["p2pfw-input"]

        assert list(refused) == [endless]
        assert refused[endless].startswith(why)
        assert ["--datestop 2023-11-14T22:30:00" in line for line in text] == [True]


def test_an_enforcer_that_begins_anew_is_told_the_local_rules():
    """Else its first check would take them away."""
    with office() as at, node(at) as remote:
        ready(remote)
        remote.replace({})
        remote.local([KEEP_OUT])
        remote.enforce()
        at.die()
        with pytest.raises(FirewallError):
            remote.check(0, 0)
        remote.check(0, 0)

        assert remote.local_counters().keys() == {KEEP_OUT}
        remote.release()
        assert "p2pfw-input" not in at.fake.tables[Family.V4].get("filter", {})


def test_too_many_local_rules_end_the_connection():
    """Nobody means ten thousand of them."""
    with office() as at, node(at) as remote:
        ready(remote)
        many = [LocalRule(chain=Chain.INPUT, target=Target.DROP, source=v4_key(1 << 31 | n, 32)) for n in range(10_001)]

        with pytest.raises(FirewallError, match="10000 local rules"):
            remote.local(many)
