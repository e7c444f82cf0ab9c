"""The webhook against a real HTTP server: what is sent, signed, tried again, given up; and what is never done."""

import asyncio
import hashlib
import hmac
import json
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from p2pfw.app.events import Events
from p2pfw.app.webhook import BATCH, Webhook
from p2pfw.errors import ConfigError, DeliveryError
from p2pfw.web.posting import WebPoster, read_secret
from tests.app.fakes import FakeClock

SECRET = b"0123456789abcdef0123456789abcdef"


class Receiver:
    """An HTTP server that answers what the test says, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.elsewhere = 0
        self.news = asyncio.Event()
        self.url = ""

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http{'s' if context else ''}://127.0.0.1:{port}/hook"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def until(self, fact: Callable[[], bool]) -> None:
        """Wait for a request that makes it true."""
        async with asyncio.timeout(60):
            while not fact():
                self.news.clear()
                await self.news.wait()

    def kinds(self) -> list[str]:
        return [event["kind"] for _, body in self.got for event in json.loads(body)["events"]]

    async def _hook(self, request: web.Request) -> web.Response:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        status = self.answers.pop(0) if self.answers else 204
        self.news.set()
        return web.Response(status=status, headers={"Location": "/elsewhere"} if 300 <= status < 400 else {})

    async def _elsewhere(self, _: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()


class Told:
    """Events, a webhook of theirs, and its task."""

    def __init__(self, receiver: Receiver, kinds: tuple[str, ...] = ("*",), size: int = 1_000) -> None:
        self.events = Events(FakeClock())
        self.hook = Webhook(WebPoster(receiver.url, 30), FakeClock(), ("p2pfw1node", "web-1"), SECRET)
        self.hook.choose(kinds, size)
        self.hook.pauses = (0.0, 0.0)
        self.events.watchers.append(self.hook.offer)

    async def __aenter__(self) -> "Told":
        self.task = asyncio.create_task(self.hook.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def settled(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not fact():  # noqa: ASYNC110  (what is waited for is a plain number)
                await asyncio.sleep(0.005)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Started."""
    made = Receiver()
    await made.start()
    yield made
    await made.stop()


async def test_chosen_events_arrive_signed_and_in_order(receiver):
    """With who says so; whoever has the secret can check it, and that it is not an old one."""
    async with Told(receiver, kinds=("mode", "peer-down")) as told:
        told.events.tell("mode", reason="enforce")
        told.events.tell("block", prefix="203.0.113.9/32")
        told.events.tell("peer-down", peer="berlin")
        await receiver.until(lambda: len(receiver.kinds()) == 2)
    headers, body = receiver.got[0]

    assert receiver.kinds() == ["mode", "peer-down"]
    assert json.loads(body) | {"events": []} == {
        "schema": "p2pfw.webhook/1",
        "node_id": "p2pfw1node",
        "name": "web-1",
        "dropped": 0,
        "events": [],
    }
    signed = hmac.new(SECRET, headers["x-p2pfw-timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["x-p2pfw-signature"] == f"sha256={signed}"
    assert SECRET not in body


async def test_many_events_are_few_requests(receiver):
    """A storm does not become one of requests."""
    async with Told(receiver) as told:
        for number in range(2 * BATCH + 1):
            told.events.tell("block", reason=str(number))
        await receiver.until(lambda: len(receiver.kinds()) == 2 * BATCH + 1)

    assert len(receiver.got) == 3


async def test_what_may_be_taken_later_is_tried_again_with_the_same_number(receiver):
    """A receiver that knows the number takes it once."""
    receiver.answers = [503, 429]
    async with Told(receiver) as told:
        told.events.tell("mode")
        await told.settled(lambda: told.hook.delivered == 1)

    assert len({headers["x-p2pfw-delivery"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3
    assert (told.hook.problem, told.hook.dropped, list(told.hook.lines())) == ("", 0, [])


@pytest.mark.parametrize("answers", [[400], [503, 503, 503]])
async def test_what_is_given_up_is_counted_and_health_says_so(receiver, answers):
    """An answer that no repetition changes, or one too many; newer events get through."""
    receiver.answers = answers[:]
    async with Told(receiver) as told:
        told.events.tell("mode")
        await told.settled(lambda: told.hook.dropped == 1)
        (line,) = told.hook.lines()
        assert (line.code, f"HTTP {answers[0]}" in line.text) == ("webhook", True)
        told.events.tell("reload")
        await told.settled(lambda: told.hook.delivered == 1)

    assert json.loads(receiver.got[-1][1])["dropped"] == 1
    (line,) = told.hook.lines()
    assert line.code == "webhook-dropped"
    assert told.hook.counts() == {"delivered": 1, "dropped": 1, "waiting": 0}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_never_followed(receiver, status):
    """Events of a firewall go to the address that the operator wrote, and nowhere else."""
    receiver.answers = [status]
    async with Told(receiver) as told:
        told.events.tell("mode")
        await told.settled(lambda: told.hook.dropped == 1)

    assert receiver.elsewhere == 0
    assert "redirects are not followed" in told.hook.problem


async def test_the_queue_is_bounded_and_the_oldest_give_way(receiver):
    """Nobody waits for a receiver that is away, and nothing grows."""
    told = Told(receiver, size=3)
    for number in range(5):
        told.events.tell("block", reason=str(number))
    assert (told.hook.waiting, told.hook.dropped) == (3, 2)
    async with told:
        await told.settled(lambda: told.hook.delivered == 3)

    assert [event["reason"] for event in json.loads(receiver.got[0][1])["events"]] == ["2", "3", "4"]


async def test_nobody_there_is_a_problem_and_not_an_end(unused_tcp_port):
    """The task goes on."""
    poster = WebPoster(f"http://127.0.0.1:{unused_tcp_port}/", 30)
    with pytest.raises(DeliveryError, match="cannot connect"):
        await poster.post(b"{}", {})


async def test_https_is_verified(tmp_path):
    """A certificate that nobody vouches for is no receiver."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    await asyncio.to_thread(subprocess.run, [*argv, "-keyout", key, "-out", cert], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    receiver = Receiver()
    await receiver.start(context)
    try:
        with pytest.raises(DeliveryError, match="certificate"):
            await WebPoster(receiver.url, 30).post(b"{}", {})
    finally:
        await receiver.stop()

    assert receiver.got == []


def test_a_secret_is_read_only_where_it_is_one(tmp_path: Path):
    """Private, and not to be guessed."""
    file = tmp_path / "secret"
    assert read_secret(None) == b""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(file)
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(file)
    file.chmod(0o600)
    assert read_secret(file) == SECRET
    for wrong in (b"short", b"x" * 5_000):
        file.write_bytes(wrong)
        with pytest.raises(ConfigError, match="bytes"):
            read_secret(file)


async def test_what_speaks_no_http_is_told_without_the_address():
    """Its path or query may be the secret, and the trouble stands in health and log."""

    async def greet(_, writer):
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(DeliveryError, match=r"no proper answer: Bad status line$") as caught:
            await WebPoster(f"http://127.0.0.1:{port}/T0/hush?sig=hush", 30).post(b"{}", {})
    assert "hush" not in str(caught.value)
