"""A real Api on a real unix socket and a real loopback port, and clients that say exactly the bytes they are told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from p2pfw.config import Api as Settings
from p2pfw.config import Endpoint
from p2pfw.web.api import Api
from tests.web.fake_operations import FakeOperations

ADMIN = {"Authorization": "Bearer admin-secret"}


@dataclass(slots=True)
class FixedClock:
    """Stands still until it is moved."""

    wall: float = 1_800_000_000.0
    running: float = 1_000.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.running


@dataclass(slots=True)
class Served:
    """A running Api."""

    api: Api
    operations: FakeOperations
    settings: Settings
    clock: FixedClock = field(default_factory=FixedClock)

    @property
    def port(self) -> int:
        return int(self.api.addresses[1].rpartition(":")[2])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, *, socket: bool = False) -> aiohttp.ClientSession:
        """A client of the port, or of the socket."""
        connector = aiohttp.UnixConnector(str(self.settings.socket)) if socket else aiohttp.TCPConnector()
        return aiohttp.ClientSession(self.url if not socket else "http://localhost", connector=connector)

    async def raw(self, data: bytes, *, socket: bool = False) -> "RawAnswer":
        """What comes back for exactly these bytes on a new connection, until the server closes it."""
        reader, writer = await self.connect(socket=socket)
        writer.write(data)
        try:
            return RawAnswer.read(await reader.read())
        finally:
            writer.close()

    async def connect(self, *, socket: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if socket:
            return await asyncio.open_unix_connection(str(self.settings.socket))
        return await asyncio.open_connection("127.0.0.1", self.port)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A parsed answer; bodies that are sent in chunks stay as they are."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, data: bytes) -> "RawAnswer":
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return cls(int(first.split()[1]), headers, body)

    @property
    def problem(self) -> dict:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


@asynccontextmanager
async def serving(folder: Path, **settings: object) -> AsyncIterator[Served]:
    """An Api that is open for the time of the block."""
    chosen = Settings(**{"socket": folder / "api.sock", "http": Endpoint("127.0.0.1", 0), **settings})
    operations, clock = FakeOperations(), FixedClock()
    api = Api(operations, chosen, clock)
    await api.start()
    try:
        yield Served(api, operations, chosen, clock)
    finally:
        await api.stop()


async def eventually(condition) -> None:
    """Until it holds; the hang guard of the run ends it otherwise."""
    while not condition():  # noqa: ASYNC110  # there is nothing to wait on
        await asyncio.sleep(0.005)
