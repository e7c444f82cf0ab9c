"""Whoever does not keep the rules: refused, with the reason counted, and honest peers do not notice."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from p2pfw.core.canonical import pack
from p2pfw.core.identity import Uses, network_id
from p2pfw.core.prefix import Prefix
from p2pfw.core.proof import CONTEXT, Identity, Role, prove
from p2pfw.core.wire import Bye, ByeCode, decode_frame
from p2pfw.errors import HandshakeError
from p2pfw.ports import SendClass
from tests.net.harness import (
    FAST,
    Node,
    RawCaller,
    RawResponder,
    certificate_for,
    drop,
    eventually,
    key,
    raw_connection,
)

MALLORY = key("mallory")


async def assert_still_serving(victim):
    """An honest node gets its session and its frame through."""
    async with Node("honest") as honest:
        await honest.transport.dial_once(victim.target())
        await victim.connected(honest)
        honest.send(victim, b"a block from an honest peer")
        await victim.listener.until(lambda: (honest.id, b"a block from an honest peer") in victim.listener.frames)


# --- the handshake, called ---------------------------------------------------------------------------------------


async def test_wrong_network_is_refused_on_both_sides():
    """The caller's message 2 does not open; it hangs up without having said who it is."""
    async with Node("a") as a, Node("b") as b:
        a.credentials.network = network_id("another")
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(b.target())
        await b.listener.until(lambda: b.listener.refusals)

        assert caught.value.code == "not-authentic"
        assert a.listener.refusals == [("127.0.0.1", b.id, "not-authentic")]
        assert b.listener.refusals == [("127.0.0.1", None, "far-not-authentic")]
        assert b.listener.proofs == []


async def test_caller_of_another_network_that_goes_on_is_refused():
    """Its message 3 was sealed under another transcript."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.socket.send_bytes(caller.noise.write(lambda _: b""))
        await caller.socket.receive_bytes()
        await caller.socket.send_bytes(bytes(300))
        code = await caller.closing()

        assert code == 4001
        assert b.listener.reasons == ["not-authentic"]


@pytest.mark.parametrize("versions", [(), ("chat",), ("p2pfw.2",)], ids=["none", "other", "newer"])
async def test_no_common_version_is_refused_before_the_upgrade(versions):
    """HTTP 400: nothing of the handshake is done."""
    async with Node("b") as b:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with RawCaller(b, versions=versions):
                pass

        assert caught.value.status == 400
        assert b.listener.reasons == ["version"]


async def test_proxy_that_strips_the_offer_is_noticed():
    """A responder that answers without a subprotocol, or saw another offer, is none of ours."""

    async def nothing(_responder, _noise):
        pass

    async with Node("a") as a, RawResponder(nothing, versions=("other",)) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), url=responder.url, node=None))

        assert caught.value.code == "version"


async def test_changed_offer_makes_message_two_fail():
    """The offer that arrived is in the prologue: a box that added a version is found out."""
    async with Node("b") as b, RawCaller(b, versions=("p2pfw.2", "p2pfw.1"), offered=("p2pfw.1",)) as caller:
        await caller.socket.send_bytes(caller.noise.write(lambda _: b""))

        with pytest.raises(HandshakeError):
            caller.noise.read(await caller.socket.receive_bytes())


async def test_newer_caller_is_understood():
    """Newest first, ours picked."""
    async with Node("b") as b, RawCaller(b, versions=("p2pfw.2", "p2pfw.1"), offered=("p2pfw.2", "p2pfw.1")) as caller:
        session = await caller.greet()

        assert session.open(await caller.socket.receive_bytes()) == b"hello"


@pytest.mark.parametrize("size", [0, 31, 33, 65_000])
async def test_first_message_of_another_size_is_refused(size):
    """32 bytes, or nothing."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.socket.send_bytes(bytes(size))
        await caller.closing()

        assert b.listener.reasons == ["malformed-message"]


