"""Where settings come from: files, drop-ins beside them, environment, flags; each value with where it was read.

Reading here means finding and naming: unknown sections and keys are refused, values are left raw. A later source
replaces an earlier one key by key; lists that add up grow, peers line up, feeds of one name are one feed.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from p2pfw.config.keys import Key, Shape, keys_of
from p2pfw.config.model import SECTIONS, Feed, Peer
from p2pfw.config.place import Place
from p2pfw.config.positions import line_numbers
from p2pfw.config.problems import Problems, nearest
from p2pfw.config.readers import Kind
from p2pfw.errors import ConfigError

MAX_FILE: Final = 4 * 1024 * 1024
"""Bytes; a configuration is written by hand, and the scanner reads it whole."""

_PREFIX: Final = "P2PFW_"
_BETWEEN: Final = "__"
_LINE: Final = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)")
_FEED_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_TABLES: Final = {"peer", "feed"}


@dataclass(frozen=True, slots=True)
class Origin:
    """One source: a file with its lines, or a name. `base`: where relative paths begin."""

    name: str
    base: Path
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)

    def at(self, path: tuple[str | int, ...]) -> str:
        """Where a path stands, as "file:line"; what has no line of its own is where the thing around it is."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.name}:{self.lines[path]}" if path else self.name


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value and where it was given."""

    raw: object
    origin: Origin
    path: tuple[str | int, ...]

    def where(self, *inner: str | int) -> str:
        """For messages: the place of the value, or of something in it."""
        return self.origin.at((*self.path, *inner))


Table = dict[str, list[Given]]
"""Key → what was given, the last one last; more than one only for lists that add up."""


@dataclass(slots=True)
class Collected:
    """Everything that was given, by section."""

    sections: dict[str, Table] = field(default_factory=lambda: {name: {} for name in SECTIONS})
    peers: list[tuple[Table, str]] = field(default_factory=list)
    """Each with the place of its [[peer]]."""
    feeds: dict[str, tuple[Table, str]] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)


class Collector:
    """Takes sources one by one, in the order of rising precedence."""

    def __init__(self, problems: Problems) -> None:
        self.found = Collected()
        self._problems = problems

    def file(self, path: Path) -> None:
        """One TOML file. A file that cannot be read or parsed is one problem, and nothing of it counts."""
        try:
            document, lines = parse_file(path)
        except ConfigError as error:
            self._problems.add_error(error)
            return
        self.found.files.append(path)
        origin = Origin(str(path), path.absolute().parent, lines)
        for name, content in document.items():
            self._top(name, Given(content, origin, (name,)))

    def value(self, key: str, text: object, origin: Origin) -> None:
        """One value by its dotted key, from environment or flags."""
        section, _, name = key.rpartition(".")
        feed = section.removeprefix("feed.") if section.startswith("feed.") else ""
        table, known = self._place(section, feed, origin)
        if known is None:
            return
        found = known.get(name)
        if found is None:
            hint = nearest(name, known)
            self._problems.add(f"unknown key {key!r}", where=origin.name, hint=hint)
        else:
            _put(table, found, Given(from_text(found, text), origin, ()))

    def _place(self, section: str, feed: str, origin: Origin) -> tuple[Table, Mapping[str, Key] | None]:
        if feed:
            return self._feed(feed, origin.name), keys_of(Feed)
        if section not in SECTIONS:
            hint = "peers are written in a file" if section == "peer" else nearest(section, (*SECTIONS, "feed.NAME"))
            self._problems.add(f"unknown section {section!r}", where=origin.name, hint=hint)
            return {}, None
        return self.found.sections[section], keys_of(SECTIONS[section])

    def _top(self, name: str, given: Given) -> None:
        if name == "peer":
            self._peers(given)
        elif name == "feed":
            self._feeds(given)
        elif name in SECTIONS:
            self._section(name, given)
        else:
            self._problems.add(f"unknown section or key {name!r}", where=given.where(), hint=_elsewhere(name))

    def _section(self, name: str, given: Given) -> None:
        inner = {key.removeprefix(f"{name}."): key for key in SECTIONS if key.startswith(f"{name}.")}
        self._keys(name, given, self.found.sections[name], keys_of(SECTIONS[name]), inner)

    def _keys(
        self, name: str, given: Given, table: Table, known: Mapping[str, Key], inner: Mapping[str, str] | None = None
    ) -> None:
        if not isinstance(given.raw, dict):
            self._problems.add(f"{name} is a section", where=given.where(), hint=f"write [{name}] on a line of its own")
            return
        for key, raw in given.raw.items():
            value = Given(raw, given.origin, (*given.path, key))
            if inner and key in inner:
                self._section(inner[key], value)
            elif key in known:
                _put(table, known[key], value)
            else:
                hint = _hint(key, name, (*known, *(inner or ())))
                self._problems.add(f"unknown key {key!r} in [{name}]", where=value.where(), hint=hint)

    def _peers(self, given: Given) -> None:
        if not isinstance(given.raw, list):
            self._problems.add("peer is a list of tables", where=given.where(), hint="write [[peer]] with two brackets")
            return
        for place, raw in enumerate(given.raw):
            one, table = Given(raw, given.origin, (*given.path, place)), Table()
            self._keys("peer", one, table, keys_of(Peer))
            if isinstance(raw, dict):
                self.found.peers.append((table, one.where()))

    def _feeds(self, given: Given) -> None:
        if not isinstance(given.raw, dict):
            self._problems.add("a feed needs a name", where=given.where(), hint="write [feed.NAME]")
            return
        for name, raw in given.raw.items():
            one = Given(raw, given.origin, (*given.path, name))
            table = self._feed(name, one.where()) if isinstance(raw, dict) else Table()
            self._keys(f"feed.{name}", one, table, keys_of(Feed))

    def _feed(self, name: str, where: str) -> Table:
        if not _FEED_NAME.fullmatch(name):
            hint = "1 to 32 letters, digits, dashes and underscores"
            self._problems.add(f"{name[:40]!r} cannot name a feed", where=where, hint=hint)
        # The environment has no small letters and no dashes: it means the feed that a file named so.
        same = (
            known for known in self.found.feeds if known.lower().replace("-", "_") == name.lower().replace("-", "_")
        )
        return self.found.feeds.setdefault(next(same, name), ({}, where))[0]


def parse_file(path: Path) -> tuple[dict[str, object], Mapping[tuple[str | int, ...], int]]:
    """The document and its lines. ConfigError with the line where it ceases to be TOML."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(f"cannot be read: {os.strerror(error.errno or 0)}", where=str(path)) from None
    if len(data) > MAX_FILE:
        raise ConfigError("is larger than 4 MiB: this is no configuration", where=str(path))
    try:
        text = data.decode()
        return tomllib.loads(text), line_numbers(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("is not UTF-8", where=f"{path}:{line}") from None
    except RecursionError:
        raise ConfigError("is nested too deeply", where=str(path)) from None
    except ValueError as error:
        raise _not_toml(error, path, data) from None


def _not_toml(error: ValueError, path: Path, data: bytes) -> ConfigError:
    """The parser's words, with the line that it gives at their end."""
    found = _LINE.search(str(error))
    problem = f"not TOML: {_LINE.sub('', str(error)).strip()}"
    if found is None:
        return ConfigError(problem, where=str(path))
    last = len(data.splitlines())
    hint = f"column {found[2]}" if found[2] else ""
    if "Cannot declare" in problem or "Cannot overwrite" in problem:
        hint = "it stands further up already: write the values there, once"
    return ConfigError(problem, where=f"{path}:{found[1] or last}", hint=hint)


def from_environment(place: Place) -> Iterator[tuple[str, str, Origin]]:
    """(dotted key, text, origin) of each P2PFW_SECTION__KEY."""
    for variable, text in sorted(place.environment.items()):
        if variable.startswith(_PREFIX) and _BETWEEN in variable:
            key = variable.removeprefix(_PREFIX).lower().replace(_BETWEEN, ".")
            yield key, text, Origin(f"environment {variable}", place.directory)


def from_text(key: Key, text: object) -> object:
    """What TOML would have given. Lists are TOML or separated by commas; text stays text."""
    if not isinstance(text, str):
        return text
    stripped = text.strip()
    if key.shape is Shape.MANY:
        if stripped.startswith("["):
            return _toml(stripped)
        return [_scalar(key.reader.kind, item.strip()) for item in stripped.split(",") if item.strip()]
    return _toml(stripped) if key.shape is Shape.TABLE else _scalar(key.reader.kind, text)


def _scalar(kind: Kind, text: str) -> object:
    return text if kind in {Kind.TEXT, Kind.TEXT_OR_NUMBER} else _toml(text.strip())


def _toml(text: str) -> object:
    # What is no TOML stays text, and the key's reader says what it should have been.
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, RecursionError):
        return text


def _put(table: Table, key: Key, given: Given) -> None:
    if key.adds_up:
        table.setdefault(key.name, []).append(given)
    else:
        table[key.name] = [given]


def _elsewhere(name: str) -> str:
    """For something at the top that is no section: a key of one, perhaps."""
    owners = [section for section, model in SECTIONS.items() if name in keys_of(model)]
    if owners:
        return " or ".join(f"{name} belongs into [{section}]" for section in owners)
    return nearest(name, (*SECTIONS, *_TABLES))


def _hint(key: str, section: str, known: tuple[str, ...]) -> str:
    owners = [other for other, model in SECTIONS.items() if other != section and key in keys_of(model)]
    return f"{key} belongs into [{owners[0]}]" if len(owners) == 1 else nearest(key, known)
