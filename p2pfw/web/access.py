"""Who may do what: peer credentials on the unix socket; Host, Origin and tokens on TCP.

A page in the operator's own browser must not reach this API (DNS rebinding, cross-site requests), and neither must
other users of the machine. Reads from loopback need no token unless the operator says so; everything else does. On the
socket, root, this process's own user and the group `p2pfw` are administrators. Keeps no tokens: those are checked by
whoever is given as `check_token`.
"""

import re
import socket
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from p2pfw.core.prefix import parse_address
from p2pfw.errors import InputError
from p2pfw.local.credentials import Credentials, may_administrate, peer_of
from p2pfw.operations import Caller, Granted
from p2pfw.web.problems import Refusal

SSH_CLIENT: Final = "X-P2pfw-Ssh-Client"
"""Where the CLI says from which address its user is logged in; believed on the socket only."""
LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
FAILURES: Final = 10
"""Wrong tokens an address may send in a window before it is told to wait."""
WINDOW: Final = 60.0
"""Seconds."""
MAX_WATCHED: Final = 4_096
"""Addresses whose wrong tokens, and tokens whose requests, are counted."""
MAX_SECRET: Final = 256
"""Characters of a secret."""
TOKEN: Final = "token"  # noqa: S105  # the name of a parameter
"""The query parameter of those who cannot send a header (firewalls that fetch a list)."""

# What a browser sends as Host: a name, an IPv4 address, or an IPv6 address in brackets; then perhaps a port.
_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?")
# Whoever adds one of these is a proxy: behind it, an address of loopback says nothing about who asks.
_PROXIED: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")


class Scope(IntEnum):
    """What a route needs; a greater one includes the smaller."""

    NONE = 0
    READ = 1
    FEEDS = 2
    WRITE = 3
    ADMIN = 4


TokenCheck = Callable[[str], Granted | None]
"""Whose token a secret is; None when it is none of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration says of access. `hosts`: names, lower case, that Host may carry beside addresses."""

    require_token: bool
    hosts: frozenset[str]
    check_token: TokenCheck


