"""One value of the configuration from what TOML, the environment or a flag gave: checked, or refused with a hint.

A reader takes a raw value and returns the parsed one; it raises InputError and knows neither files nor lines. Types are
exact: TOML has true and false, so "yes" is a mistake, and 1 is not true.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Generic, NamedTuple, TypeVar

from p2pfw.core.duration import parse_duration, parse_ttl
from p2pfw.core.idtext import decode_id
from p2pfw.core.prefix import Prefix, PrefixKey, parse_address
from p2pfw.core.presets import PRESETS, parse_trust
from p2pfw.core.records import Category
from p2pfw.errors import InputError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_NETWORK: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_SET_PREFIX: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
_URL: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>\d{1,5}))?(?P<path>/\S*)?"
)
_EVENT: Final = re.compile(r"[a-z]+(-[a-z]+)*|\*")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_HOOKS: Final = ("raw/PREROUTING", "filter/INPUT", "filter/FORWARD", "filter/DOCKER-USER")
_MAX_PORT: Final = 65_535
_MAX_SOCKET_PATH: Final = 107
"""Bytes; the kernel's limit for the name of a unix socket."""
_MAX_TEXT: Final = 4_096


class Kind(Enum):
    """What a raw value must be in TOML; also how text from the environment is read."""

    TEXT = "string"
    FLAG = "boolean"
    WHOLE = "integer"
    NUMBER = "number"
    TEXT_OR_NUMBER = "string or number"


@dataclass(frozen=True, slots=True)
class Reader(Generic[T]):
    """How one value is read. `form` says to people what may be written."""

    form: str
    kind: Kind
    read: Callable[[object], T]
    choices: tuple[str, ...] = ()
    path: bool = False
    """Relative paths are anchored where the file that names them lies."""


HIDDEN: Final = "(set)"
"""What is shown of a secret."""
_USER_IN_URL: Final = re.compile(r"//[^/?#]*@")
_ORIGIN: Final = re.compile(r"[a-z]+://[^/?#]*")