@pytest.mark.parametrize("tamper", ["first", "second", "third"])
async def test_tampered_handshake_is_refused(tamper):
    """One bit, anywhere; test_noise does all of them."""
    async with Node("b") as b, RawCaller(b) as caller:
        first = caller.noise.write(lambda _: b"")
        await caller.socket.send_bytes(flip(first) if tamper == "first" else first)
        second = await caller.socket.receive_bytes()
        if tamper != "third":
            with pytest.raises(HandshakeError):
                caller.noise.read(flip(second) if tamper == "second" else second)
            return
        caller.noise.read(second)
        third = caller.noise.write(lambda t: prove(Identity(signer=MALLORY), Role.INITIATOR, t))
        await caller.socket.send_bytes(flip(third))
        await caller.closing()

        assert b.listener.reasons == ["not-authentic"]


async def test_key_of_small_order_is_refused():
    """An all-zero shared secret would be known to everybody."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.socket.send_bytes(bytes(32))
        await caller.closing()

        assert b.listener.reasons == ["weak-key"]


async def test_text_instead_of_a_message_is_refused():
    """Only binary messages mean anything."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.socket.send_str("x" * 32)
        await caller.closing()

        assert b.listener.reasons == ["malformed-message"]


async def test_stranger_is_told_inside_the_encryption():
    """A proven key that nobody here knows: BYE, which no observer can read."""
    async with Node("b") as b, RawCaller(b) as caller:
        b.listener.refuse = "stranger"
        session = await caller.greet()
        frame = decode_frame(session.open(await caller.socket.receive_bytes()))

        assert isinstance(frame, Bye)
        assert frame.code == ByeCode.NOT_ADMITTED
        assert b.listener.refusals == [("127.0.0.1", MALLORY.public_key, "stranger")]
        assert b.listener.opens == []


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (lambda: certificate_for(MALLORY, begin=-1_000, end=-1), "bad-certificate"),
        (lambda: certificate_for(MALLORY, begin=600), "bad-certificate"),
        (lambda: certificate_for(key("victim")), "bad-certificate"),
        (lambda: certificate_for(MALLORY, uses=Uses.ANNOUNCE), "bad-certificate"),
        (lambda: flip(certificate_for(MALLORY)), "bad-signature"),
        (lambda: b"junk", "malformed"),
    ],
    ids=["expired", "not yet", "for another node", "for another use", "forged", "junk"],
)
async def test_certificate_that_does_not_count_is_refused(certificate, reason):
    """At the responder; the caller is told by the close code at most."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.greet(certificate=certificate())
        await caller.closing()

        assert b.listener.refusals == [("127.0.0.1", None, reason)]
        assert b.listener.proofs == []


async def test_dialler_refuses_a_responder_with_a_bad_certificate():
    """Before message 3."""
    async with Node("a") as a, Node("b") as b:
        b.credentials.certificate = certificate_for(b.key, end=-1)
        target = b.target()
        with pytest.raises(Exception, match="not valid now"):
            await a.transport.dial_once(target)
        await b.listener.until(lambda: b.listener.refusals)

        assert b.listener.refusals == [("127.0.0.1", None, "far-bad-certificate")]


async def test_own_expired_certificate_is_explained_to_the_dialler():
    """The responder's hint by close code is what the operator of the other side sees."""
    async with Node("a") as a, Node("b") as b:
        a.credentials.certificate = certificate_for(a.key, end=-1)
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(b.target())

        assert caught.value.code == "far-bad-certificate"


async def test_role_swapped_proof_is_refused():
    """The responder's proof, sent back as the initiator's."""

    def swapped(transcript):
        return pack((1, MALLORY.public_key, b"", MALLORY.sign(CONTEXT, Role.RESPONDER.value + transcript), 0, b""))

    async with Node("b") as b, RawCaller(b) as caller:
        await caller.greet(swapped)
        await caller.closing()

        assert b.listener.reasons == ["bad-proof"]


