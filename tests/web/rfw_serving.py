"""A real RfwApi on real ports, and clients that speak as rfw's do: HTTPS with Basic, or HTTP on loopback."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import aiohttp
import nacl.pwhash

from p2pfw.config import Api as Settings
from p2pfw.config import Endpoint, Rfw
from p2pfw.core.prefix import Prefix
from p2pfw.store.certificates import Subject, make_authority, make_server
from p2pfw.web.rfw import RfwApi
from tests.web.fake_operations import FakeOperations
from tests.web.fake_rules import FakeRules
from tests.web.serving import FixedClock

USER, PASSWORD = "admin", "correct horse"
CHEAP = {"opslimit": nacl.pwhash.argon2id.OPSLIMIT_MIN, "memlimit": nacl.pwhash.argon2id.MEMLIMIT_MIN}
HERE = (Prefix.parse("127.0.0.1").key,)


@cache
def password_hash() -> str:
    """Argon2id, as cheap as it can be."""
    return nacl.pwhash.argon2id.str(PASSWORD.encode(), **CHEAP).decode()


@cache
def certificates() -> Path:
    """A folder with an authority and a server certificate for 127.0.0.1."""
    folder = Path(mkdtemp(prefix="p2pfw-ca-"))
    make_authority(folder)
    make_server(folder, Subject.of(["server"], ["127.0.0.1"]))
    return folder


def basic(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """The header of a client that has the password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client sees."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(slots=True)
class ServedRfw:
    """A running RfwApi, with what stands behind it."""

    api: RfwApi
    operations: FakeOperations
    rules: FakeRules
    clock: FixedClock = field(default_factory=FixedClock)

    @property
    def public(self) -> tuple[str, int]:
        return self.api.addresses[0]

    @property
    def local(self) -> tuple[str, int]:
        return self.api.addresses[-1]

    async def ask(self, method: str, path: str, *, local=False, headers=None, credentials=True) -> Reply:
        """One request on a new connection."""
        scheme, (host, port) = ("http", self.local) if local else ("https", self.public)
        more = {**(basic() if credentials and not local else {}), **(headers or {})}
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=certificates() / "ca.crt"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"{scheme}://{host}:{port}{path}", headers=more) as answer,
        ):
            return Reply(answer.status, dict(answer.headers), (await answer.read()).decode())


@asynccontextmanager
async def serving_rfw(**settings: object) -> AsyncIterator[ServedRfw]:
    """An RfwApi that is open for the time of the block, whose one client is this machine."""
    of = Rfw(
        **{
            "enabled": True,
            "listen": Endpoint("127.0.0.1", 0),
            "local_listen": Endpoint("127.0.0.1", 0),
            "username": USER,
            "password_hash": password_hash(),
            "clients": HERE,
            "tls_cert": certificates() / "server.crt",
            "tls_key": certificates() / "server.key",
            **settings,
        }
    )
    operations, rules, clock = FakeOperations(), FakeRules(), FixedClock()
    api = RfwApi(operations, rules, Settings(socket=Path("unused"), rfw=of), clock)
    await api.start()
    try:
        yield ServedRfw(api, operations, rules, clock)
    finally:
        await api.stop()
