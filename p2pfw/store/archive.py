"""The shape of a backup: one tar file that says what it holds and proves that it is whole.

    MANIFEST.json     format, when, by which version, store id, and name, size and SHA-256 of each file
    MANIFEST.sha256   of the manifest's bytes
    p2pfw.db          the database, one file
    *.key             the key files of the state directory

Plain tar, so that an administrator can look inside with tar and sha256sum. Reading takes nothing on faith: names are
flat and known, entries are plain files, sizes are those of the manifest, and nothing is unpacked by the tar library.
The sums find damage; they do not find somebody who wants to deceive, who could write new ones.
"""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Self

from p2pfw.errors import StoreError
from p2pfw.store.database import DATABASE_NAME

FORMAT: Final = 1
KEY_PATTERN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.key")

_MANIFEST: Final = "MANIFEST.json"
_MANIFEST_SUM: Final = "MANIFEST.sha256"
_MAX_MANIFEST: Final = 64 * 1024
_CHUNK: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One file in a backup."""

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if self.name != DATABASE_NAME and not KEY_PATTERN.fullmatch(self.name):
            raise StoreError(f"a backup holds no file named {self.name[:80]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says about itself. `made` in Unix seconds; `database_format` as in store.migrations."""

    made: int
    version: str
    store_id: str
    database_format: int
    files: tuple[Content, ...]

    def encode(self) -> bytes:
        """JSON for people and for `decode`."""
        listed = [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in self.files]
        known = {"made": self.made, "version": self.version, "store_id": self.store_id}
        whole = {"format": FORMAT, **known, "database_format": self.database_format, "files": listed}
        return (json.dumps(whole, indent=2) + "\n").encode()

    @classmethod
    def decode(cls, text: bytes) -> Self:
        """StoreError for a newer format and for what is no manifest."""
        try:
            found = json.loads(text)
            if found["format"] != FORMAT:
                raise StoreError(f"the backup has format {found['format']}, this version of p2pfw reads {FORMAT}")
            files = tuple(
                Content(name=str(f["name"]), size=int(f["size"]), sha256=str(f["sha256"])) for f in found["files"]
            )
            return cls(
                made=int(found["made"]),
                version=str(found["version"]),
                store_id=str(found["store_id"]),
                database_format=int(found["database_format"]),
                files=files,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError("this is no backup of p2pfw: its manifest cannot be read") from error


def describe(path: Path) -> Content:
    """Name, size and sum of a file."""
    with path.open("rb") as file:
        return Content(name=path.name, size=path.stat().st_size, sha256=hashlib.file_digest(file, "sha256").hexdigest())


def write(target: IO[bytes], manifest: Manifest, paths: Mapping[str, Path]) -> None:
    """The archive, to an open file. `paths`: where each file of the manifest lies now."""
    text = manifest.encode()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _add(archive, _MANIFEST, len(text), io.BytesIO(text), manifest.made)
        line = f"{hashlib.sha256(text).hexdigest()}  {_MANIFEST}\n".encode()
        _add(archive, _MANIFEST_SUM, len(line), io.BytesIO(line), manifest.made)
        for content in manifest.files:
            with paths[content.name].open("rb") as file:
                _add(archive, content.name, content.size, file, manifest.made)


class Reader:
    """An open backup: its manifest is checked, its files are checked while they are copied out."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        text = self._small(_MANIFEST)
        if self._small(_MANIFEST_SUM).split()[:1] != [hashlib.sha256(text).hexdigest().encode()]:
            raise StoreError("the backup is damaged: the checksum of its manifest does not fit")
        self.manifest: Final = Manifest.decode(text)

    def copy(self, content: Content, target: IO[bytes]) -> None:
        """The next file of the manifest, to an open file; StoreError when it is not what the manifest says."""
        source = self._next(content.name, content.size)
        digest = hashlib.sha256()
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        if digest.hexdigest() != content.sha256:
            raise StoreError(f"the backup is damaged: the checksum of {content.name} does not fit")

    def _small(self, name: str) -> bytes:
        return self._next(name, None).read(_MAX_MANIFEST)

    def _next(self, name: str, size: int | None) -> "IO[bytes]":
        entry = self._archive.next()
        if entry is None or entry.name != name or not entry.isreg() or size not in {None, entry.size}:
            raise StoreError(f"the backup is damaged or no backup of p2pfw: {name} is not where it belongs")
        source = self._archive.extractfile(entry)
        assert source is not None  # noqa: S101  (a regular entry has content)
        return source


@contextmanager
def read(path: Path) -> "Iterator[Reader]":
    """An open backup. StoreError for whatever is not one, or not whole."""
    try:
        with tarfile.open(path, mode="r:") as archive:
            yield Reader(archive)
    except tarfile.TarError as error:
        raise StoreError(f"{path} is no backup of p2pfw, or it is cut short: {error}") from error


def _add(archive: tarfile.TarFile, name: str, size: int, source: "IO[bytes]", made: int) -> None:
    entry: Any = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, made
    archive.addfile(entry, source)
