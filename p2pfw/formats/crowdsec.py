"""Decisions as CrowdSec's bouncers read them, and the filters that they send.

What bouncers make of a field rules here: a new distinct origin would cost a set and a rule each, a duration of zero
becomes a ban without end, one that is too long is refused by ipset, and one bad value loses the good ones around it.
A decision's id and uuid follow from its prefix alone, so they are the same on every answer and after every restart.
Where the decisions come from is the caller's business.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Final, Self

from p2pfw.core.prefix import is_v6, key_length
from p2pfw.core.records import Category
from p2pfw.formats.plain import short_text

ORIGIN: Final = "p2pfw"
KIND: Final = "ban"
LONGEST: Final = 2_147_483
"""Seconds: the longest timeout that ipset takes, and that a bouncer hands to it."""
_ENDED: Final = b"-1s"
_SAFE_ID: Final = (1 << 52) - 1
"""Within what JavaScript counts exactly."""
_SCOPES: Final = ("ip", "range")
SCENARIOS: Final = {int(category): f"{ORIGIN}/{category.name.lower()}" for category in Category}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which decisions a bouncer wants. `nothing`: what it asks for is never here (another type, another origin)."""

    scopes: frozenset[str] = frozenset(_SCOPES)
    containing: tuple[str, ...] = ()
    not_containing: tuple[str, ...] = ()
    nothing: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """From the parameters of a request; those that are not known here say nothing."""
        scopes = _listed(query.get("scopes") or query.get("scope") or "")
        kind, origins = query.get("type", ""), _listed(query.get("origins", ""))
        return cls(
            scopes=frozenset(one.lower() for one in scopes or _SCOPES),
            containing=_listed(query.get("scenarios_containing", "")),
            not_containing=_listed(query.get("scenarios_not_containing", "")),
            nothing=kind.lower() not in ("", KIND) or (bool(origins) and ORIGIN not in origins),
        )

    def takes(self, key: int) -> bool:
        """Of a prefix alone. All addresses at once are no entry of any set."""
        return not self.nothing and key_length(key) > 0 and scope_of(key).lower() in self.scopes

    def takes_scenario(self, category: int) -> bool:
        """Of what it is blocked for."""
        name = SCENARIOS[category]
        wanted = not self.containing or any(part in name for part in self.containing)
        return wanted and not any(part in name for part in self.not_containing)


EVERYTHING: Final = Wish()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some decisions but for their durations, which are filled in when they are sent."""

    form: bytes
    ends: tuple[int, ...]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> Self:
        """Of (prefix key, end, category); at least one."""
        return cls(b",".join(_form(key, category) for key, _, category in rows), tuple(end for _, end, _ in rows))

    def told(self, spoken: Callable[[int], bytes]) -> bytes:
        """With the durations that `spoken` (see durations) gives."""
        return self.form % tuple(map(spoken, self.ends))


def ended(keys: Sequence[int]) -> bytes:
    """Decisions that are over."""
    forms = b",".join(_form(key, int(Category.OTHER)) for key in keys)
    return forms % ((_ENDED,) * len(keys))


def durations(now: float) -> Callable[[int], bytes]:
    """From an end (Unix seconds, 0: none) to what is left of it now; never zero, and never more than is true."""

    @cache
    def spoken(end: int) -> bytes:
        left = min(max(1, int(end - now)), LONGEST) if end else LONGEST
        return go_duration(left).encode()

    return spoken


def go_duration(seconds: int) -> str:
    """As Go prints whole seconds: 3h59m58s, 1m0s, 5s, -1s."""
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds % 60}s"
    return f"{sign}{minutes}m{seconds % 60}s" if minutes else f"{sign}{seconds}s"


def scope_of(key: int) -> str:
    """Ip for a single address, Range for a network."""
    return "Ip" if key_length(key) == (128 if is_v6(key) else 32) else "Range"


def _form(key: int, category: int) -> bytes:
    mark = blake2b(key.to_bytes(18), digest_size=16, person=b"p2pfw/decision")
    text = mark.hexdigest()
    # RFC 9562 5.8: a uuid of one's own making says 8 for its version and 10 for the two bits of its variant.
    uuid = f"{text[:8]}-{text[8:12]}-8{text[13:16]}-a{text[17:20]}-{text[20:]}"
    number = int(text[:16], 16) & _SAFE_ID | 1
    return (
        f'{{"duration":"%b","id":{number},"origin":"{ORIGIN}","scenario":"{SCENARIOS[category]}",'
        f'"scope":"{scope_of(key)}","type":"{KIND}","uuid":"{uuid}","value":"{short_text(key)}"}}'
    ).encode()


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
