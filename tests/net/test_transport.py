"""Honest nodes over real sockets: sessions open, frames arrive in order, ends have reasons."""

import asyncio
import errno
import socket
from dataclasses import replace

import pytest

from p2pfw.core.session import MAX_FRAME
from p2pfw.errors import (
    AdmissionError,
    ConfigError,
    FutureError,
    HandshakeError,
    InputError,
    ListenError,
    SignatureError,
)
from p2pfw.ports import DialTarget, SendClass
from tests.net.harness import FAST, Node, certificate_for, eventually, key, ordered


async def test_both_sides_prove_who_they_are():
    """Node, certificate, direction, address and token reach both listeners."""
    async with Node("a") as a, Node("b") as b:
        a.credentials.certificate = certificate_for(a.key)
        b.credentials.certificate = certificate_for(b.key)
        b.credentials.features = 3
        session = await a.transport.dial_once(b.target(token=b"secret of the day"))
        there = await b.connected(a)

        assert (session.node, session.inbound, session.url, session.features) == (b.id, False, b.url, 3)
        assert (there.node, there.inbound, there.address, there.token) == (
            a.id,
            True,
            "127.0.0.1",
            b"secret of the day",
        )
        assert there.certificate.encode() == a.credentials.certificate
        assert session.certificate.encode() == b.credentials.certificate
        assert [proof.token for proof in a.listener.proofs + b.listener.proofs] == [b"", b"secret of the day"]


async def test_frames_arrive_in_order_in_both_directions():
    """Every size up to the largest, of every class when nothing waits."""
    sizes = [0, 1, 100, 1_024, 40_000, MAX_FRAME]
    async with Node("a") as a, Node("b") as b:
        a.transport.dial([b.target()])
        await a.connected(b)
        await b.connected(a)
        for number, size in enumerate(sizes):
            assert a.send(b, bytes([number]) * size, SendClass.BULK)
            assert b.send(a, bytes([number]) * size, SendClass.BULK)
        await a.listener.until(lambda: len(a.listener.frames) == len(sizes))
        await b.listener.until(lambda: len(b.listener.frames) == len(sizes))

        assert [frame for _, frame in a.listener.frames] == [bytes([n]) * size for n, size in enumerate(sizes)]
        assert a.listener.frames == [(b.id, frame) for _, frame in b.listener.frames]


async def test_urgent_frames_overtake_what_waits():
    """Queued in one go, sent by class."""
    async with Node("a") as a, Node("b") as b:
        await a.transport.dial_once(b.target())
        await b.connected(a)
        for send_class in reversed(SendClass):
            a.send(b, bytes([send_class]), send_class)
        await b.listener.until(lambda: len(b.listener.frames) == len(SendClass))

        assert [frame for _, frame in b.listener.frames] == [bytes([send_class]) for send_class in SendClass]


async def test_traffic_is_counted():
    """What `peers` shows."""
    async with Node("a") as a, Node("b") as b:
        session = await a.transport.dial_once(b.target())
        a.send(b, bytes(1_000))
        await b.listener.until(lambda: b.listener.frames)
        stats = a.transport.stats(session)

        assert stats.frames_out == 2
        assert stats.bytes_out == 1_000 + len(b"hello") + 2 * 16
        assert stats.queued == 0
        assert a.transport.sessions() == [session]


async def test_goodbye_names_its_reason_on_both_sides():
    """`close` here is BYE there."""
    async with Node("a") as a, Node("b") as b:
        session = await a.transport.dial_once(b.target())
        await b.connected(a)
        a.transport.close(session, "revoked")
        a.transport.close(session, "slow")
        assert not a.transport.send(session, b"after the end", SendClass.CONTROL)
        await a.listener.until(lambda: a.listener.ends)
        await b.listener.until(lambda: b.listener.ends)

        a.transport.close(session, "revoked")
        assert b.listener.frames == []
        assert a.listener.ends == [(b.id, "revoked")]
        assert b.listener.ends == [(a.id, "bye-revoked")]
        assert a.transport.sessions() == b.transport.sessions() == []
        assert a.transport.stats(session) is None
        assert not a.transport.send(session, b"too late", SendClass.CONTROL)


