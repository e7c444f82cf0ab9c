"""A list over HTTP: one GET, asked for only if it changed, read within bounds of size and time.

Says who it is, follows few redirects and none away from HTTP(S) or from HTTPS to HTTP, takes no cookies, and unpacks by
itself (inflate), so that the bound holds for what comes out too. Certificates are always checked; the authorities are
read each time, so that a change of the system's needs no restart. Never asks twice: that is for who knows the schedule.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import hdrs
from yarl import URL

from p2pfw.config.readers import shown_url
from p2pfw.core.httpdate import http_date
from p2pfw.errors import FeedError
from p2pfw.feeds.files import read_authorities, read_key
from p2pfw.feeds.inflate import inflated
from p2pfw.ports import FeedPlace, Fetched, NotModified

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SCHEMES: Final = frozenset({"http", "https"})
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip"})
_CHUNK: Final = 65_536
_LONGEST_WAIT: Final = 86_400
"""Seconds: a publisher may ask us to come back later, not never."""
_LONGEST_VALIDATOR: Final = 512
"""Characters of an ETag or a date that are kept; a longer one is not sent back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds: until there is a connection, until the next bytes, and in all."""

    connect: float = 15.0
    silence: float = 30.0
    whole: float = 300.0
    redirects: int = 5


async def fetch(place: FeedPlace, agent: str, patience: Patience) -> Fetched | NotModified:
    """The content, unless the publisher says that it is known. FeedError says why not, and when to come again."""
    try:
        tls = await asyncio.to_thread(_checking, place.ca_file)
        async with asyncio.timeout(patience.whole), _session(agent, patience, tls) as session:
            return await _follow(session, place, patience.redirects)
    except TimeoutError:
        raise FeedError("it took too long") from None
    except aiohttp.ClientConnectorError as error:
        raise _no_connection(error, place) from None
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        raise FeedError("the connection broke before the end") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FeedError(f"no proper answer: {_said(error)}"[:200]) from None


def _said(error: Exception) -> str:
    """Its words without the URL, in whose query a key may stand."""
    match error:
        case aiohttp.ClientResponseError(message=message):
            return message.strip().partition("\n")[0].rstrip(" :")  # the parser's; then comes what it read
        case aiohttp.InvalidURL():
            return "an address that cannot be asked"
        case _:
            return str(error)


def _no_connection(error: aiohttp.ClientConnectorError, place: FeedPlace) -> FeedError:
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=wrong):
            signer = place.ca_file or "an authority that this system trusts"
            hint = f"it must be signed by {signer} and name the host; ca_file names an authority of your own"
            why = getattr(wrong, "verify_message", "") or str(wrong)
            return FeedError(f"the certificate of {error.host} is not good: {why}", hint=hint)
        case aiohttp.ClientConnectorSSLError(os_error=wrong):
            why = getattr(wrong, "reason", "") or str(wrong)
            return FeedError(f"no TLS with {error.host}: {why.replace('_', ' ').lower()}")
        case _:
            return FeedError(f"cannot connect: {error.strerror or error}")


def _checking(ca_file: Path | None) -> ssl.SSLContext:
    """Certificate and name are checked, whatever happens. FeedError for a file without certificates. Blocks."""
    if ca_file is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cadata=read_authorities(ca_file))
    except ssl.SSLError:
        raise FeedError(f"ca_file {ca_file} holds a damaged certificate") from None


@asynccontextmanager
async def _session(agent: str, patience: Patience, tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=patience.connect, sock_read=patience.silence)
    headers = {hdrs.USER_AGENT: agent, hdrs.ACCEPT_ENCODING: "gzip", hdrs.ACCEPT: "text/plain, */*;q=0.5"}
    async with aiohttp.ClientSession(
        headers=headers,
        timeout=timeout,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(ssl=tls),
    ) as session:
        yield session


async def _follow(session: aiohttp.ClientSession, place: FeedPlace, hops: int) -> Fetched | NotModified:
    url = URL(place.url)
    key = await asyncio.to_thread(read_key, place.key_file) if place.key_file is not None else ""
    for _ in range(hops + 1):
        async with session.get(url, headers=_headers(place, url, key), allow_redirects=False) as answer:
            if answer.status not in _REDIRECTS:
                return await _take(answer, place)
            url = _next(url, answer.headers.get(hdrs.LOCATION, ""))
    raise FeedError(f"more than {hops} redirects")


def _headers(place: FeedPlace, url: URL, key: str) -> dict[str, str]:
    """The key goes to the host that the operator named, never to one that it redirects to."""
    known = url.origin() == URL(place.url).origin()
    return {**_conditions(place), **({place.key_header: key} if key and known else {})}


def _conditions(place: FeedPlace) -> dict[str, str]:
    known = {hdrs.IF_NONE_MATCH: place.etag, hdrs.IF_MODIFIED_SINCE: place.modified}
    return {name: value for name, value in known.items() if value}


def _next(url: URL, location: str) -> URL:
    shown = shown_url(location)[:80]
    try:
        target = url.join(URL(location))
    except ValueError:
        target = URL()
    if not location or not target.host or target.scheme not in _SCHEMES or target.user is not None:
        raise FeedError(f"it redirects to {shown!r}, which is not followed")
    if url.scheme == "https" and target.scheme != "https":
        raise FeedError(f"it redirects from https to {shown!r}, which anybody on the way could change")
    return target


async def _take(answer: aiohttp.ClientResponse, place: FeedPlace) -> Fetched | NotModified:
    if answer.status == 304 and _conditions(place):
        return NotModified()
    if answer.status != 200:
        retry = _seconds(answer.headers) if answer.status in {429, 503} else 0
        raise FeedError(f"HTTP {answer.status} {answer.reason or ''}".rstrip()[:80], retry_after=retry)
    encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "").strip().lower()
    if encoding not in _ENCODINGS:
        raise FeedError(f"it is encoded as {encoding[:20]!r}, which was not asked for")
    packed = await _read(answer, place.max_bytes)
    data = await asyncio.to_thread(inflated, packed, place.max_bytes)
    modified = _validator(answer.headers, hdrs.LAST_MODIFIED)
    return Fetched(data=data, etag=_validator(answer.headers, hdrs.ETAG), modified=modified, date=http_date(modified))


async def _read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    data = bytearray()
    if (answer.content_length or 0) <= most:
        async for chunk in answer.content.iter_chunked(_CHUNK):
            data += chunk
            if len(data) > most:
                break
        else:
            return bytes(data)
    answer.close()
    raise FeedError(f"it has more than {most} bytes", hint="raise max_bytes if that is right")


def _validator(headers: Mapping[str, str], name: str) -> str:
    """What to send back next time; "" when there is none, or one that no header should have."""
    value = headers.get(name, "")
    return value if len(value) <= _LONGEST_VALIDATOR and value.isprintable() and value.isascii() else ""


def _seconds(headers: Mapping[str, str]) -> int:
    value = headers.get(hdrs.RETRY_AFTER, "")
    return min(int(value), _LONGEST_WAIT) if value.isascii() and value.isdecimal() and len(value) < 9 else 0