class Gate:
    """Lets a request through with the caller that it is, or refuses it."""

    def __init__(self, rules: Rules, monotonic: Callable[[], float]) -> None:
        self._rules, self._monotonic = rules, monotonic
        self._names = LOCAL_NAMES | rules.hosts
        self._failures: dict[str, list[float]] = {}
        self._spent: dict[str, tuple[float, float]] = {}

    def by_socket(self, request: web.BaseRequest) -> Caller | None:
        """On the unix socket; None where the request came another way. Refusal 403."""
        sock = request.transport.get_extra_info("socket") if request.transport is not None else None
        if sock is None or sock.family != socket.AF_UNIX:
            return None
        return self.by_credentials(request, peer_of(sock))

    def by_credentials(self, request: web.BaseRequest, peer: Credentials) -> Caller:
        """On the unix socket. Refusal 403."""
        if not may_administrate(peer):
            raise Refusal(403, "this user may not use the node's socket", hint="add it to the group p2pfw")
        return Caller(name=f"socket:{peer.uid}", address=_address(request.headers.get(SSH_CLIENT, "")))

    def by_network(self, request: web.BaseRequest, scope: Scope, *, query_token: bool = False) -> Caller:
        """On TCP. `query_token`: the route takes ?token= as well. Refusal 400, 401, 403, 429."""
        self.check_site(request)
        return self._by_token(request, scope, query_token=query_token)

    def check_site(self, request: web.BaseRequest) -> None:
        """The request is meant for this node, and comes from no other site. Refusal 400, 403."""
        check_host(request, self._names)
        check_origin(request)

    def _by_token(self, request: web.BaseRequest, scope: Scope, *, query_token: bool) -> Caller:
        remote = request.remote or ""
        headers = request.headers.getall(hdrs.AUTHORIZATION, [])
        if len(headers) > 1:
            raise Refusal(400, "at most one Authorization header makes sense")
        if headers:
            kind, _, secret = headers[0].partition(" ")
            return self._with_token(secret.strip() if kind.lower() == "bearer" else "", remote, scope)
        if query_token and TOKEN in request.query:
            return self._with_token(request.query[TOKEN], remote, scope, most=Scope.FEEDS)
        open_to_all = scope is Scope.NONE
        if open_to_all or (scope is Scope.READ and not self._rules.require_token and _is_here(request, remote)):
            return Caller(name="anonymous")
        raise Refusal(
            401,
            "a token is needed",
            hint="the unix socket needs none; see p2pfw token",
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )

    def _with_token(self, secret: str, remote: str, scope: Scope, *, most: Scope = Scope.ADMIN) -> Caller:
        found = self.by_secret(secret, remote)
        if found is None:
            raise Refusal(401, "this token is none of this node's", headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        granted = Scope[found.scope.upper()]
        if granted > most:
            hint = f"addresses end up in logs: only tokens of the scope {most.name.lower()} may stand in them"
            raise Refusal(403, f"the token {found.name!r} may not be given as ?{TOKEN}=", hint=hint)
        if granted < scope:
            hint = f"it needs the scope {scope.name.lower()}"
            raise Refusal(403, f"the token {found.name!r} may not do this", hint=hint)
        return Caller(name=f"token:{found.name}", address=_address(remote))

    def by_secret(self, secret: str, remote: str) -> Granted | None:
        """Whose token it is, for any API of this node's; None (counted against the address) for a wrong one.

        Refusal 429: the address sent too many wrong ones, or this token is used more often than it may be. A right
        token never waits for another's wrong ones: else whoever shares its address could lock its owner out.
        """
        found = self._rules.check_token(secret) if 0 < len(secret) <= MAX_SECRET else None
        if found is None:
            self._count_failure(remote)
            return None
        self._spend(found)
        return found

    def by_key(self, request: web.BaseRequest, header: str, scope: Scope) -> Caller:
        """On TCP, for clients that send their token in a header of their own. Refusal 400, 403, 429.

        A wrong one is always 403: some of them end at anything else, and 160 bits are not guessed.
        """
        self.check_site(request)
        secret = request.headers.get(header, "")
        found = self._rules.check_token(secret) if 0 < len(secret) <= MAX_SECRET else None
        if found is None or Scope[found.scope.upper()] < scope:
            raise Refusal(403, "access forbidden")
        self._spend(found)
        return Caller(name=f"token:{found.name}", address=_address(request.remote or ""))

    def _spend(self, token: Granted) -> None:
        """One request of a bucket that holds a second's worth. Refusal 429 when it is empty."""
        now = self._monotonic()
        left, at = self._spent.get(token.name, (float(token.rate), now))
        left = min(float(token.rate), left + (now - at) * token.rate)
        if left < 1:
            self._spent[token.name] = left, now
            detail = f"the token {token.name!r} is used more than {token.rate} times a second"
            raise Refusal(429, detail, headers={hdrs.RETRY_AFTER: "1"})
        if len(self._spent) >= MAX_WATCHED and token.name not in self._spent:
            self._spent.pop(next(iter(self._spent)))
        self._spent[token.name] = left - 1, now

    def _count_failure(self, remote: str) -> None:
        """Refusal 429 when there were too many."""
        now = self._monotonic()
        recent = [at for at in self._failures.pop(remote, ()) if at > now - WINDOW]
        if len(self._failures) >= MAX_WATCHED:
            self._failures.pop(next(iter(self._failures)))
        if len(recent) >= FAILURES:
            self._failures[remote] = recent
            wait = int(WINDOW - (now - recent[0])) + 1
            raise Refusal(429, "too many wrong tokens", headers={hdrs.RETRY_AFTER: str(wait)})
        self._failures[remote] = [*recent, now]


def check_host(request: web.BaseRequest, names: Collection[str]) -> None:
    """A page that another name was pointed here for carries that name (DNS rebinding). Refusal 400, 403."""
    hosts = request.headers.getall(hdrs.HOST, [])
    if len(hosts) != 1:
        raise Refusal(400, "exactly one Host header is needed")
    host = hosts[0]
    match = _HOST.fullmatch(host)
    name = ((match[1] or match[2]) if match else "").lower()
    # Of a request for "http://name/path", aiohttp takes the host from there (RFC 9112 3.2.2).
    if request.host.lower() not in (host.lower(), name):
        raise Refusal(400, "the address of the request and its Host header differ")
    if name not in names and not _address(name):
        raise Refusal(403, f"the host name {host[:80]!r} is not one of this API's", hint="see api.hosts")


def check_origin(request: web.BaseRequest) -> None:
    """Browsers say from which site a request comes; other clients say nothing. Refusal 403."""
    sites = request.headers.getall("Sec-Fetch-Site", [])
    if any(site not in ("same-origin", "none") for site in sites):
        raise Refusal(403, "requests from other sites are refused")
    for origin in request.headers.getall(hdrs.ORIGIN, []):
        if _authority(origin) != request.headers.get(hdrs.HOST, "").lower():
            raise Refusal(403, f"requests from {origin[:80]!r} are refused")


def _is_here(request: web.BaseRequest, remote: str) -> bool:
    """True when it came from this machine, and not through a proxy on it."""
    return _is_loopback(remote) and not any(name in request.headers for name in _PROXIED)


def _authority(origin: str) -> str:
    """Host and port of an Origin; "" for null and for what is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _address(text: str) -> str:
    """The address as it is, or "" when it is none."""
    if not text:
        return ""
    try:
        parse_address(text)
    except InputError:
        return ""
    return text


def _is_loopback(text: str) -> bool:
    """Of an address as the kernel writes it."""
    return text.startswith("127.") or text == "::1"