async def test_what_was_urgent_is_still_sent_before_goodbye():
    """An answer, then the end: the answer arrives; bulk that waited does not."""
    async with Node("a") as a, Node("b") as b:
        session = await a.transport.dial_once(b.target())
        await b.connected(a)
        a.send(b, b"bulk", SendClass.BULK)
        a.send(b, b"answer", SendClass.CONTROL)
        a.transport.close(session, "revoked")
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.frames == [(a.id, b"answer")]


async def test_stop_says_goodbye_and_leaves_nothing():
    """Peers learn that it was on purpose; the port is free again."""
    async with Node("b") as b:
        async with Node("a") as a:
            a.transport.dial([b.target()])
            await a.connected(b)
            await b.connected(a)
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(a.id, "bye-shutdown")]
        assert a.listener.ends == [(b.id, "stopping")]
        assert await b.transport.listen(a.address) == a.address


async def test_wanted_session_is_opened_again_after_it_broke():
    """For ever for persistent targets, also through a time in which nobody is there."""
    async with Node("a") as a:
        async with Node("b") as b:
            target, address = b.target(), b.address
            a.transport.dial([target])
            await a.connected(b)
        await a.listener.until(lambda: b.id not in a.listener.open)
        again = Node("b")
        assert await again.transport.listen(address) == address
        try:
            await a.connected(again)
            assert len(a.listener.opens) == 2
            assert a.transport.dialling()[0].connected
        finally:
            await again.transport.stop()


async def test_state_of_a_call_says_what_is_wrong():
    """In words for the operator, with the time of the next attempt."""
    async with Node("a") as a, Node("b") as b:
        url, node = b.url, b.id
        await b.transport.stop()
        a.transport.dial([DialTarget(url=url, node=node)])
        await eventually(lambda: a.transport.dialling()[0].problem)
        state = a.transport.dialling()[0]

        assert "cannot reach 127.0.0.1" in state.problem
        assert not state.connected
        assert state.attempts >= 1
        assert a.listener.refusals == []


async def test_target_that_is_not_persistent_is_given_up():
    """Discovered addresses are tried some times only."""
    limits = replace(FAST, attempts=3, retry_first_s=0.001, retry_most_s=0.002)
    async with Node("a", limits=limits) as a, Node("b") as b:
        url = b.url
        await b.transport.stop()
        a.transport.dial([DialTarget(url=url, persistent=False)])
        kept = a.transport._dialer._kept[url]
        await asyncio.wait([kept.task])

        assert a.transport.dialling()[0].attempts == 3


async def test_target_no_longer_wanted_keeps_its_session():
    """Who was dialled stays until the session ends; it is only not called again."""
    async with Node("a") as a, Node("b") as b:
        a.transport.dial([b.target()])
        session = await a.connected(b)
        a.transport.dial([])
        a.send(b, b"still here")
        await b.listener.until(lambda: b.listener.frames)
        assert a.transport.dialling() == []
        a.transport.close(session, "renew")
        await a.listener.until(lambda: a.listener.ends)

        assert len(a.listener.opens) == 1


async def test_old_session_is_renewed_at_once():
    """After its time a session ends with `renew`, and the dialler calls again without a delay."""
    limits = replace(FAST, session_s=0.1, retry_first_s=3_600.0, retry_most_s=3_600.0)
    async with Node("a", limits=limits) as a, Node("b") as b:
        a.transport.dial([b.target()])
        await a.listener.until(lambda: len(a.listener.opens) >= 3)

        assert set(a.listener.ends) == {(b.id, "renew")}
        assert set(b.listener.ends) == {(a.id, "bye-renew")}


async def test_one_session_an_id_when_both_dial_at_once():
    """Both sides keep the same one, whichever messages crossed; nothing is counted as a refusal by anybody else."""
    for round_ in range(20):
        async with Node("a", seed=round_) as a, Node("b", seed=round_ + 50) as b:
            a.transport.dial([b.target()])
            b.transport.dial([a.target()])
            # Both may open both for a moment; they end with the same one, seen from its two ends.
            pair = (a.transport, b.transport)
            await eventually(
                lambda pair=pair: sorted(one.inbound for two in pair for one in two.sessions()) == [False, True]
            )

            assert {*a.listener.reasons, *b.listener.reasons} <= {"hung-up"}


