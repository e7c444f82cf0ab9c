"""The blocklist in its formats: rendered once a generation, in slices, and kept as bytes, plain and compressed.

Streaming 100,000 lines to each client stalls the loop again and again; kept bytes go out in milliseconds. A few
variants of the newest generation are kept, of so many bytes in all; the oldest gives way. How a line looks is none of
its business: p2pfw/formats knows, and for JSON the API's own types.
"""

import asyncio
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.core.aggregate import aggregate
from p2pfw.core.prefix import is_v6, key_text
from p2pfw.core.times import ending
from p2pfw.errors import InputError, NotAcceptableError
from p2pfw.formats import WRITTEN, Entry, Merging, Writer, Written
from p2pfw.formats.writing import CATEGORIES
from p2pfw.operations import AdoptedRow, Operations

SLICE: Final = 250
"""Entries rendered between two turns of the loop: about 2 ms."""
KEPT: Final = 32
"""Renderings in memory."""
KEPT_BYTES: Final = 64 << 20
"""And their bytes. The newest is kept whatever its size."""
GZIP_LEVEL: Final = 5
"""In the middle: it is compressed once a generation, in another thread."""
_GZIP: Final = 31
"""Window bits, and a header of gzip instead of zlib's."""
_PIECE: Final = 64 << 10
_ENCODER: Final = msgspec.json.Encoder()
_CURSOR: Final = re.compile(r"[0-9a-f]{1,35}")


def _json_line(_: int) -> Callable[[Entry], str]:
    """Ends repeat: an imported list has one for all of it."""
    known: dict[int, str | None] = {}

    def line(row: Entry) -> str:
        if row.until not in known:
            known[row.until] = ending(row.until)
        entry = schema.AdoptedEntry(
            prefix=key_text(row.key),
            reason=row.reason,
            expires=known[row.until],
            category=CATEGORIES[row.category],  # type: ignore[arg-type]  # the names of Category are the literals
        )
        return _ENCODER.encode(entry).decode()

    return line


FORMS: Final[dict[str, Written]] = {
    "json": Written(
        media="application/json",
        merging=Merging.NEVER,
        line=_json_line,
        head=lambda told: "[" if told.v4 + told.v6 else "[]",
        between=",",
        after="]",
    ),
    "ndjson": Written(media="application/x-ndjson", merging=Merging.NEVER, line=_json_line),
    **WRITTEN,
}
"""Every format of the blocklist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Which rendering. `family` 0: both; `limit` 0: all; `cursor`: the key after which to begin."""

    format: str
    family: int = 0
    aggregate: bool = False
    limit: int = 0
    cursor: int = -1

    def __post_init__(self) -> None:
        if self.format not in FORMS:
            raise InputError(f"{self.format[:40]!r} is no format", field="format", hint=f"one of {', '.join(FORMS)}")
        if self.family not in (0, 4, 6):
            raise InputError(f"{self.family} is no address family", field="family", hint="4 or 6")
        if self.aggregate and self.form.merging is Merging.NEVER:
            able = ", ".join(name for name, form in FORMS.items() if form.merging is not Merging.NEVER)
            raise NotAcceptableError(
                "merged prefixes have no reason and no end of their own", field="aggregate", hint=f"format: {able}"
            )

    @property
    def form(self) -> Written:
        """How it is written."""
        return FORMS[self.format]

    @property
    def merged(self) -> bool:
        """True when it has the fewest prefixes, and nothing but prefixes."""
        return self.aggregate or self.form.merging is Merging.ALWAYS

    def tag(self, generation: str, *, gzip: bool = False) -> str:
        """The strong validator of its bytes."""
        name = f"{generation}-{self.format}{self.family}"
        return f'"{name}{"a" if self.aggregate else ""}-{self.limit}-{self.cursor:x}{"-gzip" if gzip else ""}"'


@dataclass(frozen=True, slots=True)
class Page:
    """Rendered bytes in parts, because copying 10 MB is a stall too, and the cursor of the next page ("": the end)."""

    parts: tuple[bytes, ...]
    cursor: str

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self.parts))