async def test_spliced_proof_is_refused():
    """A man in the middle hands each side's proof to the other: the signatures are over another transcript."""
    stolen = asyncio.get_running_loop().create_future()

    async def steal(responder, far):
        far.read(await responder.socket.receive_bytes())
        await responder.socket.send_bytes(far.write(lambda t: prove(Identity(signer=MALLORY), Role.RESPONDER, t)))
        payload, _ = far.read(await responder.socket.receive_bytes())
        stolen.set_result(payload)

    async with Node("a") as a, Node("b") as b, RawResponder(steal) as middle, RawCaller(b) as caller:
        a.transport.dial([replace(a.target(), url=middle.url, node=None)])
        payload = await stolen
        await caller.greet(lambda _: payload)
        await caller.closing()

        assert b.listener.reasons == ["bad-proof"]
        assert b.listener.opens == []


async def test_reflected_messages_are_refused():
    """A mirror: our own first message back, and our own proof by way of ourselves."""

    async def mirror(responder, _noise):
        await responder.socket.send_bytes(await responder.socket.receive_bytes())

    async with Node("a") as a, RawResponder(mirror) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), url=responder.url, node=None))

        assert caught.value.code == "malformed-message"


async def test_node_that_dials_itself_finds_out():
    """By its own id in message 2; it never gets as far as a session."""
    async with Node("a") as a:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), node=None))
        await a.listener.until(lambda: len(a.listener.refusals) == 2)

        assert caught.value.code == "own-id"
        assert sorted(a.listener.reasons) == ["far-own-id", "own-id"]
        assert a.listener.opens == []


async def test_impostor_never_learns_who_called():
    """It proves another id than the expected one: nothing follows its message 2."""
    got = []

    async def impostor(responder, far):
        far.read(await responder.socket.receive_bytes())
        await responder.socket.send_bytes(far.write(lambda t: prove(Identity(signer=MALLORY), Role.RESPONDER, t)))
        message = await responder.socket.receive()
        got.append(message.type)

    async with Node("a") as a, RawResponder(impostor) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(
                replace(a.target(token=b"the secret"), url=responder.url, node=key("b").public_key)
            )
        await responder.done.wait()

        assert caught.value.code == "wrong-id"
        assert got == [aiohttp.WSMsgType.CLOSE]
        assert responder.received == []


async def test_redirect_is_not_followed():
    """Whoever is called does not choose whom we call next."""
    asked = []

    async def redirect(request):
        asked.append(request.path)
        return aiohttp.web.Response(status=302, headers={"Location": "/elsewhere"})

    runner = aiohttp.web.ServerRunner(aiohttp.web.Server(redirect))
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    async with Node("a") as a:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), url=f"ws://127.0.0.1:{port}", node=None))
    await runner.cleanup()

    assert caught.value.code == "not-a-peer"
    assert asked == ["/p2p"]


async def test_silent_responder_costs_the_time_for_a_handshake_only():
    """Accepts the websocket and says nothing."""

    async def silent(_responder, _noise):
        pass

    async with Node("a", limits=replace(FAST, handshake_s=0.1)) as a, RawResponder(silent) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), url=responder.url, node=None))

        assert caught.value.code == "slow-handshake"


async def test_responder_that_hangs_up_is_reported():
    """In the middle of the handshake, without a hint."""

    async def hang_up(responder, _noise):
        await responder.socket.close()

    async with Node("a") as a, RawResponder(hang_up) as responder:
        with pytest.raises(HandshakeError) as caught:
            await a.transport.dial_once(replace(a.target(), url=responder.url, node=None))

        assert caught.value.code == "hung-up"


# --- the session -------------------------------------------------------------------------------------------------


async def open_session(node, caller):
    """A hostile but proven peer with an open session; the greeting was read."""
    session = await caller.greet()
    session.open(await caller.socket.receive_bytes())
    await node.listener.until(lambda: node.listener.opens)
    return session