class Endpoint(NamedTuple):
    """An address to listen on. Port 0: the system picks one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise InputError(f"{_shown(raw)} is no text", hint=f'write it in quotes: "{_shown(raw)}"')
    if len(raw) > _MAX_TEXT or not raw.isprintable():
        raise InputError(f"{raw[:40]!r} is too long or has characters that cannot be printed")
    return raw


def _shown(raw: object) -> str:
    return str(raw).lower() if isinstance(raw, bool) else f"{raw!s:.40}"


def _flag(raw: object) -> bool:
    if not isinstance(raw, bool):
        raise InputError(f"{raw!r:.40} is neither true nor false", hint="write true or false, without quotes")
    return raw


def whole(low: int, high: int) -> Reader[int]:
    """A whole number within bounds."""

    def read(raw: object) -> int:
        if not isinstance(raw, int) or isinstance(raw, bool):
            raise InputError(f"{raw!r:.40} is no whole number", hint="without quotes")
        if not low <= raw <= high:
            raise InputError(f"{raw} is not within {low}..{high}")
        return raw

    return Reader(f"{low}..{high}", Kind.WHOLE, read)


def fraction() -> Reader[float]:
    """A share, above 0 up to 1."""

    def read(raw: object) -> float:
        if not isinstance(raw, int | float) or isinstance(raw, bool):
            raise InputError(f"{raw!r:.40} is no number", hint="without quotes, like 0.3")
        if not 0 < raw <= 1:
            raise InputError(f"{raw} is not a share", hint="above 0, up to 1")
        return float(raw)

    return Reader("above 0, up to 1", Kind.NUMBER, read)


def duration(low: int, high: int) -> Reader[int]:
    """Whole seconds within bounds, written "90s 15m 4h 7d"."""

    def read(raw: object) -> int:
        seconds = parse_duration(_duration_text(raw))
        if not low <= seconds <= high:
            raise InputError(f"{raw!r} is not within {low}..{high} seconds")
        return seconds

    return Reader("duration", Kind.TEXT, read)


def _ttl(raw: object) -> int | None:
    return parse_ttl(_duration_text(raw))


def _duration_text(raw: object) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool):
        raise InputError(f"{raw} has no unit", hint=f'write "{raw}s"')
    return _text(raw)


def choice(names: type[E]) -> Reader[E]:
    """One of the values of an enumeration."""
    known = tuple(str(member.value) for member in names)

    def read(raw: object) -> E:
        text = _text(raw)
        if text not in known:
            raise InputError(f"{text[:40]!r} is unknown", hint=f"one of {', '.join(known)}")
        return names(text)

    return Reader(" or ".join(known) if len(known) < 3 else "one of " + ", ".join(known), Kind.TEXT, read, known)


def _matching(pattern: re.Pattern[str], hint: str) -> Callable[[object], str]:
    def read(raw: object) -> str:
        text = _text(raw)
        if not pattern.fullmatch(text):
            raise InputError(f"{text[:80]!r} cannot be used", hint=hint)
        return text

    return read


def _path(raw: object) -> Path | None:
    text = _text(raw)
    return Path(text) if text else None


def _required_path(raw: object) -> Path:
    if found := _path(raw):
        return found
    raise InputError("a path is needed")


def _socket(raw: object) -> Path:
    found = _required_path(raw)
    if len(str(found).encode()) > _MAX_SOCKET_PATH:
        raise InputError(f"the path of a socket has at most {_MAX_SOCKET_PATH} bytes", hint="choose a shorter one")
    return found


def _endpoint(raw: object) -> Endpoint | None:
    text = _text(raw)
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > _MAX_PORT or (":" in bare and not bracketed):
        raise InputError(f"{text[:80]!r} is no address to listen on", hint="like 0.0.0.0:7787 or [::]:7787")
    if bare != "localhost":
        _check_listen_host(bare, text)
    return Endpoint(bare, int(port))


def _check_listen_host(host: str, text: str) -> None:
    try:
        parse_address(host)
    except InputError:
        hint = "an IP address of this machine, or 0.0.0.0 or [::] for all"
        raise InputError(f"{text[:80]!r} is no address to listen on", hint=hint) from None


def url(*schemes: str) -> Reader[str]:
    """A URL with one of the schemes and a host, without user, password or fragment."""
    example = f"{schemes[0]}://host.example.net" + (":7787" if schemes[0] == "ws" else "/list.txt")

    def read(raw: object) -> str:
        text = _text(raw)
        found = _URL.fullmatch(text)
        if found is None or found["scheme"] not in schemes or int(found["port"] or 0) > _MAX_PORT or "#" in text:
            shown = shown_url(text.rpartition("@")[2])  # a password may hold what would end it in a URL
            raise InputError(f"{shown[:80]!r} is no {schemes[0]}:// address", hint=f"like {example}")
        host = found["host"]
        if host.startswith("["):
            parse_address(host[1:-1])
        return text

    return Reader(f"{schemes[0]}:// URL", Kind.TEXT, read)


def shown_url(text: str, *, path: bool = True) -> str:
    """A URL as others may see it: without a user, a password, and what stands behind the question mark.

    `path` False: without its path too; chats give out webhooks whose path is the secret.
    """
    place, question, _ = _USER_IN_URL.sub("//", text).partition("?")
    if not path:
        host = _ORIGIN.match(place)
        return f"{host[0]}/{HIDDEN}" if host else HIDDEN
    return place + (f"{question}{HIDDEN}" if question else "")


def _optional_url(raw: object) -> str:
    return str(URL_HTTP.read(raw)) if raw != "" else ""


def _webhook_url(raw: object) -> str:
    """Its path may be a secret, so an error repeats no more than the host."""
    try:
        return _optional_url(raw)
    except InputError as error:
        shown = shown_url(str(raw).rpartition("@")[2], path=False)
        raise InputError(f"{shown[:80]!r} is no https:// address", hint=error.hint) from None


def _prefix(raw: object) -> PrefixKey:
    return Prefix.parse(_text(raw)).key


def _trust(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        raise InputError(f"{raw!r:.40} is no trust", hint=f"a number from 0 to 1, or one of {', '.join(PRESETS)}")
    return parse_trust(str(raw))


def _id(raw: object) -> bytes:
    return decode_id(_text(raw))


def _category(raw: object) -> Category:
    names = [category.name.lower() for category in Category]
    text = _text(raw)
    if text not in names:
        raise InputError(f"{text[:40]!r} is no category", hint=f"one of {', '.join(names)}")
    return Category[text.upper()]


def _hook(raw: object) -> str:
    text = _text(raw)
    if text not in _HOOKS:
        raise InputError(f"{text[:40]!r} is no hook", hint=f"one of {', '.join(_HOOKS)}")
    return text


TEXT: Final = Reader("text", Kind.TEXT, _text)
FLAG: Final = Reader("true or false", Kind.FLAG, _flag)
NAME: Final = Reader("name", Kind.TEXT, _matching(_NAME, "1 to 63 letters, digits, dots, dashes and underscores"))
OPTIONAL_NAME: Final = Reader("name", Kind.TEXT, lambda raw: "" if raw == "" else NAME.read(raw))
SET_PREFIX: Final = Reader(
    "name", Kind.TEXT, _matching(_SET_PREFIX, "1 to 20 of a-z, 0-9 and -, beginning with a letter or digit")
)
NETWORK: Final = Reader(
    "name", Kind.TEXT, _matching(_NETWORK, "1 to 64 of a-z 0-9 . _ -, with a letter or digit first and last")
)
HOST: Final = Reader("host name", Kind.TEXT, _matching(_HOST, "a host name without port"))
PATH: Final = Reader("path", Kind.TEXT, _required_path, path=True)
OPTIONAL_PATH: Final = Reader("path", Kind.TEXT, _path, path=True)
PATTERN: Final = Reader("path, * allowed", Kind.TEXT, _text, path=True)
SOCKET: Final = Reader("path", Kind.TEXT, _socket, path=True)
ENDPOINT: Final = Reader("address:port", Kind.TEXT, _endpoint)
URL_PEER: Final = url("ws", "wss")
URL_HTTP: Final = url("https", "http")
OPTIONAL_URL: Final = Reader("https:// URL", Kind.TEXT, _optional_url)
WEBHOOK_URL: Final = Reader("https:// URL", Kind.TEXT, _webhook_url)
PREFIX: Final = Reader("prefix", Kind.TEXT, _prefix)
TRUST: Final = Reader("preset or 0..1", Kind.TEXT_OR_NUMBER, _trust, tuple(PRESETS))
ID: Final = Reader("id", Kind.TEXT, _id)
CATEGORY: Final = Reader("category", Kind.TEXT, _category, tuple(category.name.lower() for category in Category))
EVENT: Final = Reader("kind of event", Kind.TEXT, _matching(_EVENT, 'a word like "peer-down", or "*" for all'))
HOOK: Final = Reader("hook", Kind.TEXT, _hook, _HOOKS)
TTL: Final = Reader("duration or forever", Kind.TEXT, _ttl)
