"""What a bouncer asks, as values: filters, addresses, flags. What it asks for is decisions' business.

Parameters that are not known say nothing, for bouncers send what later versions know; of one that comes twice the
first counts. One that is known and cannot be read is an InputError.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from aiohttp import web

from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.errors import InputError
from p2pfw.formats.crowdsec import Wish
from p2pfw.web.calls import whole_number

_FLAGS: Final = {"": None, "1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request of a bouncer."""

    request: web.BaseRequest
    client: str
    """The name of its key, and its address."""
    wish: Wish
    startup: bool
    """It wants all."""
    places: tuple[PrefixKey, ...]
    """Addresses and ranges that it asks about."""
    contains: bool
    """Decisions that cover the places (the usual case), not those within them."""
    value: str
    """A decision with exactly this value."""
    limit: int | None
    """At most so many."""

    @classmethod
    def of(cls, request: web.BaseRequest, client: str) -> Self:
        """InputError."""
        query = request.query
        texts = [query[name] for name in ("ip", "range") if query.get(name)]
        return cls(
            request=request,
            client=client,
            wish=Wish.of(query),
            startup=_flag(query, "startup", default=False),
            places=tuple(Prefix.of_client(text).key for text in texts),
            contains=_flag(query, "contains", default=True),
            value=query.get("value", ""),
            limit=whole_number(query.get("limit") or "0", "limit") or None,
        )


def _flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = query.get(name, "").lower()
    if text not in _FLAGS:
        raise InputError(f"{text[:40]!r} is no yes or no", field=name, hint="true or false")
    found = _FLAGS[text]
    return default if found is None else found
