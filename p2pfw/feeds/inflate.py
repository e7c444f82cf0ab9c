"""Gzip with a bound: a publisher, or whoever stands between, can make a thousand bytes into a million.

Told by its first bytes, so that `list.txt.gz` and `Content-Encoding: gzip` are one case. One layer only; what is
inside is a list. Blocks, and is meant for a thread.
"""

import zlib
from typing import Final

from p2pfw.errors import FeedError

MAGIC: Final = b"\x1f\x8b"
MOST_MEMBERS: Final = 4_096
"""Files in one gzip file, one after the other. More are an attack: each costs time, however small it is."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_CHUNK: Final = 65_536


def inflated(data: bytes, most: int) -> bytes:
    """The content, at most `most` bytes; `data` itself when it is not gzip. FeedError: too large, broken, cut off.

    What follows the last member is padding, and is not looked at.
    """
    if not data.startswith(MAGIC):
        return data
    content = bytearray()
    at = 0
    for _ in range(MOST_MEMBERS):
        at = _member(data, at, content, most)
        if not data.startswith(MAGIC, at):
            return bytes(content)
    raise FeedError(f"it is gzip data of more than {MOST_MEMBERS} parts")


def _member(data: bytes, at: int, content: bytearray, most: int) -> int:
    """Unpack the member that begins at `at` to the end of `content`; where it ends."""
    unpacker = zlib.decompressobj(_GZIP)
    while not unpacker.eof:
        if at >= len(data):
            raise FeedError("its gzip data ends too soon")
        chunk = data[at : at + _CHUNK]
        try:
            # One byte more than there is room for: enough to know that it is too much.
            content += unpacker.decompress(chunk, most - len(content) + 1)
        except zlib.error:
            raise FeedError("its gzip data is damaged") from None
        if len(content) > most:
            raise FeedError(f"it unpacks to more than {most} bytes", hint="raise max_bytes if that is right")
        at += len(chunk) - len(unpacker.unused_data)
    return at
