"""The blocklist in its formats: rendered once a generation, in slices, and kept as bytes.

Streaming 100,000 lines to each client stalls the loop again and again; kept bytes go out in milliseconds. A few
variants are kept; the oldest gives way.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.core.aggregate import aggregate
from p2pfw.core.prefix import is_v6, key_text
from p2pfw.core.records import Category
from p2pfw.core.times import ending
from p2pfw.errors import InputError
from p2pfw.formats.plain import short_text
from p2pfw.operations import AdoptedRow, Operations

SLICE: Final = 500
"""Entries rendered between two turns of the loop: about 2 ms."""
KEPT: Final = 8
"""Renderings in memory; one of 100,000 entries has up to 12 MB."""
MEDIA: Final = {
    "json": "application/json",
    "ndjson": "application/x-ndjson",
    "plain": "text/plain; charset=utf-8",
}
_CATEGORIES: Final = tuple(category.name.lower() for category in Category)
_ENCODER: Final = msgspec.json.Encoder()
_CURSOR: Final = re.compile(r"[0-9a-f]{1,35}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """Which rendering. `family` 0: both; `limit` 0: all; `cursor`: the key after which to begin."""

    format: str
    family: int = 0
    aggregate: bool = False
    limit: int = 0
    cursor: int = -1

    def __post_init__(self) -> None:
        if self.format not in MEDIA:
            raise InputError(f"{self.format[:40]!r} is no format", field="format", hint=f"one of {', '.join(MEDIA)}")
        if self.family not in (0, 4, 6):
            raise InputError(f"{self.family} is no address family", field="family", hint="4 or 6")
        if self.aggregate and self.format != "plain":
            raise InputError(
                "merged prefixes have no reason and no end of their own", field="aggregate", hint="use format=plain"
            )

    def tag(self, generation: str) -> str:
        """The strong validator of its bytes."""
        name = f"{generation}-{self.format}{self.family}"
        return f'"{name}{"a" if self.aggregate else ""}-{self.limit}-{self.cursor:x}"'


@dataclass(frozen=True, slots=True)
class Page:
    """Rendered bytes in parts, because copying 10 MB is a stall too, and the cursor of the next page ("": the end)."""

    parts: tuple[bytes, ...]
    cursor: str


class Renderer:
    """Renders and remembers."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._pages: OrderedDict[str, Page] = OrderedDict()
        # One rendering at a time: who asks for the same a moment later gets the same bytes.
        self._order = asyncio.Lock()

    def tag(self, variant: Variant) -> str:
        """What the page would have now."""
        return variant.tag(self._operations.generation())

    async def page(self, variant: Variant) -> tuple[str, Page]:
        """(tag, page) as of now."""
        async with self._order:
            tag = self.tag(variant)
            known = self._pages.get(tag)
            if known is None:
                known = await self._render(variant)
                # What changed while it was rendered may be in it or not: good as an answer, not under this tag.
                if self.tag(variant) != tag:
                    return "", known
                self._pages[tag] = known
                while len(self._pages) > KEPT:
                    self._pages.popitem(last=False)
            return tag, known

    async def _render(self, variant: Variant) -> Page:
        line, frame = _SHAPES[variant.format]()
        parts: list[bytes] = []
        count, last, more = 0, -1, ""
        rows = await self._rows(variant)
        while not more and (chunk := list(islice(rows, SLICE))):
            wanted = [row for row in chunk if row.key > variant.cursor and _in_family(variant.family, row.key)]
            if variant.limit and count + len(wanted) > variant.limit:
                wanted = wanted[: variant.limit - count]
                more = f"{wanted[-1].key if wanted else last:x}"
            if wanted:
                parts.append((frame.between if parts else frame.before) + frame.between.join(map(line, wanted)))
                count, last = count + len(wanted), wanted[-1].key
            await asyncio.sleep(0)
        return Page((*parts, frame.after) if parts else frame.empty, more)

    async def _rows(self, variant: Variant) -> Iterator[AdoptedRow]:
        rows = await self._operations.adopted()
        if not variant.aggregate:
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


# --- shapes --------------------------------------------------------------------------------------------------------

Line = Callable[[AdoptedRow], bytes]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands before, between and after the lines; and instead of them."""

    before: bytes
    between: bytes
    after: bytes
    empty: tuple[bytes, ...] = ()


def _json_line() -> Line:
    """Ends repeat: an imported list has one for all of it."""
    known: dict[int, str | None] = {}

    def line(row: AdoptedRow) -> bytes:
        if row.until not in known:
            known[row.until] = ending(row.until)
        return _ENCODER.encode(
            schema.AdoptedEntry(
                prefix=key_text(row.key),
                reason=row.reason,
                expires=known[row.until],
                category=_CATEGORIES[row.category],  # type: ignore[arg-type]  # the names of Category are the literals
            )
        )

    return line


def _plain_line() -> Line:
    return lambda row: short_text(row.key).encode()


_SHAPES: Final[dict[str, Callable[[], tuple[Line, _Frame]]]] = {
    "json": lambda: (_json_line(), _Frame(b"[", b",", b"]", (b"[]",))),
    "ndjson": lambda: (_json_line(), _Frame(b"", b"\n", b"\n")),
    "plain": lambda: (_plain_line(), _Frame(b"", b"\n", b"\n")),
}