async def test_second_call_to_a_connected_node_is_given_up_before_it_names_us():
    """A URL that turns out to lead to a peer that we have already."""
    async with Node("a") as a, Node("b") as b:
        await a.transport.dial_once(b.target())
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(DialTarget(url=b.url))

        assert caught.value.code == "duplicate"
        assert len(b.listener.proofs) == 1


async def test_old_session_gives_way_to_a_new_proof():
    """A node that lost its session (power, network) is not locked out by what we still believe to have."""
    limits = replace(FAST, young_s=0.0)
    small, large = ordered("a", "b")
    async with Node(small, limits=limits) as a, Node(large) as b:
        await a.transport.dial_once(b.target())
        await a.connected(b)
        # The same node again, as after a power cut: it knows nothing of the session.
        async with Node(large) as reborn:
            await reborn.transport.dial_once(a.target())
            await a.listener.until(lambda: len(a.listener.opens) == 2)

            assert a.listener.ends == [(b.id, "duplicate")]
            assert a.listener.open[reborn.id].inbound


async def test_restarted_dialler_replaces_its_own_young_session():
    """Same direction twice: the newer handshake is the live one."""
    async with Node("a") as a, Node("b") as b, Node("b") as reborn:
        await b.transport.dial_once(a.target())
        await reborn.transport.dial_once(a.target())
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(a.id, "bye-duplicate")]
        assert len(a.transport.sessions()) == 1


async def test_refused_caller_learns_why_and_the_listener_counts_it():
    """Proven and not let in: the code travels inside the encryption."""
    async with Node("a") as a, Node("b") as b:
        b.listener.refuse = "stranger"
        with pytest.raises(AdmissionError) as caught:
            await a.transport.dial_once(b.target())
        await b.listener.until(lambda: b.listener.refusals)

        assert caught.value.code == "bye-not-admitted"
        assert b.listener.refusals == [("127.0.0.1", a.id, "stranger")]
        assert a.listener.refusals == [("127.0.0.1", b.id, "bye-not-admitted")]
        assert a.listener.opens == b.listener.opens == []


async def test_dialler_refuses_before_it_names_itself():
    """Our own listener's refusal comes before message 3: the other side never learns who called."""
    async with Node("a") as a, Node("b") as b:
        a.listener.refuse = "revoked"
        with pytest.raises(AdmissionError):
            await a.transport.dial_once(b.target())
        await b.listener.until(lambda: b.listener.refusals)

        assert b.listener.proofs == []
        assert b.listener.refusals == [("127.0.0.1", None, "far-not-admitted")]


@pytest.mark.parametrize("error", [SignatureError("forged"), FutureError("clock")], ids=["to blame", "not to blame"])
async def test_fault_ends_the_session_and_bans_who_is_to_blame(error):
    """An hour for what the sender answers for; nothing for what may be an honest relay's bad luck."""
    async with Node("a") as a, Node("b") as b:

        def refuse(_session, _frame):
            raise error

        b.listener.on_frame = refuse
        await a.transport.dial_once(b.target())
        await b.connected(a)
        a.send(b, b"evil")
        await b.listener.until(lambda: b.listener.ends)
        await a.listener.until(lambda: a.listener.ends)

        assert b.listener.ends == [(a.id, error.reason)]
        assert a.listener.ends == [(b.id, "bye-fault")]
        assert [(ban.node, ban.reason) for ban in b.transport.bans()] == ([(a.id, error.reason)] if error.blame else [])


async def test_banned_node_is_kept_out_until_the_ban_ends():
    """By id, at admission: it is told so, and may come back later."""
    async with Node("a") as a, Node("b") as b:
        session = await b.transport.dial_once(a.target())
        await a.connected(b)
        b.transport.close(session, "bad-signature", ban_s=1)
        await a.listener.until(lambda: a.listener.ends)
        with pytest.raises(AdmissionError) as caught:
            await a.transport.dial_once(b.target())
        assert caught.value.code == "bye-banned"
        with pytest.raises(AdmissionError):
            await b.transport.dial_once(a.target())
        # A wanted peer is called again by itself when its ban has ended.
        b.transport.dial([a.target()])
        await b.connected(a)

        assert b.transport.bans() == []


