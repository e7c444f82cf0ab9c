"""What a request to block asks for, parsed once at the edge: ends, category, prefixes. Keeps and decides nothing."""

from dataclasses import dataclass

from p2pfw import schema
from p2pfw.app.announcing import Wish
from p2pfw.core.announcement import Category
from p2pfw.core.duration import parse_ttl
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.errors import InputError
from p2pfw.rows import Intention, LocalRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a request asks for, parsed. `until` Unix seconds, 0 for ever; `confidence` 0..7."""

    until: int
    category: Category
    confidence: int
    reason: str
    local_only: bool
    force: bool

    @classmethod
    def of(cls, request: schema.BlockRequest, now: int) -> "Terms":
        """InputError names the field."""
        seconds = seconds_of(request.ttl)
        return cls(
            until=now + seconds if seconds is not None else 0,
            category=Category[request.category.upper()],
            confidence=max(0, min(7, round(request.confidence * 8) - 1)),
            reason=request.reason,
            local_only=request.local_only,
            force=request.force,
        )

    @property
    def is_noted(self) -> bool:
        """True when a row of this node's own belongs to it: a reason, or the block itself where it is local only."""
        return self.local_only or bool(self.reason)

    def wish(self, key: PrefixKey, now: int) -> Wish:
        """The wish to block one prefix on these terms."""
        return Wish(
            key=key,
            until=self.until,
            category=self.category,
            confidence=self.confidence,
            reason=self.reason,
            added=now,
        )

    def intention(self, now: int) -> Intention:
        """How its origin means it again, given at `now`."""
        return Intention(
            until=self.until,
            category=self.category,
            confidence=self.confidence,
            reason=self.reason,
            added=now,
        )

    def local_row(self, key: PrefixKey, source: str, now: int) -> LocalRow:
        """The row of something about one prefix that stays on this node."""
        return LocalRow(source=source, key=key, until=self.until, category=self.category, reason=self.reason, added=now)


def seconds_of(ttl: str | int) -> int | None:
    """A request's ttl in seconds, None for ever; InputError below one second."""
    seconds = parse_ttl(ttl, field="ttl") if isinstance(ttl, str) else ttl
    if seconds is not None and seconds < 1:
        raise InputError(f"ttl {ttl!r} is less than a second", field="ttl", hint='write it like "4h" or "forever"')
    return seconds


def later(one: int, other: int) -> int:
    """The later of two ends, where 0 is never."""
    return 0 if 0 in (one, other) else max(one, other)


def covers(end: int | None, until: int) -> bool:
    """True when what stands already lasts as long as what is asked."""
    return end is not None and later(end, until) == end


def parse_all(request: schema.BlockRequest) -> list[PrefixKey]:
    """The prefixes of a request in order, each once; InputError names the element that is at fault."""
    texts = request.prefixes if request.prefixes is not None else [request.prefix] if request.prefix else []
    if not texts or (request.prefix is not None and request.prefixes is not None):
        raise InputError("give either prefix or prefixes", field="prefix")
    keys: dict[PrefixKey, None] = {}
    for index, text in enumerate(texts):
        try:
            keys[Prefix.of_client(text).key] = None
        except InputError as error:
            place = f"prefixes[{index}]" if request.prefixes is not None else "prefix"
            raise InputError(error.problem, field=place, hint=error.hint) from None
    return list(keys)
