"""Who may use the rfw-compatible API: one user and password, then the list of clients; guessing is made slow.

In rfw's order: 401 without the right password, and only then 403 for a source that is no client. The password is kept
as Argon2id and checked beside the loop, one at a time for clients and one for strangers, so that neither makes the
other wait; what was right is known again for a while by a keyed hash. Whoever guesses wrong five times a minute is told
to wait, without a further look at what he sends.
"""

import asyncio
import base64
import binascii
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import Final

import nacl.exceptions
import nacl.pwhash
import nacl.utils

from p2pfw.core.prefix import Family, Prefix, PrefixKey, covers, parse_address, truncate
from p2pfw.errors import InputError
from p2pfw.web.problems import Refusal

log = logging.getLogger(__name__)

FAILURES: Final = 5
"""Wrong passwords an address may send in a window."""
WINDOW: Final = 60.0
"""Seconds."""
MAX_WATCHED: Final = 4_096
"""Addresses whose wrong passwords are counted."""
REMEMBERED: Final = 300.0
"""Seconds for which a right password is known without computing Argon2id again."""
WAITING: Final = 32
"""Passwords that may wait to be checked: of clients, and as many of strangers."""
_NETWORK: Final = 64
"""Bits of an IPv6 address by which guesses are counted: its owner has all that begin so."""
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="private"'}


class Clients:
    """The list of who may call."""

    def __init__(self, clients: Sequence[PrefixKey]) -> None:
        self._clients = tuple(clients)

    def has(self, address: str) -> bool:
        """True when the address is in the list."""
        key = host_key(address)
        return key is not None and any(covers(one, key) for one in self._clients)


class Guesses:
    """Wrong passwords, by address."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failed: dict[PrefixKey | None, list[float]] = {}

    def wait(self, address: str) -> int:
        """Seconds until this address may try again; 0 when it may now."""
        now = self._monotonic()
        recent = [at for at in self._failed.get(_group(address), ()) if at > now - WINDOW]
        return int(WINDOW - (now - recent[-FAILURES])) + 1 if len(recent) >= FAILURES else 0

    def count(self, address: str) -> None:
        """One more."""
        group = _group(address)
        before = self._failed.pop(group, [])
        if len(self._failed) >= MAX_WATCHED:
            self._failed.pop(next(iter(self._failed)))
        self._failed[group] = [*before, self._monotonic()][-FAILURES:]


class Password:
    """The one user and password."""

    def __init__(self, username: str, password_hash: str, monotonic: Callable[[], float]) -> None:
        self._username, self._hash, self._monotonic = username.encode(), password_hash.encode(), monotonic
        self._key = nacl.utils.random(32)
        self._right, self._until = b"", 0.0

    def is_known(self, credentials: bytes) -> bool:
        """True when just this was right a short while ago."""
        fresh = self._monotonic() < self._until
        return hmac.compare_digest(self._digest(credentials), self._right) and fresh

    async def is_right(self, credentials: bytes) -> bool:
        """Compute it, beside the loop."""
        user, _, password = credentials.partition(b":")
        verified = await asyncio.to_thread(_verify, self._hash, password)
        if not (hmac.compare_digest(user, self._username) and verified):
            return False
        self._right, self._until = self._digest(credentials), self._monotonic() + REMEMBERED
        return True

    def _digest(self, credentials: bytes) -> bytes:
        return blake2b(credentials, key=self._key, digest_size=32).digest()


class Turn:
    """One password at a time is computed; a bounded number waits for that."""

    def __init__(self) -> None:
        self._one, self._waiting = asyncio.Lock(), 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Refusal 429 when too many wait."""
        if self._waiting >= WAITING:
            raise Refusal(429, "too many passwords wait to be checked", headers={"Retry-After": "5"})
        self._waiting += 1
        try:
            async with self._one:
                yield
        finally:
            self._waiting -= 1


class Basic:
    """Lets in who has the password."""

    def __init__(self, password: Password, clients: Clients, monotonic: Callable[[], float]) -> None:
        self._password, self._clients, self._guesses = password, clients, Guesses(monotonic)
        self._turns = {True: Turn(), False: Turn()}

    async def enter(self, headers: Sequence[str], remote: str) -> None:
        """With what came as Authorization. Refusal 401, 429."""
        credentials = _credentials(headers)
        if credentials is None:
            raise Refusal(401, "a user and a password are needed", headers=_CHALLENGE)
        # Known ones first: whoever shares an address with somebody who guesses is not locked out.
        if self._password.is_known(credentials):
            return
        self._check_patience(remote)
        async with self._turns[self._clients.has(remote)].taken():
            await self._look_at(credentials, remote)

    async def _look_at(self, credentials: bytes, remote: str) -> None:
        # What was true before the wait for a turn need not be true after it.
        self._check_patience(remote)
        if self._password.is_known(credentials) or await self._password.is_right(credentials):
            return
        self._guesses.count(remote)
        log.warning("wrong password", extra={"client": remote, "api": "rfw"})
        raise Refusal(401, "the user or the password is wrong", headers=_CHALLENGE)

    def _check_patience(self, remote: str) -> None:
        wait = self._guesses.wait(remote)
        if wait:
            raise Refusal(429, "too many wrong passwords", headers={"Retry-After": str(wait)})


def host_key(address: str) -> PrefixKey | None:
    """The address as a prefix of its own; an IPv4 address in IPv6 clothes is IPv4. None: it is no address."""
    try:
        family, number = parse_address(address.partition("%")[0].removeprefix("::ffff:"))
    except InputError:
        return None
    return Prefix.of(family, number, family.bits).key


def _group(address: str) -> PrefixKey | None:
    key = host_key(address)
    return key if key is None or Prefix(key).family is Family.V4 else truncate(key, _NETWORK)


def _credentials(headers: Sequence[str]) -> bytes | None:
    """What stands in one Basic header, "user:password"."""
    if len(headers) != 1:
        return None
    kind, _, encoded = headers[0].strip().partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        found = base64.b64decode(encoded.strip())
    except (binascii.Error, ValueError):
        return None
    return found if b":" in found else None


def _verify(stored: bytes, password: bytes) -> bool:
    try:
        return nacl.pwhash.verify(stored, password)
    except nacl.exceptions.CryptoError:
        return False
