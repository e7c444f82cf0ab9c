"""Both clients against a served API: they ask alike, answer alike, and fail alike, through every door."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from p2pfw import schema
from p2pfw.client import AsyncClient, Client, LateError, RefusedError, UnreachableError, requests
from p2pfw.errors import ConflictError, InputError
from tests.web.serving import Served, serving

BAD, OTHER = "203.0.113.9/32", "198.51.100.0/24"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with tls.crt and tls.key, for localhost."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


@dataclass
class Asking:
    """One of the clients, and where the node is."""

    served: Served
    kind: type[Client | AsyncClient]
    node: str
    more: dict[str, Any]

    async def call(self, name: str, *args: object, **said: object) -> Any:
        """What its method answers; of a stream all there is."""
        if self.kind is AsyncClient:
            async with AsyncClient(self.node, **self.more) as client:
                found = getattr(client, name)(*args, **said)
                return await found if isinstance(found, Awaitable) else [one async for one in found]

        def ask() -> object:
            found = getattr(Client(self.node, **self.more), name)(*args, **said)
            return list(found) if hasattr(found, "__next__") else found

        return await asyncio.to_thread(ask)


DOORS = ("socket", "http", "https")


@pytest.fixture(params=[(kind, door) for kind in (Client, AsyncClient) for door in DOORS], ids=str)
async def asking(request: pytest.FixtureRequest, tmp_path: Path, certificate: Path) -> AsyncIterator[Asking]:
    """Each client at each door, as an administrator."""
    kind, door = request.param
    files = {"tls_cert": certificate / "tls.crt", "tls_key": certificate / "tls.key"} if door == "https" else {}
    async with serving(tmp_path, **files) as served:
        node = {
            "socket": str(served.settings.socket),
            "http": f"http://127.0.0.1:{served.port}",
            "https": f"https://localhost:{served.port}",
        }[door]
        more = {} if door == "socket" else {"token": "admin-secret"}
        if door == "https":
            more["ca_file"] = certificate / "tls.crt"
        yield Asking(served, kind, node, more)


async def test_a_day_with_a_node(asking: Asking):
    """Block, ask, list, whitelist, take back; values are those of the schema."""
    blocked = await asking.call("block", BAD, ttl="4h", category="ssh", reason="guessing")
    many = await asking.call("block", [BAD, OTHER])
    status = await asking.call("status")
    covering = await asking.call("covering", "198.51.100.7")
    entries = await asking.call("blocklist", 4)

    assert isinstance(blocked, schema.BlockAnswer)
    assert len(many.results) == 2
    assert (status.adopted, covering.prefix) == (2, OTHER)
    assert {one.prefix for one in entries} == {BAD, OTHER}
    assert (await asking.call("is_blocked", BAD), await asking.call("is_blocked", "192.0.2.1")) == (True, False)
    assert (await asking.call("why", BAD)).blocked
    assert (await asking.call("listing", "adopted", limit=1)).total == 2
    assert (await asking.call("unblock", BAD, "own")).prefix == BAD
    assert (await asking.call("allow", BAD, ttl="1d", comment="ours")).entry.comment == "ours"
    assert [one.prefix for one in (await asking.call("allow_list")).entries] == [BAD]
    assert (await asking.call("disallow", BAD)).entry.prefix == BAD
    assert await asking.call("peers") == []
    assert isinstance(await asking.call("doctor"), schema.Doctor)
    assert (await asking.call("sight", BAD, category="ssh")).prefix == BAD


async def test_lists_are_imported_whole_or_refused(asking: Asking):
    """The last word of the node; a refusal in the middle of the answer is an error like any other."""
    done = await asking.call("import_list", b"203.0.113.1\n203.0.113.2\n", ttl="1h")
    asking.served.operations.trouble_in_import = ConflictError("whitelisted", overlap=OTHER)

    assert (done.stage, done.entries) == ("installed", 2) or done.stage == "recorded"
    with pytest.raises(RefusedError) as caught:
        await asking.call("import_list", b"203.0.113.3\n")
    assert (caught.value.status, caught.value.overlap) == (409, OTHER)


async def test_what_happened_is_told(asking: Asking):
    """The ring, event by event."""
    asking.served.operations.ring += [schema.Event(id=at, time="", kind="block", prefix=BAD) for at in (1, 2, 3)]

    assert [one.id for one in await asking.call("events", after=1, follow=False)] == [2, 3]


async def test_a_refusal_says_what_was_wrong(asking: Asking):
    """Status, field and hint of the problem."""
    with pytest.raises(RefusedError) as caught:
        await asking.call("block", [BAD, "203.0.113.9/24"])

    error = caught.value
    assert (error.status, error.field, error.index) == (400, "prefixes[1]", 1)
    assert "203.0.113.0/24" in str(error)
    assert error.retry_after is None
    with pytest.raises(RefusedError, match="nonsense"):
        await asking.call("covering", "nonsense")


async def test_no_node_is_unreachable(tmp_path: Path):
    """Neither at a socket that is not there, nor at a closed port."""
    for node in (str(tmp_path / "none"), "http://127.0.0.1:1"):
        for kind in (Client, AsyncClient):
            with pytest.raises(UnreachableError, match="no node answers"):
                await Asking(None, kind, node, {}).call("status")


async def test_a_certificate_of_nobody_known_is_refused(asking: Asking):
    """HTTPS is checked always: the authority, and the name."""
    if not asking.node.startswith("https"):
        return
    for node, more in ((asking.node, {}), (asking.node.replace("localhost", "127.0.0.1"), asking.more)):
        with pytest.raises(UnreachableError, match=r"(?i)certificate"):
            await Asking(asking.served, asking.kind, node, more).call("status")


async def test_a_wrong_token_is_a_refusal(asking: Asking):
    """401, with what is wrong."""
    if asking.node.startswith("/"):
        return
    asking.more["token"] = "wrong"

    with pytest.raises(RefusedError, match="token") as caught:
        await asking.call("status")
    assert caught.value.status == 401


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_node_that_says_nothing_is_late(socket_dir: Path, kind: type):
    """After the time that was given, and not before the call is made."""
    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()
            await reader.read(1)
        writer.close()
        gone.set()

    async with await asyncio.start_unix_server(silent, socket_dir / "s"):
        with pytest.raises(LateError, match=r"within 0\.05 s"):
            await Asking(None, kind, str(socket_dir / "s"), {"timeout": 0.05}).call("status")
        await gone.wait()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_another_program_is_no_node(socket_dir: Path, kind: type):
    """HTTP that is not ours, and what is no HTTP."""
    for said in (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhtml", b"SSH-2.0-OpenSSH\r\n\r\n"):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = said) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said)
            writer.close()

        async with await asyncio.start_unix_server(answer, socket_dir / "s"):
            with pytest.raises(UnreachableError, match="is no node"):
                await Asking(None, kind, str(socket_dir / "s"), {}).call("status")
        (socket_dir / "s").unlink(missing_ok=True)


async def test_an_async_client_keeps_its_connections(tmp_path: Path):
    """A hundred questions over few connections; a stream that is left ends its own."""
    async with serving(tmp_path) as served, AsyncClient(served.settings.socket) as node:
        await asyncio.gather(*(node.is_blocked(f"203.0.113.{at}") for at in range(100)))
        served.operations.ring.append(schema.Event(id=1, time="", kind="block"))
        async with aclosing(node.stream(requests.events(since=1))) as stream:
            first = await anext(stream)

    assert first.id == 1
    assert "AsyncClient('" in repr(node)
    with pytest.raises(RuntimeError, match="async with"):
        await node.status()


@pytest.mark.parametrize(
    "node", ["http://", "ftp://host", "http://host/v1", "http://host:port", "http://user@host", "https://host?x=1"]
)
def test_what_is_no_place(node: str):
    """A URL without a path of its own, or a path."""
    with pytest.raises(InputError) as caught:
        Client(node)

    assert caught.value.field == "node"


def test_places_are_told_apart():
    """Socket, HTTP, HTTPS; default ports; IPv6."""
    texts = ["/run/x.sock", "unix:///run/x.sock", "http://127.0.0.1", "https://[2001:db8::1]:7788"]

    assert [repr(Client(text)) for text in texts] == [
        "Client('/run/x.sock')",
        "Client('/run/x.sock')",
        "Client('http://127.0.0.1:80')",
        "Client('https://[2001:db8::1]:7788')",
    ]


def test_a_file_that_holds_no_certificate_is_named(tmp_path: Path):
    """Before anything is asked."""
    (tmp_path / "ca.pem").write_text("nothing")
    for name in ("ca.pem", "none.pem"):
        with pytest.raises(InputError, match=name):
            Client("https://localhost:1", ca_file=tmp_path / name)
