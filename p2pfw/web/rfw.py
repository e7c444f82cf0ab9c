"""The rfw-compatible API as a whole: two doors, one way through (docs/integrations.md).

Off unless api.rfw.enabled. What rfw's clients see is in rfw's form: codes, the word ERROR, the challenge.
"""

import logging
from contextlib import AsyncExitStack
from typing import Final

from aiohttp import hdrs, web

from p2pfw.config import Api as ApiSettings
from p2pfw.errors import ConfigError, InputError, P2pfwError
from p2pfw.operations import Caller, Operations, RuleOperations
from p2pfw.ports import Clock
from p2pfw.web import problems
from p2pfw.web.access import LOCAL_NAMES, check_host, check_origin
from p2pfw.web.answers import kept_answer
from p2pfw.web.problems import SAFE_HEADERS, Refusal, printable
from p2pfw.web.rfwaccess import Basic, Clients, Password
from p2pfw.web.rfwdoors import Door, TlsDoor, listen
from p2pfw.web.rfwhandling import Asked, Handling, error_text
from p2pfw.web.server import Protocol, Server
from p2pfw.web.tls import Certificate

log = logging.getLogger(__name__)

METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_PUT, hdrs.METH_DELETE})
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"
_END: Final = b"\r\n"
"""Behind every body, as rfw had it."""


class RfwApi:
    """Start and stop. `doors`: those that are open, the public one first."""

    def __init__(self, operations: Operations, rules: RuleOperations, settings: ApiSettings, clock: Clock) -> None:
        of = settings.rfw
        self._settings, self._operations = settings, operations
        self._clients = Clients(of.clients)
        self._basic = Basic(Password(of.username, of.password_hash, clock.monotonic), self._clients, clock.monotonic)
        self._handling = Handling(operations, rules, of, clock)
        self._open = AsyncExitStack()
        self._certificate: Certificate | None = None
        self.doors: list[Door | TlsDoor] = []

    async def start(self) -> None:
        """Open both doors, or none. ListenError, ConfigError."""
        of = self._settings.rfw
        try:
            if of.listen is not None:
                self._certificate, listener = rfw_certificate(self._settings), listen(of.listen, "api.rfw.listen")
                servers = {is_client: RfwServer(self._public) for is_client in (True, False)}
                await self._serve(TlsDoor(listener, dict(servers), self._clients, self._certificate.context))
            if of.local_listen is not None:
                await self._serve(Door(listen(of.local_listen, "api.rfw.local_listen"), RfwServer(self._local)))
        except BaseException:
            await self.stop()
            raise
        log.info("rfw api opened", extra={"addresses": [f"{host}:{port}" for host, port in self.addresses]})

    async def stop(self) -> None:
        """Close both doors."""
        await self._open.aclose()
        self.doors.clear()

    def renew(self) -> None:
        """Read the certificate again, for connections to come. ConfigError: the one in use goes on."""
        if self._certificate is not None:
            self._certificate.renew()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, the public one first."""
        return [door.address for door in self.doors]

    async def _serve(self, door: Door | TlsDoor) -> None:
        await door.open()
        self._open.push_async_callback(door.close)
        self.doors.append(door)

    # --- requests --------------------------------------------------------------------------------------------------

    async def _public(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._answer(request, public=True)

    async def _local(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._answer(request, public=False)

    async def _answer(self, request: web.BaseRequest, *, public: bool) -> web.StreamResponse:
        try:
            asked = await self._enter(request, public=public)
            parts = await self._handling.answer(asked)
        except (Refusal, P2pfwError) as error:
            return refusal(error)
        except Exception as error:  # the edge of a request: nothing else may leave it
            log.error("request failed", exc_info=error, extra={"api": "rfw"})
            return _response(500, b"ERROR: an error of ours; the log has it", TEXT)
        return await kept_answer(request, [*parts, _END], {"Content-Type": JSON})

    async def _enter(self, request: web.BaseRequest, *, public: bool) -> Asked:
        """Let it in: 401, 403, and nothing is looked at before."""
        check_origin(request)
        remote, proven = request.remote or "", public or self._settings.rfw.local_auth
        if not public:
            check_host(request, LOCAL_NAMES | frozenset(self._settings.hosts))
        if proven:
            await self._basic.enter(request.headers.getall(hdrs.AUTHORIZATION, []), remote)
        if public and not self._clients.has(remote):
            log.warning("not a client", extra={"client": remote, "api": "rfw"})
            raise Refusal(403, "")
        if request.method not in METHODS:
            raise Refusal(501, f"Unsupported method ({request.method[:20]!r})")
        caller = self._caller(remote, public=public)
        return Asked(method=request.method, path=request.path, query=dict(request.query), caller=caller, proven=proven)

    def _caller(self, remote: str, *, public: bool) -> Caller:
        if not public:
            return Caller(name="rfw:local")
        caller = Caller(name=f"rfw:{self._settings.rfw.username}", address=remote)
        self._operations.welcome(caller)
        return caller


class RfwProtocol(Protocol):
    """Says what is no HTTP in rfw's words."""

    def unreadable(self, status: int, detail: str) -> web.Response:
        """See Protocol."""
        return _response(status, f"ERROR: {detail}".encode(), TEXT)


class RfwServer(Server):
    """One door's connections, of one kind."""

    protocol = RfwProtocol


def refusal(error: Refusal | P2pfwError) -> web.Response:
    """What is told of an error. rfw had 400, 401, 403; what it never told (disk, kernel, rate) has codes as well."""
    if isinstance(error, Refusal):
        text = f"ERROR: {error.detail}" if error.detail and error.status != 401 else ""
        return _response(error.status, text.encode(), TEXT, dict(error.headers))
    if isinstance(error, InputError):
        return _response(400, f"ERROR: {printable(error_text(error))}".encode(), TEXT)
    told = problems.of_exception(error)
    return _response(told.status, f"ERROR: {told.detail}".encode(), TEXT)


def rfw_certificate(settings: ApiSettings) -> Certificate:
    """From api.rfw.tls_cert and tls_key, else those of [api]. ConfigError."""
    of = settings.rfw
    cert, key = (of.tls_cert, of.tls_key) if of.tls_cert is not None else (settings.tls_cert, settings.tls_key)
    if cert is None:
        raise ConfigError("api.rfw.listen is HTTPS and needs a certificate", hint="p2pfw cert server makes one")
    return Certificate(cert, key, f"the certificate {cert} (api.rfw.tls_cert)")


def _response(status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status,
        body=body + _END,
        headers={**SAFE_HEADERS, "Content-Type": kind, **(headers or {})},
    )