@pytest.mark.parametrize("tamper", ["replay", "reorder", "reflect", "change", "cut", "garbage", "empty"])
async def test_disturbed_frames_end_the_session(tamper):
    """Nothing after it is delivered. Nobody is banned: anybody on the way can do that to an honest peer."""
    async with Node("b") as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        first, second, third = (session.seal(bytes([number]) * 10) for number in (1, 2, 3))
        await caller.socket.send_bytes(first)
        b.send(MALLORY_NODE, b"to be reflected")
        own = await caller.socket.receive_bytes()
        disturbed = {
            "replay": first,
            "reorder": third,
            "reflect": own,
            "change": flip(second),
            "cut": second[:-1],
            "garbage": bytes(65_000),
            "empty": b"",
        }[tamper]
        await caller.socket.send_bytes(disturbed)
        await caller.socket.send_bytes(second)
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(MALLORY.public_key, "not-authentic")]
        assert [frame for _, frame in b.listener.frames] == [bytes([1]) * 10]
        assert b.transport.bans() == []
        await assert_still_serving(b)


@pytest.mark.parametrize("kind", ["oversize", "text"])
async def test_message_outside_the_rules_of_the_websocket_ends_the_session(kind):
    """65,536 bytes and more, or text."""
    async with Node("b") as b, RawCaller(b) as caller:
        await open_session(b, caller)
        await (caller.socket.send_bytes(bytes(65_536)) if kind == "oversize" else caller.socket.send_str("x"))
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(MALLORY.public_key, "bad-message")]


async def test_largest_message_is_taken():
    """65,535 bytes: one below what is refused."""
    async with Node("b") as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        await caller.socket.send_bytes(session.seal(bytes(65_519)))
        await b.listener.until(lambda: b.listener.frames)

        assert b.listener.frames == [(MALLORY.public_key, bytes(65_519))]


async def test_compressed_messages_are_not_negotiated():
    """No bombs: the extension is never agreed to."""
    async with Node("b") as b, aiohttp.ClientSession() as http:
        socket = await http.ws_connect(b.url + "/p2p", protocols=("p2pfw.1",), compress=15)
        assert socket.compress == 0
        await socket.close()


async def test_broken_goodbye_is_a_fault():
    """A BYE is decoded by net itself, by the same strict rules."""
    async with Node("b") as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        await caller.socket.send_bytes(session.seal(b"\x93\x12\xff\xff"))
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(MALLORY.public_key, "bad-frame")]
        assert [ban.reason for ban in b.transport.bans()] == ["bad-frame"]


@pytest.mark.parametrize("frame", [b"", b"\x12", b"\x12\x12", b"\x92\x01\x12"])
async def test_only_a_goodbye_is_taken_for_one(frame):
    """Everything else is the listener's to decode."""
    async with Node("b") as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        await caller.socket.send_bytes(session.seal(frame))
        await b.listener.until(lambda: b.listener.frames)

        assert b.listener.frames == [(MALLORY.public_key, frame)]


async def test_websocket_pings_are_answered():
    """What proxies send to keep a connection alive."""
    async with Node("b") as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        await caller.socket.ping(b"proxy")
        await caller.socket.pong(b"unasked")
        await caller.socket.send_bytes(session.seal(b"after"))
        await b.listener.until(lambda: b.listener.frames)

        assert b.listener.ends == []


async def test_vanished_peer_is_noticed():
    """A connection that breaks without goodbye."""
    async with Node("b") as b, RawCaller(b) as caller:
        await open_session(b, caller)
        caller.socket._response.connection.transport.abort()
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(MALLORY.public_key, "lost")]


async def test_peer_that_does_not_read_is_dropped_at_its_bound():
    """More than the queue may hold: `send` says so at once, the session ends as slow, memory stays bounded."""
    async with Node("b") as b, RawCaller(b) as caller:
        await open_session(b, caller)
        sent = 0
        while b.send(MALLORY_NODE, bytes(60_000), SendClass.EAGER):
            sent += 60_000
            assert b.transport.stats(b.listener.open[MALLORY.public_key]).queued <= 4 << 20
        await b.listener.until(lambda: b.listener.ends)

        assert sent <= 4 << 20
        assert b.listener.ends == [(MALLORY.public_key, "slow")]
        await assert_still_serving(b)


