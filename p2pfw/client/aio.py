"""The client for asyncio programs: connections are kept open and shared. See blocking for the other one."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import aiohttp

from p2pfw import schema
from p2pfw.client import requests
from p2pfw.client.blocking import NOT_FOUND, SOCKET
from p2pfw.client.errors import ClientError, DeniedError, LateError, RefusedError, UnreachableError
from p2pfw.client.place import Place
from p2pfw.client.requests import Request, Ttl
from p2pfw.client.tls import context_for

T = TypeVar("T")

MAX_LINE = 1 << 20
"""Bytes of one line of a stream; an event with its evidence is the longest."""


class AsyncClient:
    """Asks one node. A context: `async with AsyncClient() as node`. Arguments and errors are those of Client."""

    def __init__(
        self,
        node: str | Path = SOCKET,
        *,
        token: str = "",
        ca_file: str | Path | None = None,
        timeout: float | None = 30.0,
    ) -> None:
        self._place = Place.parse(node)
        self._context = context_for(ca_file) if self._place.tls else None
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"AsyncClient({str(self._place)!r})"

    async def __aenter__(self) -> Self:
        path, context = self._place.path, self._context
        connector = aiohttp.UnixConnector(path) if path else aiohttp.TCPConnector(ssl=context or True)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ask(self, request: Request[T]) -> T:
        """The answer to any request of p2pfw.client.requests."""
        try:
            async with self._sent(request, self._timeout) as response:
                return request.decode(await _body(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failure(error) from None

    async def stream(self, request: Request[T]) -> AsyncIterator[T]:
        """The lines of a streamed answer, as they come."""
        try:
            async with self._sent(request, None) as response:
                if response.status >= 400:
                    await _body(response)  # raises
                async for line in response.content:
                    if line.strip():
                        yield request.decode(line)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._failure(error) from None

    def _sent(self, request: Request[T], timeout: float | None) -> Any:  # noqa: ANN401  # aiohttp's own context
        if self._session is None:
            raise RuntimeError("use it as a context: async with AsyncClient() as node")
        scheme = "https" if self._place.tls else "http"
        return self._session.request(
            request.method,
            f"{scheme}://{self._place.authority}{request.target}",
            data=request.body or None,
            headers=request.headers(),
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=False,
            max_line_size=MAX_LINE,
            read_bufsize=MAX_LINE,
        )

    def _failure(self, error: Exception) -> ClientError:
        """What aiohttp says, in our words."""
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(error, TimeoutError):
            return LateError(f"the node did not answer within {self._timeout} s", "it may still do what was asked")
        if isinstance(cause, PermissionError):
            return DeniedError(f"no permission to use {self._place}", "join the group p2pfw")
        if isinstance(error, aiohttp.ClientConnectionError | OSError):
            return UnreachableError(f"no node answers on {self._place} ({cause})")
        return UnreachableError(f"what answers on {self._place} is no node ({error})")

    # --- asking ------------------------------------------------------------------------------------------------------

    async def status(self) -> schema.Status:
        """The node's state."""
        return await self.ask(requests.status())

    async def is_blocked(self, prefix: str) -> bool:
        """True when all of it is adopted as blocked."""
        return await self.covering(prefix) is not None

    async def covering(self, prefix: str) -> schema.BlocklistEntry | None:
        """The longest adopted entry that covers it."""
        try:
            return await self.ask(requests.covering(prefix))
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def blocklist(self, family: Literal[0, 4, 6] = 0) -> AsyncIterator[schema.AdoptedEntry]:
        """All that is adopted."""
        return self.stream(requests.blocklist(family))

    async def why(self, prefix: str, *, counters: bool = False) -> schema.Why:
        """Why it is blocked, or not."""
        return await self.ask(requests.why(prefix, counters=counters))

    async def listing(self, view: str = "adopted", **only: Any) -> schema.Listing:  # noqa: ANN401
        """A page of verdicts; see requests.listing."""
        return await self.ask(requests.listing(view, **only))

    async def allow_list(self, *, protected: bool = False) -> schema.AllowList:
        """The whitelist."""
        return await self.ask(requests.allow_list(protected=protected))

    async def peers(self) -> list[schema.PeerView]:
        """Peers, connected and named."""
        return (await self.ask(requests.peers())).peers

    async def doctor(self) -> schema.Doctor:
        """The self-check."""
        return await self.ask(requests.doctor())

    def events(self, *, after: int = 0, since: int = 0, follow: bool = True) -> AsyncIterator[schema.Event]:
        """What happens, for ever; with `follow` False what the node still knows of it."""
        return self.stream(requests.events(after=after, since=since, follow=follow))

    # --- changing ----------------------------------------------------------------------------------------------------

    async def block(self, prefix: str | Sequence[str], *, key: str = "", **said: object) -> schema.BlockAnswer:
        """Block it (or a list of up to 1,024), for 4 hours unless `ttl` says otherwise; see schema.BlockRequest."""
        return await self.ask(requests.block(prefix, key=key, **said))

    async def unblock(self, prefix: str, scope: Literal["own", "owner"] = "owner") -> schema.UnblockAnswer:
        """Take it back."""
        return await self.ask(requests.unblock(prefix, scope))

    async def import_list(self, data: bytes, **said: str) -> schema.ImportProgress:
        """Block a list, whole or nothing. The last word of the node; a refusal is a RefusedError."""
        said_so_far = [one async for one in self.stream(requests.import_list(data, **said))]
        return requests.finished(said_so_far)

    async def sight(
        self, prefix: str, verdict: Literal["bad", "good"] = "bad", **said: object
    ) -> schema.SightingAnswer:
        """Tell what a detector saw, or that an address is good."""
        return await self.ask(requests.sight(prefix, verdict, **said))

    async def allow(
        self, prefix: str, *, ttl: Ttl = "forever", comment: str = "", false_positive: bool = False
    ) -> schema.AllowAnswer:
        """Whitelist it."""
        return await self.ask(requests.allow(prefix, ttl=ttl, comment=comment, false_positive=false_positive))

    async def disallow(self, prefix: str) -> schema.AllowAnswer:
        """Take it off the whitelist."""
        return await self.ask(requests.disallow(prefix))


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The whole body of a success; RefusedError for any other."""
    body = await response.read()
    if response.status >= 400:
        raise RefusedError(response.status, body, {name.lower(): value for name, value in response.headers.items()})
    return body
