"""One configured feed as the node holds it, and what a fetched list is made into. Decides no schedule; see feeding.

Which list it is, is told by where it comes from: validators and the share that may change mean nothing for another
source under the same name, while its prefixes still count until the new source has answered.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, assert_never
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from p2pfw.config import Adopt, Feed, Format
from p2pfw.core.announcement import feed_basis
from p2pfw.core.carving import CarvedList
from p2pfw.core.duration import short_duration
from p2pfw.core.guards import Bounds, Everything, Refusal, TooChanged, TooFew, TooOld, everything, refusal, sieve
from p2pfw.core.identity import DAY
from p2pfw.core.localbook import Feed as LocalFeed
from p2pfw.core.prefix import Prefix, PrefixKey, key_text
from p2pfw.core.statement import Source
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import InputError
from p2pfw.formats import Problem, parse_list
from p2pfw.ports import FeedPlace, Fetched
from p2pfw.rows import FeedRow

KEY_BYTES: Final = 18
UNREADABLE: Final = "no prefix"
WHITELISTED: Final = "feed "
"""Begins the source of whitelist entries that a feed said; all others are a command or begin with /."""
_KEY_HEADERS: Final = {Format.ABUSEIPDB: "Key", Format.CROWDSEC: "X-Api-Key"}
_STREAM: Final = "/v1/decisions/stream"
_SOURCES: Final = {Adopt.DIRECT: Source.FEED, Adopt.VOICE: Source.FEED_VOICE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the last attempt came to nothing, in the operator's words. `code`: feed-fetch or feed-guard."""

    code: str
    text: str
    remedy: str = ""


@dataclass(slots=True, eq=False, kw_only=True)
class Subscription:
    """A feed: what the operator wants, what was last good, and how fetching goes. Times in Unix seconds, 0: never."""

    feed: Feed
    listed: CarvedList
    source: str = ""
    """Where `listed` came from."""
    etag: str = ""
    modified: str = ""
    fetched: int = 0
    """When the source last said that this is its content."""
    date: int = 0
    """The content's own date; when it was fetched, if it has none."""
    written: int = 0
    """The date that the content itself says, 0: none."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What was left out of the last list, by reason; nothing is known of it after a restart."""
    trouble: Trouble | None = None
    due: float = 0.0
    """Monotonic."""
    delay: float = 0.0
    """Seconds waited after the last failure; 0 when the last attempt succeeded."""
    busy: bool = False
    again: bool = False
    """The configuration changed while it was being fetched."""
    judged: int = 0
    """When all of it was last judged by new times."""

    accept: bool = False
    """The next list is taken in however much of it changed."""
    earliest: float = 0.0
    """Monotonic: when its publisher allows the next fetch."""

    @property
    def when(self) -> float:
        """Monotonic: when it is fetched next."""
        return max(self.due, self.earliest)

    @property
    def place(self) -> FeedPlace:
        """What to ask for."""
        known = self.source == source_of(self.feed)
        return place_of(self.feed, self.etag if known else "", self.modified if known else "")

    @property
    def last(self) -> Sequence[PrefixKey]:
        """What a new list may differ from only so much."""
        return self.listed.whole if self.source == source_of(self.feed) else ()

    @property
    def until(self) -> int:
        """When what is held counts no more; 0 when nothing ever came."""
        return self.date + self.feed.max_age if self.fetched else 0

    @property
    def lasting(self) -> int:
        """Seconds for which a word of it counts: all of it, or a day for a lone voice (policy, lease)."""
        return self.feed.max_age if self.feed.adopt is Adopt.DIRECT else min(self.feed.max_age, DAY)

    @property
    def announces(self) -> bool:
        """True when others are told what it says."""
        return self.feed.announce and self.feed.adopt is Adopt.DIRECT and not self.whitelists

    @property
    def basis(self) -> int:
        """Of what is held, by where that came from; of what will come when there is nothing yet."""
        place = self.source.rpartition(" ")[2] if self.fetched else self.feed.url
        is_url = place.startswith(("http://", "https://"))
        return feed_basis(canonical_name(place) if is_url else self.feed.name)

    @property
    def whitelists(self) -> bool:
        """True when its entries are never to be blocked, instead of to be blocked."""
        return self.feed.format is Format.WARNINGLIST

    def load(self, row: FeedRow, date: int) -> None:
        """What was last good when the process ended."""
        self.written = row.date
        self.source, self.etag, self.modified = row.source, row.etag, row.modified
        self.fetched, self.date = row.fetched, date or row.fetched

    def row(self, fetched: int, packed: bytes) -> FeedRow:
        """To be kept, with what is known of it now."""
        return FeedRow(
            name=self.feed.name,
            fetched=fetched,
            etag=self.etag,
            modified=self.modified,
            keys=packed,
            source=self.source,
            date=self.written,
        )

    def allowed(self) -> Iterator[WhitelistEntry]:
        """What a warning list puts on the whitelist, as long as it counts."""
        for key in self.listed.whole:
            yield WhitelistEntry(key=key, until=self.until, comment=self.feed.name, source=whitelist_source(self.feed))

    def word(self) -> LocalFeed:
        """What holds for all its prefixes, as the local book wants it."""
        feed = self.feed
        return LocalFeed(
            name=feed.name,
            source=_SOURCES[feed.adopt],
            fetched=self.fetched,
            until=self.until,
            category=feed.category,
            basis=self.basis,
            trust=feed.trust if feed.adopt is Adopt.VOICE else 0.0,
        )


def place_of(feed: Feed, etag: str = "", modified: str = "") -> FeedPlace:
    """What to ask for."""
    return FeedPlace(
        url=address_of(feed),
        file=feed.file,
        max_bytes=feed.max_bytes,
        etag=etag,
        modified=modified,
        key_file=feed.key_file,
        key_header=_KEY_HEADERS.get(feed.format, "Key"),
        ca_file=feed.ca_file,
    )