async def test_peer_that_stops_reading_is_dropped_after_a_while():
    """Below the bound, but nothing moves: the kernel's buffers are full and stay full."""
    limits = replace(FAST, stall_s=0.2, queue_bytes=1 << 30)
    async with Node("b", limits=limits) as b, RawCaller(b) as caller:
        await open_session(b, caller)
        # aiohttp's client stops reading from the socket when nobody takes messages from it.
        for _ in range(600):
            assert b.send(MALLORY_NODE, bytes(60_000), SendClass.BULK)
        await b.listener.until(lambda: b.listener.ends)

        assert b.listener.ends == [(MALLORY.public_key, "slow")]


async def test_flood_is_slowed_down_and_others_are_served():
    """Reading from one peer pauses when it sends more than its share; nothing is lost, nobody is punished."""
    limits = replace(FAST, read_bytes_s=2_000_000.0, read_burst=100_000)
    async with Node("b", limits=limits) as b, RawCaller(b) as caller:
        session = await open_session(b, caller)
        began = asyncio.get_running_loop().time()
        for _ in range(20):
            await caller.socket.send_bytes(session.seal(bytes(30_000)))
        await assert_still_serving(b)
        await b.listener.until(lambda: len(b.listener.frames) == 21)

        assert asyncio.get_running_loop().time() - began >= 0.2
        assert MALLORY.public_key not in dict(b.listener.ends)


# --- before authentication ---------------------------------------------------------------------------------------


UPGRADE = (
    b"GET /p2p HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: p2pfw.1\r\n\r\n"
)


async def test_half_sent_header_is_cut_off():
    """aiohttp would wait for ever."""
    async with Node("b", limits=replace(FAST, header_s=0.1)) as b:
        reader, writer = await raw_connection(b)
        writer.write(b"GET /p2p HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert await reader.read() == b""
        await drop((reader, writer))

        assert b.listener.refusals == [("127.0.0.1", None, "slow-header")]
        assert b.transport.in_flight == 0


async def test_whoever_goes_away_in_the_middle_of_the_upgrade_is_taken_for_what_it_is():
    """A node that ends its call (it has a session meanwhile) is no stranger who speaks something else."""
    async with Node("b") as b:
        for after in range(40):
            _, writer = await raw_connection(b)
            writer.write(UPGRADE)
            for _ in range(after % 8):
                await asyncio.sleep(0)
            writer.transport.abort()
        await eventually(lambda: b.transport.in_flight == 0)

        assert set(b.listener.reasons) <= {"hung-up"}


async def test_dripping_header_is_cut_off():
    """One byte now and then does not prolong the time for the whole."""
    async with Node("b", limits=replace(FAST, header_s=0.1)) as b:
        reader, writer = await raw_connection(b)
        writer.write(b"GET /p2p HTTP/1.1\r\nX-Slow: ")
        closed = asyncio.create_task(reader.read())
        while not closed.done():
            writer.write(b"y")
            await asyncio.wait([closed], timeout=0.01)
        closed.exception()
        await drop((reader, writer))

        assert b.listener.reasons == ["slow-header"]


async def test_handshake_has_its_time_as_a_whole():
    """From the accepted connection on; a websocket that then says nothing is cut off."""
    async with Node("b", limits=replace(FAST, handshake_s=0.1)) as b, RawCaller(b) as caller:
        code = await caller.closing()

        assert code == 4009
        assert b.listener.reasons == ["slow-handshake"]
        await eventually(lambda: b.transport.in_flight == 0)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /p2p HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /p2p HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: p2pfw.1\r\n\r\n",
        b"POST /p2p HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nxxxx",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /p2p HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 5_000 + b"\r\n\r\n",
    ],
    ids=["other path", "no version", "no upgrade", "post", "tls", "long header"],
)
async def test_what_is_no_peer_gets_one_answer_and_is_gone(request_, caplog):
    """Scanners and browsers: an error, the end, and no traceback in the log."""
    async with Node("b") as b:
        reader, writer = await raw_connection(b)
        writer.write(request_ + request_)
        answer = await reader.read()
        await drop((reader, writer))
        await eventually(lambda: b.transport.in_flight == 0)

        assert len(b.listener.refusals) == 1
        assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert answer.count(b"HTTP/1.") == 1
        assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