async def test_failing_listener_ends_only_its_own_session():
    """A mistake of ours in handling one peer's frame is logged, and the others go on."""
    async with Node("a") as a, Node("b") as b, Node("c") as c:

        def fail(session, _frame):
            if session.node == a.id:
                raise ConfigError("a mistake of ours")

        b.listener.on_frame = fail
        await a.transport.dial_once(b.target())
        await c.transport.dial_once(b.target())
        await b.connected(a)
        await b.connected(c)
        a.send(b, b"x")
        await b.listener.until(lambda: b.listener.ends)
        c.send(b, b"y")
        await b.listener.until(lambda: (c.id, b"y") in b.listener.frames)

        assert b.listener.ends == [(a.id, "internal-error")]
        assert b.transport.bans() == []


async def test_renewed_certificate_is_used_for_the_next_handshake():
    """Credentials are read when they are needed."""
    async with Node("a") as a, Node("b") as b:
        session = await a.transport.dial_once(b.target())
        assert session.certificate is None
        b.credentials.certificate = certificate_for(b.key)
        a.transport.close(session, "renew")
        await b.listener.until(lambda: b.listener.ends)

        assert (await a.transport.dial_once(b.target())).certificate.node == b.id


async def test_invited_node_is_found_by_the_hash_of_its_key():
    """A token carries a hash; another node is refused before it sees the secret."""
    from p2pfw.core.token import key_hash

    async with Node("a") as a, Node("b") as b:
        wrong = DialTarget(url=b.url, key_hash=key_hash(key("c").public_key), token=b"secret")
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(wrong)
        assert caught.value.code == "wrong-id"
        await a.transport.dial_once(replace(wrong, key_hash=key_hash(b.id)))
        await b.connected(a)

        assert [proof.token for proof in b.listener.proofs] == [b"secret"]


async def test_session_survives_a_proxy_that_respaces_headers():
    """TLS, proxies and paths lie around the session; here: another path."""
    async with Node("a") as a, Node("b") as b:
        assert (await a.transport.dial_once(DialTarget(url=b.url + "/p2p"))).node == b.id
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(DialTarget(url=b.url + "/other"))

        assert caught.value.code == "not-a-peer"


async def test_address_in_use_says_what_to_do():
    """The operator's words, with the address."""
    async with Node("a") as a, Node("b") as b:
        with pytest.raises(ListenError, match=rf"cannot listen on {a.address}: another program .* listens there"):
            await b.transport.listen(a.address)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", ":7787", "127.0.0.1:port", "127.0.0.1:70000", "::1:7787", "[1.2.3.4:5"]
)
async def test_malformed_listen_address_is_an_input_error(address):
    """Parsed at the edge."""
    async with Node("a") as a:
        with pytest.raises(InputError, match="not host:port"):
            await a.transport.listen(address)


async def test_address_of_another_machine_says_so():
    """EADDRNOTAVAIL in words."""
    async with Node("a") as a:
        with pytest.raises(ListenError, match="no interface of this machine"):
            await a.transport.listen("192.0.2.1:0")


def test_other_reasons_why_listening_fails_are_in_words():
    """Without having to provoke each of them in the kernel."""
    from p2pfw.net.server import _what_to_do

    assert "CAP_NET_BIND_SERVICE" in _what_to_do("0.0.0.0:80", OSError(errno.EACCES, "denied"))
    assert "cannot be resolved" in _what_to_do("nowhere:1", socket.gaierror(-2, "unknown"))
    assert "too many" in _what_to_do("0.0.0.0:1", OSError(errno.EMFILE, "too many open files"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ws://", "127.0.0.1:7787", "ws://user@host:1", "ws://[::1"])
async def test_malformed_url_is_an_input_error(url):
    """A configuration mistake, said before anything is dialled."""
    async with Node("a") as a:
        with pytest.raises(InputError):
            await a.transport.dial_once(DialTarget(url=url))


async def test_ipv6_works_alike():
    """Bound, dialled and named without brackets."""
    async with Node("a") as a, Node("b") as b:
        bound = await b.transport.listen("[::1]:0")
        await a.transport.dial_once(DialTarget(url=f"ws://{bound}", node=b.id))
        there = await b.connected(a)

        assert bound.startswith("[::1]:")
        assert there.address == "::1"