def hourly(feed: Feed) -> bool:
    """True when its publisher allows one fetch an hour, whatever comes of it."""
    return feed.format is Format.SPAMHAUS and bool(feed.url)


def source_of(feed: Feed) -> str:
    """Where a feed is to come from, and how it is written there: the same bytes in another format are another list.

    It is kept in the database, so a query, in which a key may stand, is only told apart from others by a digest.
    """
    place, question, query = feed.url.partition("?") if feed.url else (str(feed.file), "", "")
    place += question + (hashlib.sha256(query.encode()).hexdigest()[:32] if query else "")
    return place if feed.format is Format.PLAIN else f"{feed.format.value} {place}"


def is_of_kind(source: str, feed: Feed) -> bool:
    """False when what came from `source` was for the whitelist and this feed's is not, or the other way round."""
    return source.startswith(f"{Format.WARNINGLIST.value} ") == (feed.format is Format.WARNINGLIST)


def whitelist_source(feed: Feed) -> str:
    """How the whitelist calls the entries of a warning list."""
    return f"{WHITELISTED}{feed.name}"


def address_of(feed: Feed) -> str:
    """The URL to ask: for a local API its stream of decisions, whole each time, also where only its root is named."""
    if feed.format is not Format.CROWDSEC or not feed.url:
        return feed.url
    parts = urlsplit(feed.url)
    path = parts.path.rstrip("/")
    path = path if path.endswith(_STREAM) else path.removesuffix("/v1") + _STREAM
    query = {**dict(parse_qsl(parts.query)), "startup": "true"}
    return urlunsplit(parts._replace(path=path, query=urlencode(query)))


def canonical_name(url: str) -> str:
    """What the basis of a feed is the hash of: host and path, so that everybody who repeats it names it alike.

    Without scheme and query, where keys may stand. A file is known on this machine only: there it is the feed's name.
    """
    parts = urlsplit(url)
    return f"{parts.hostname or ''}{parts.path or '/'}"


# --- lists -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A list as it could be taken in, with an account of what was left out, and why it must not be, if so."""

    keys: tuple[PrefixKey, ...]
    packed: bytes
    date: int
    written: int
    """The date that the content itself says; 0: `date` is its publisher's, or now."""
    dropped: Mapping[str, int]
    problems: tuple[Problem, ...]
    refusal: Refusal | None


def digest(answer: Fetched, last: Sequence[PrefixKey], feed: Feed, now: int) -> Digest:
    """Read, sift, compare, pack: everything that takes long, for a thread. FormatError: it is no list at all."""
    parsed = parse_list(answer.data, feed.format.value)
    sieved = sieve(parsed.keys)
    dropped = Counter(parsed.skipped if feed.format is not Format.PLAIN else {})
    dropped.update(sieved.dropped)
    if feed.format is Format.PLAIN and parsed.skipped:
        dropped[UNREADABLE] = sum(parsed.skipped.values())
    date = min(parsed.date or answer.date, now) or now
    return Digest(
        keys=sieved.keys,
        packed=pack(sieved.keys),
        date=date,
        written=min(parsed.date, now),
        dropped=dict(dropped),
        problems=parsed.problems,
        refusal=everything(parsed.keys) or refusal(sieved.keys, last, date, bounds_of(feed), now),
    )


def bounds_of(feed: Feed) -> Bounds:
    """What a refresh may do."""
    return Bounds(minimum=feed.minimum, max_change=feed.max_change, max_age=feed.max_age)


def pack(keys: Sequence[PrefixKey]) -> bytes:
    """As FeedRow keeps them."""
    return b"".join(key.to_bytes(KEY_BYTES) for key in keys)


def unpack(packed: bytes) -> tuple[PrefixKey, ...]:
    """What `pack` packed, sorted; what is no prefix (a damaged row) is left out, and comes again with a refresh."""
    whole = len(packed) - len(packed) % KEY_BYTES
    found = {int.from_bytes(packed[at : at + KEY_BYTES]) for at in range(0, whole, KEY_BYTES)}
    return tuple(PrefixKey(key) for key in sorted(found) if _is_key(key))


def _is_key(key: int) -> bool:
    try:
        Prefix(PrefixKey(key))
    except InputError:
        return False
    return True


# --- words -------------------------------------------------------------------------------------------------------


def refused(name: str, found: Digest) -> Trouble | None:
    """What the operator is told when a guard refused the list."""
    match found.refusal:
        case None:
            return None
        case TooFew(entries=entries, minimum=minimum):
            example = f", and line {found.problems[0].line} is {found.problems[0].text!r}" if found.problems else ""
            text = f"the list has {entries} usable entries, at least {minimum} are expected{example}"
            return _guard(text, f"look at what its publisher serves; if it is right, lower feed.{name}.minimum")
        case TooOld(age=age, limit=limit):
            text = f"the list is {short_duration(age)} old by its own date, {short_duration(limit)} are allowed"
            return _guard(text, f"its publisher may have stopped; raise feed.{name}.max_age if it rarely changes")
        case TooChanged(added=added, removed=removed, share=share, limit=limit):
            text = f"{share:.0%} would change ({added} more, {removed} fewer), {limit:.0%} may"
            return _guard(text, f"if that is right: p2pfw feed refresh {name} --accept")
        case Everything(key=key):
            text = f"{key_text(key)} is in it, which is every address there is: nothing of it is taken"
            return _guard(text, "tell its publisher, or choose another feed")
        case _:
            assert_never(found.refusal)


def _guard(text: str, remedy: str) -> Trouble:
    return Trouble(code="feed-guard", text=text, remedy=remedy)