async def test_honest_handshake_succeeds_among_many_half_open_ones():
    """Every place is taken by connections that say nothing: the oldest gives way."""
    limits = replace(FAST, in_flight=8, reserved=2)
    async with Node("b", limits=limits) as b:
        silent = [await raw_connection(b) for _ in range(40)]
        await b.listener.until(lambda: len(b.listener.refusals) == 34)
        await assert_still_serving(b)

        assert b.transport.in_flight <= 6
        assert set(b.listener.reasons) == {"gave-way"}
        await drop(*silent)


async def test_addresses_have_their_own_limit():
    """The fifth handshake at once from one address; it does not get as far as a byte of HTTP."""
    async with Node("b", limits=replace(FAST, per_group=4)) as b:
        held = [await raw_connection(b) for _ in range(4)]
        await eventually(lambda: b.transport.in_flight == 4)
        reader, writer = await raw_connection(b)
        assert await reader.read() == b""
        await drop((reader, writer))

        assert b.listener.refusals == [("127.0.0.1", None, "address-in-flight")]
        await drop(*held)
        await eventually(lambda: b.transport.in_flight == 0)
        await assert_still_serving(b)


async def test_configured_address_gets_through_a_flood():
    """Its share of the handshakes is kept, and no stranger's rate touches it."""
    limits = replace(FAST, in_flight=4, reserved=2, new_per_second=3.0, per_group=100)
    async with Node("b", limits=limits) as b, Node("friend") as friend:
        flood = [await raw_connection(b) for _ in range(10)]
        await b.listener.until(lambda: "busy" in b.listener.reasons)
        with pytest.raises(HandshakeError):
            await friend.transport.dial_once(b.target())
        b.transport.dial([replace(friend.target(), url="ws://127.0.0.1:1")])
        await friend.transport.dial_once(b.target())

        assert friend.id in b.listener.open
        await drop(*flood)


async def test_forwarded_address_counts_behind_a_trusted_proxy_only():
    """The proxy's word on who calls; from anybody else it is what anybody can write."""
    believed = Node("b", trusted_proxies=[Prefix.parse("127.0.0.0/8")])
    async with believed as b, RawCaller(b, headers={"X-Forwarded-For": "spoofed, 198.51.100.7"}) as caller:
        await open_session(b, caller)
        assert b.listener.opens[0].address == "198.51.100.7"
    async with Node("b") as b, RawCaller(b, headers={"X-Forwarded-For": "198.51.100.7"}) as caller:
        await open_session(b, caller)
        assert b.listener.opens[0].address == "127.0.0.1"


async def test_rate_is_by_forwarded_address_behind_a_trusted_proxy():
    """HTTP 429 for the one who had enough, service for the others."""
    limits = replace(FAST, group_burst=2, group_per_minute=0.001)
    async with Node("b", limits=limits, trusted_proxies=[Prefix.parse("127.0.0.1")]) as b:
        for number in range(3):
            headers = {"X-Forwarded-For": "198.51.100.7"}
            if number < 2:
                async with RawCaller(b, headers=headers):
                    continue
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                async with RawCaller(b, headers=headers):
                    pass
            assert caught.value.status == 429
        async with RawCaller(b, headers={"X-Forwarded-For": "198.51.100.8"}) as caller:
            await open_session(b, caller)

        assert ("198.51.100.7", None, "address-rate") in b.listener.refusals


async def test_stop_ends_handshakes_too():
    """Nothing that was begun goes on."""
    async with Node("b") as b, RawCaller(b) as caller:
        await caller.socket.send_bytes(caller.noise.write(lambda _: b""))
        caller.noise.read(await caller.socket.receive_bytes())
        await b.transport.stop()
        await caller.closing()

        assert b.listener.opens == []


# --- helpers -----------------------------------------------------------------------------------------------------


class _MalloryNode:
    id = MALLORY.public_key


MALLORY_NODE = _MalloryNode()


def flip(data):
    """The same with one bit changed near the end."""
    return data[:-2] + bytes([data[-2] ^ 4]) + data[-1:]
