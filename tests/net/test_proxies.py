"""What lies between two nodes on the real internet: TLS, proxies that cut the stream anywhere, other event loops."""

import asyncio
import datetime as dt
import ssl

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from p2pfw.core.session import MAX_FRAME
from p2pfw.ports import DialTarget
from tests.net.harness import Node


@pytest.fixture
def tls(tmp_path):
    """A server context with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "tls.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


class Proxy:
    """Forwards a byte stream in pieces of `piece` bytes, with TLS towards the caller."""

    def __init__(self, port, *, tls=None, piece=65_536):
        self._port, self._tls, self._piece = port, tls, piece
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'wss' if self._tls else 'ws'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(self._piece):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


async def exchange(a, b, url, frames):
    """A session through `url`, and these frames in both directions."""
    await a.transport.dial_once(DialTarget(url=url, node=b.id))
    await b.connected(a)
    for frame in frames:
        a.send(b, frame)
        b.send(a, frame)
    await a.listener.until(lambda: len(a.listener.frames) == len(frames))
    await b.listener.until(lambda: len(b.listener.frames) == len(frames))

    assert [frame for _, frame in a.listener.frames] == [frame for _, frame in b.listener.frames] == frames


async def test_session_works_through_a_proxy_that_terminates_tls(tls):
    """`wss://` with a certificate that nobody signed: who is there is proven inside."""
    async with Node("b") as b, Proxy(b.port, tls=tls) as proxy, Node("a") as a:
        await exchange(a, b, proxy.url, [b"x", bytes(MAX_FRAME)])


@pytest.mark.parametrize("piece", [1, 7, 1_000])
async def test_session_survives_any_cutting_of_the_stream(piece):
    """Messages are the websocket's, not the network's."""
    async with Node("b") as b, Proxy(b.port, piece=piece) as proxy, Node("a") as a:
        await exchange(a, b, proxy.url, [bytes([number]) * number * 40 for number in range(1, 60)])


def test_session_works_on_the_loop_of_production():
    """uvloop has other transports; the door reaches into them."""

    async def both():
        async with Node("a") as a, Node("b") as b:
            await exchange(a, b, b.url, [b"x", bytes(MAX_FRAME)])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both())
