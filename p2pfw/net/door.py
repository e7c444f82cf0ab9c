"""The first bytes of strangers: limits before anything is parsed, and a deadline for the HTTP header (protocol 2.6).

aiohttp waits for ever for the rest of a half-sent header, and logs every port scanner as an error with its traceback.
Both are put right in a subclass of its connection handler; this file alone knows aiohttp from the inside.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from p2pfw.core.prefix import Prefix
from p2pfw.errors import AdmissionError, InputError
from p2pfw.net.addresses import forwarded_address, group_of, is_within, plain
from p2pfw.net.limits import Gate, Limits, Ticket
from p2pfw.ports import Clock, SessionListener

log = logging.getLogger(__name__)


class Door:
    """Who may try to shake hands now. Every refusal is told to the listener, by address."""

    def __init__(
        self, listener: SessionListener, clock: Clock, limits: Limits, *, trusted_proxies: Sequence[Prefix] = ()
    ) -> None:
        self.limits = limits
        self._listener, self._clock, self._trusted = listener, clock, trusted_proxies
        self._gate = Gate(limits, clock.monotonic())
        self._configured: Callable[[], frozenset[str]] = frozenset

    def reserve_for(self, configured: Callable[[], frozenset[str]]) -> None:
        """Addresses for which a share of the handshakes is kept."""
        self._configured = configured

    @property
    def in_flight(self) -> int:
        """Handshakes now."""
        return len(self._gate)

    def enter(self, address: str, drop: Callable[[], None]) -> Ticket | None:
        """A connection was accepted. None: refused."""
        proxied = is_within(address, self._trusted)
        reserved = not proxied and address in self._configured()
        ticket = Ticket(address=address, group="" if proxied else group_of(address), reserved=reserved, drop=drop)
        try:
            evicted = self._gate.enter(ticket, self._clock.monotonic())
        except AdmissionError as error:
            self._listener.refused(address, None, error.code)
            return None
        if evicted is not None:
            self._listener.refused(evicted.address, None, "gave-way")
            evicted.drop()
        return ticket

    def name(self, ticket: Ticket, forwarded: str) -> None:
        """The header is here: behind a trusted proxy, count the connection under the address that the proxy names.

        AdmissionError when that address has had enough.
        """
        if ticket.group or ticket.reserved:
            return
        address = forwarded_address(forwarded, self._trusted) or ticket.address
        self._gate.name(ticket, address, group_of(address), self._clock.monotonic())

    def leave(self, ticket: Ticket) -> None:
        """It became a session, or is gone."""
        self._gate.leave(ticket)

    def turned_away(self, ticket: Ticket, reason: str) -> None:
        """It came to nothing before the handshake began."""
        self._listener.refused(ticket.address, None, reason)


class GuardedHandler(RequestHandler):
    """One inbound connection: counted at the door, one request only, and its header within the time for it."""

    def __init__(self, manager: web.Server, door: Door) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            logger=log,
            access_log=cast("Any", None),
            lingering_time=0,
            max_line_size=1_024,
            max_field_size=4_096,
            max_headers=64,
        )
        self._door = door
        self._header_due: asyncio.TimerHandle | None = None
        self.ticket: Ticket | None = None
        self.deadline = 0.0
        """Loop time by which the whole handshake must be done."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it, or drop it at once."""
        stream = cast("asyncio.Transport", transport)
        self.ticket = self._door.enter(_peer_address(stream), stream.abort)
        if self.ticket is None:
            stream.abort()
            return
        loop = asyncio.get_running_loop()
        self.deadline = loop.time() + self._door.limits.handshake_s
        self._header_due = loop.call_later(self._door.limits.header_s, self._header_is_late, stream)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is gone, for whatever reason."""
        self._cancel_timer()
        if self.ticket is not None:
            self._door.leave(self.ticket)
        super().connection_lost(exc)

    def header_arrived(self, request: BaseRequest) -> Ticket:
        """The header is complete. AdmissionError when the address behind a proxy has had enough."""
        self._cancel_timer()
        if self.ticket is None:
            raise AdmissionError("gone")
        self._door.name(self.ticket, ",".join(request.headers.getall("X-Forwarded-For", [])))
        return self.ticket

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Something else than HTTP, or somebody who went away in the middle of it: one short answer."""
        self._cancel_timer()
        if self.ticket is not None:
            self._door.turned_away(self.ticket, "hung-up" if isinstance(exc, ConnectionError) else "not-a-peer")
        return super().handle_error(request, status, exc, message)

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        """What strangers send is not our error: developers may look at it."""
        log.debug(*args, **kw)

    def _header_is_late(self, stream: asyncio.Transport) -> None:
        if self.ticket is not None:
            self._door.turned_away(self.ticket, "slow-header")
        stream.abort()

    def _cancel_timer(self) -> None:
        if self._header_due is not None:
            self._header_due.cancel()
            self._header_due = None


def _peer_address(stream: asyncio.Transport) -> str:
    """The far end's address; one that is gone already counts with all others that are."""
    peer = stream.get_extra_info("peername")
    try:
        return plain(str(peer[0])) if peer else "0.0.0.0"  # noqa: S104 - no address to bind to
    except InputError:
        return "0.0.0.0"  # noqa: S104
