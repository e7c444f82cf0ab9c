"""A list in a file of this machine: looked at by its times and size, read whole and within bounds.

The file is the operator's, and so are its links. A pipe or a device is refused, because reading one may never end.
"""

import os
import stat
from email.utils import formatdate
from pathlib import Path
from typing import Final

from p2pfw.errors import FeedError
from p2pfw.feeds.inflate import inflated
from p2pfw.ports import Fetched, NotModified

MOST_KEY: Final = 512
"""Bytes of an API key."""
MOST_AUTHORITIES: Final = 4_194_304
"""Bytes of a file of certificates; all that Debian trusts has 200 kB."""


def read_file(path: Path, etag: str, most: int) -> Fetched | NotModified:
    """The content, unless `etag` says that it is known. FeedError names the path and what is wrong. Blocks."""
    try:
        with open(path, "rb", opener=_open) as file:  # Path.open takes no opener
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise FeedError(f"{path} is no file")
            if etag == _tag(before):
                return NotModified()
            data = file.read(most + 1)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise FeedError(f"{path}: {error.strerror}") from None
    if len(data) > most:
        raise FeedError(f"{path} has more than {most} bytes", hint="raise max_bytes if that is right")
    if _tag(before) != _tag(after):
        raise FeedError(f"{path} changed while it was read", hint="write it beside and rename it into place")
    return Fetched(
        data=inflated(data, most),
        etag=_tag(before),
        modified=formatdate(before.st_mtime, usegmt=True),
        date=int(before.st_mtime),
    )


def read_key(path: Path) -> str:
    """An API key: the one line of a file. FeedError. Blocks."""
    key = _read_own(path, "key_file", MOST_KEY).strip()
    if not 0 < len(key) <= MOST_KEY or not key.isascii() or not key.decode("ascii").isprintable():
        raise FeedError(f"key_file {path} holds no API key", hint="one line, at most 512 letters and digits")
    return key.decode("ascii")


def read_authorities(path: Path) -> str:
    """Certificates of authorities, as PEM. FeedError; whether they can be used is TLS's to say. Blocks."""
    pem = _read_own(path, "ca_file", MOST_AUTHORITIES)
    if not pem.isascii() or b"-----BEGIN CERTIFICATE-----" not in pem or len(pem) > MOST_AUTHORITIES:
        raise FeedError(f"ca_file {path} holds no certificate", hint="a PEM file, as p2pfw cert ca makes it")
    return pem.decode("ascii")


def _read_own(path: Path, key: str, most: int) -> bytes:
    """A file that the configuration names; one byte more than there may be."""
    try:
        with open(path, "rb", opener=_open) as file:  # as above
            return file.read(most + 1) or b""  # None from a pipe that is open and says nothing
    except OSError as error:
        raise FeedError(f"{key} {path}: {error.strerror}") from None


def _open(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    return os.open(path, flags | os.O_NONBLOCK)


def _tag(status: os.stat_result) -> str:
    """Differs whenever the content may: a file that was written again, or another one under the name."""
    return f"{status.st_dev:x}-{status.st_ino:x}-{status.st_size:x}-{status.st_mtime_ns:x}"