class Renderer:
    """Renders and remembers."""

    def __init__(self, operations: Operations, now: Callable[[], float]) -> None:
        self._operations, self._now = operations, now
        self._pages: OrderedDict[str, Page] = OrderedDict()
        self._generation, self._at = "", 0
        # One rendering at a time: who asks for the same a moment later gets the same bytes.
        self._order = asyncio.Lock()

    def tag(self, variant: Variant, *, gzip: bool = False) -> str:
        """What the page would have now."""
        return variant.tag(self._operations.generation(), gzip=gzip)

    async def page(self, variant: Variant, *, gzip: bool = False) -> tuple[str, Page]:
        """(tag, page) as of now."""
        async with self._order:
            self._begin_generation()
            tag = self.tag(variant, gzip=gzip)
            known = self._pages.get(tag)
            if known is not None:
                return tag, known
            page = await self._plain(variant)
            if gzip:
                page = Page(await asyncio.to_thread(_compressed, page.parts), page.cursor)
            return self._keep(variant, tag, page, gzip=gzip), page

    async def _plain(self, variant: Variant) -> Page:
        tag = self.tag(variant)
        known = self._pages.get(tag)
        if known is None:
            known = await self._render(variant)
            self._keep(variant, tag, known)
        return known

    def _begin_generation(self) -> None:
        """Forget what is of another one.

        The time that stands in lists is the generation's, so that
        the same tag is the same bytes, and it rises with each: serials of zones do.
        """
        generation = self._operations.generation()
        if generation != self._generation:
            self._generation, self._at = generation, max(self._at + 1, int(self._now()))
            self._pages.clear()

    def _keep(self, variant: Variant, tag: str, page: Page, *, gzip: bool = False) -> str:
        """The tag that it may go out with.

        What changed while it was rendered may be in it or not: good as an answer,
        not under this tag.
        """
        if self.tag(variant, gzip=gzip) != tag:
            return ""
        self._pages[tag] = page
        size = sum(one.size for one in self._pages.values())
        while len(self._pages) > KEPT or (size > KEPT_BYTES and len(self._pages) > 1):
            size -= self._pages.popitem(last=False)[1].size
        return tag

    async def _render(self, variant: Variant) -> Page:
        writer, parts = Writer(variant.form, self._at), []
        count, last, more = 0, -1, ""
        rows = await self._rows(variant)
        while not more and (chunk := list(islice(rows, SLICE))):
            wanted = [row for row in chunk if row.key > variant.cursor and _in_family(variant.family, row.key)]
            if variant.limit and count + len(wanted) > variant.limit:
                wanted = wanted[: variant.limit - count]
                more = f"{wanted[-1].key if wanted else last:x}"
            if wanted:
                parts.append(writer.write(wanted))
                count, last = count + len(wanted), wanted[-1].key
            await asyncio.sleep(0)
        head, tail = writer.end()
        return Page(tuple(part for part in (head, *parts, tail) if part), more)

    async def _rows(self, variant: Variant) -> Iterator[AdoptedRow]:
        rows = await self._operations.adopted()
        if not variant.merged:
            return rows
        keys: list[int] = []
        while chunk := [row.key for row in islice(rows, SLICE)]:
            keys += chunk
            await asyncio.sleep(0)
        merged = await asyncio.to_thread(aggregate, keys)
        return (AdoptedRow(key=key, until=0, reason="", category=0) for key in merged)


def read_cursor(text: str) -> int:
    """The key that a cursor stands for; -1 for none. InputError."""
    if not text:
        return -1
    if _CURSOR.fullmatch(text) is None:
        raise InputError("this cursor is not one of ours", field="cursor", hint="leave it out for the first page")
    return int(text, 16)


def _in_family(family: int, key: int) -> bool:
    return not family or family == (6 if is_v6(key) else 4)


def _compressed(parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """As one gzip stream without a time in it: the same bytes for the same list."""
    packer = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP)
    packed = b"".join([*map(packer.compress, parts), packer.flush()])
    return tuple(packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE))
