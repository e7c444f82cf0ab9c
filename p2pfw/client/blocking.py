"""The client for ordinary programs: every call waits for its answer. See aio for asyncio's.

One connection a call, so that threads may share a client.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from p2pfw import schema
from p2pfw.client import requests
from p2pfw.client.errors import RefusedError
from p2pfw.client.exchange import Exchange
from p2pfw.client.place import Place
from p2pfw.client.requests import Request, Ttl
from p2pfw.client.tls import context_for

T = TypeVar("T")

SOCKET: Final = "/run/p2pfw/api.sock"
NOT_FOUND: Final = 404


class Client:
    """Asks one node.

    `node`: its socket, or "http://127.0.0.1:7788", or "https://…"; `token`: for HTTP, from `p2pfw token add`;
    `ca_file`: who signed the node's certificate, where that is an authority of your own; `timeout`: seconds for a call,
    not for streams. Raises what is in p2pfw.client.errors, and InputError for a `node` that is none.
    """

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

    def __repr__(self) -> str:
        return f"Client({str(self._place)!r})"

    def ask(self, request: Request[T]) -> T:
        """The answer to any request of p2pfw.client.requests."""
        with self._sent(request, self._timeout) as exchange:
            return request.decode(exchange.read())

    def stream(self, request: Request[T]) -> Iterator[T]:
        """The lines of a streamed answer, as they come. Close the iterator (or read to its end) to end it."""
        with self._sent(request, None) as exchange:
            for line in exchange.lines():
                if line:  # an empty one is a sign of life
                    yield request.decode(line)

    def _sent(self, request: Request[T], timeout: float | None) -> Exchange:
        exchange = Exchange(self._place, timeout, self._context)
        try:
            exchange.send(request.method, request.target, {**request.headers(), **self._headers}, request.body)
            if exchange.status >= 400:
                raise RefusedError(exchange.status, exchange.read(), exchange.headers)
        except BaseException:
            exchange.__exit__()
            raise
        return exchange

    # --- asking ------------------------------------------------------------------------------------------------------

    def status(self) -> schema.Status:
        """The node's state."""
        return self.ask(requests.status())

    def is_blocked(self, prefix: str) -> bool:
        """True when all of it is adopted as blocked."""
        return self.covering(prefix) is not None

    def covering(self, prefix: str) -> schema.BlocklistEntry | None:
        """The longest adopted entry that covers it."""
        try:
            return self.ask(requests.covering(prefix))
        except RefusedError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def blocklist(self, family: Literal[0, 4, 6] = 0) -> Iterator[schema.AdoptedEntry]:
        """All that is adopted."""
        return self.stream(requests.blocklist(family))

    def why(self, prefix: str, *, counters: bool = False) -> schema.Why:
        """Why it is blocked, or not."""
        return self.ask(requests.why(prefix, counters=counters))

    def listing(self, view: str = "adopted", **only: Any) -> schema.Listing:  # noqa: ANN401
        """A page of verdicts; see requests.listing."""
        return self.ask(requests.listing(view, **only))

    def allow_list(self, *, protected: bool = False) -> schema.AllowList:
        """The whitelist."""
        return self.ask(requests.allow_list(protected=protected))

    def peers(self) -> list[schema.PeerView]:
        """Peers, connected and named."""
        return self.ask(requests.peers()).peers

    def doctor(self) -> schema.Doctor:
        """The self-check."""
        return self.ask(requests.doctor())

    def events(self, *, after: int = 0, since: int = 0, follow: bool = True) -> Iterator[schema.Event]:
        """What happens, for ever; with `follow` False what the node still knows of it."""
        return self.stream(requests.events(after=after, since=since, follow=follow))

    # --- changing ----------------------------------------------------------------------------------------------------

    def block(self, prefix: str | Sequence[str], *, key: str = "", **said: object) -> schema.BlockAnswer:
        """Block it (or a list of up to 1,024), for 4 hours unless `ttl` says otherwise; see schema.BlockRequest."""
        return self.ask(requests.block(prefix, key=key, **said))

    def unblock(self, prefix: str, scope: Literal["own", "owner"] = "owner") -> schema.UnblockAnswer:
        """Take it back."""
        return self.ask(requests.unblock(prefix, scope))

    def import_list(self, data: bytes, **said: str) -> schema.ImportProgress:
        """Block a list, whole or nothing. The last word of the node; a refusal is a RefusedError."""
        return requests.finished(list(self.stream(requests.import_list(data, **said))))

    def sight(self, prefix: str, verdict: Literal["bad", "good"] = "bad", **said: object) -> schema.SightingAnswer:
        """Tell what a detector saw, or that an address is good."""
        return self.ask(requests.sight(prefix, verdict, **said))

    def allow(
        self, prefix: str, *, ttl: Ttl = "forever", comment: str = "", false_positive: bool = False
    ) -> schema.AllowAnswer:
        """Whitelist it."""
        return self.ask(requests.allow(prefix, ttl=ttl, comment=comment, false_positive=false_positive))

    def disallow(self, prefix: str) -> schema.AllowAnswer:
        """Take it off the whitelist."""
        return self.ask(requests.disallow(prefix))
