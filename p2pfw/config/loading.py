"""The configuration, from where it stands to frozen values; or everything that is wrong with it, at once.

Order of rising precedence: defaults, the file, conf.d/*.toml beside it, P2PFW_SECTION__KEY, flags. Works with no file
at all: observe mode, outbound only, no peers. What the operator said at run time is not here; it is in the database.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeVar, cast

from p2pfw.config.checks import check, warnings
from p2pfw.config.keys import Key, Shape, keys_of
from p2pfw.config.model import Api, Config, Discovery, Enforcer, Feed, Listen, Node, Peer, Policy, Rfw, Setting, Webhook
from p2pfw.config.place import Place, config_path, files_of
from p2pfw.config.problems import Problems
from p2pfw.config.readers import CATEGORY, HIDDEN, NAME, OPTIONAL_URL, WEBHOOK_URL, shown_url
from p2pfw.config.sources import Collected, Collector, Given, Origin, Table, from_environment
from p2pfw.errors import ConfigError, InputError

T = TypeVar("T")

DEFAULT: Final = "default"

_HOME: Final = "~/"
_NODE_KEY: Final = "node.key"


def load(path: Path | None = None, *, flags: Mapping[str, object] | None = None, place: Place | None = None) -> Config:
    """The configuration. ConfigError tells all problems, each with file and line and what would be right.

    `path`: the file that -c names, which must exist then. `flags`: dotted key → value; None means not given.
    """
    place = place or Place.here()
    problems = Problems()
    main, named = config_path(path, place)
    collector = Collector(problems)
    for file in files_of(main, named=named):
        collector.file(file)
    for key, text, origin in from_environment(place):
        collector.value(key, text, origin)
    for key, value in (flags or {}).items():
        if value is not None:
            collector.value(key, value, Origin(f"flag {key}", place.directory))
    config = _Builder(collector.found, place, main, problems).build()
    problems.check()
    return config


def read_feed(name: str, values: Mapping[str, object]) -> Feed:
    """One feed as it was said at run time, by the readers and checks of a file. ConfigError."""
    problems = Problems()
    collector = Collector(problems)
    for key, value in values.items():
        collector.value(f"feed.{name}.{key}", value, Origin(f"feed {name}", Path("/")))
    place = Place.here()
    config = _Builder(collector.found, place, config_path(None, place)[0], problems).build()
    problems.check()
    if not config.feeds:
        raise ConfigError("a feed needs url or file", hint="one of them")
    return config.feeds[0]


@dataclass(slots=True)
class _Builder:
    """Values from what was collected. What cannot be read is a problem, and its default stands in until the end."""

    found: Collected
    place: Place
    main: Path
    problems: Problems
    settings: list[Setting] = field(default_factory=list)

    def build(self) -> Config:
        """Section by section, because some defaults follow from others; then what holds between them."""
        node = self._node()
        listen = self._section("listen", Listen, {})
        api = self._section("api", Api, {"socket": self.place.socket(node.state_dir)})
        api = replace(api, rfw=self._section("api.rfw", Rfw, {}))
        enforcer = self._section("enforcer", Enforcer, {})
        policy = self._section("policy", Policy, {"allow_files": (str(self.main.parent / "allow.d" / "*.txt"),)})
        config = Config(
            node=node,
            listen=listen,
            api=api,
            enforcer=enforcer,
            policy=policy,
            peers=tuple(self._peers(policy.default_trust)),
            discovery=self._section("discovery", Discovery, {}),
            webhook=self._section("webhook", Webhook, {}),
            feeds=tuple(self._feeds()),
            files=tuple(self.found.files),
            settings=tuple(self.settings),
        )
        check(config, self.problems)
        return replace(config, warnings=warnings(config))

    def _node(self) -> Node:
        given = self.found.sections["node"].get("state_dir")
        state_dir = self.place.state_dir
        if given and isinstance(given[-1].raw, str) and given[-1].raw:
            state_dir = Path(str(self._anchored(given[-1].raw, given[-1])))
        derived = {
            "name": _usable_name(self.place.host_name),
            "state_dir": state_dir,
            "key_file": state_dir / _NODE_KEY,
        }
        return self._section("node", Node, derived)

    def _section(self, title: str, make: Callable[..., T], derived: Mapping[str, object]) -> T:
        table = self.found.sections[title]
        return make(**self._values(title, table, keys_of(cast("type", make)), derived))

    def _peers(self, default_trust: float) -> Iterator[Peer]:
        for place, (table, where) in enumerate(self.found.peers):
            title = f"peer.{_title(table, place)}"
            values = self._values(title, table, keys_of(Peer), {"trust": default_trust})
            if "id" in values:
                yield Peer(**cast("dict[str, bytes]", values))  # type: ignore[arg-type]
            elif "id" not in table:
                self.problems.add("a peer needs an id", where=where, hint='id = "p2pfw1..."')

    def _feeds(self) -> Iterator[Feed]:
        make: Callable[..., Feed] = Feed
        for name, (table, _) in self.found.feeds.items():
            yield make(name=name, **self._values(f"feed.{name}", table, keys_of(Feed), {}))

    def _values(
        self, title: str, table: Table, known: Mapping[str, Key], derived: Mapping[str, object]
    ) -> dict[str, object]:
        """Arguments for the section's class; keys without a value are left to its defaults."""
        values = dict(derived)
        for name, key in known.items():
            read: list[object] = []
            for given in table.get(name, []):
                raw = self._anchored(given.raw, given) if key.reader.path else given.raw
                self._tell(f"{title}.{name}", key, raw, given.where())
                self._read(f"{title}.{name}", key, replace(given, raw=raw), read)
            if key.adds_up and read:
                values[name] = tuple(item for part in read for item in cast("tuple[object, ...]", part))
            elif read:
                values[name] = read[-1]
            if name not in table and not key.required:
                self._tell(f"{title}.{name}", key, derived.get(name, key.default), DEFAULT)
        return values

    def _read(self, title: str, key: Key, given: Given, read: list[object]) -> None:
        """Append the value, unless it is a problem."""
        match key.shape, given.raw:
            case Shape.ONE, raw:
                self._one(title, key, raw, given.where(), read)
            case Shape.MANY, list() as raws:
                items: list[object] = []
                for place, raw in enumerate(raws):
                    self._one(title, key, raw, given.where(place), items)
                read.append(tuple(items))
            case Shape.MANY, str() as raw:
                # One text is a list of one: `hook = "filter/INPUT"`.
                items = []
                self._one(title, key, raw, given.where(), items)
                read.append(tuple(items))
            case Shape.TABLE, dict() as raws:
                read.append(self._table(title, key, raws, given))
            case _:
                form = "a list in brackets" if key.shape is Shape.MANY else "a table like { mail = 0.1 }"
                self.problems.add(f"{title} is {form}", where=given.where())

    def _table(self, title: str, key: Key, raws: dict[str, object], given: Given) -> dict[object, object]:
        pairs: dict[object, object] = {}
        for name, raw in raws.items():
            both: list[object] = []
            where = given.where(name)
            try:
                both.append(CATEGORY.read(name))
            except InputError as error:
                self.problems.add_input(title, error, where)
            self._one(f"{title}.{name}", key, raw, where, both)
            if len(both) == 2:
                pairs[both[0]] = both[1]
        return pairs

    def _one(self, title: str, key: Key, raw: object, where: str, read: list[object]) -> None:
        try:
            read.append(key.reader.read(raw))
        except InputError as error:
            self.problems.add_input(title, error, where)

    def _anchored(self, raw: object, given: Given) -> object:
        """Paths as written are relative to the file that names them; ~ is the home directory."""
        if isinstance(raw, list):
            return [self._anchored(item, given) for item in raw]
        if not isinstance(raw, str) or not raw or "\0" in raw:
            return raw
        if raw.startswith(_HOME):
            return str(self.place.home / raw.removeprefix(_HOME))
        return str(given.origin.base / raw)

    def _tell(self, name: str, key: Key, raw: object, origin: str) -> None:
        self.settings.append(Setting(key=name, value=_shown(key, raw), origin=origin))


def _shown(key: Key, raw: object) -> object:
    """A value as it may be shown to whoever looks over the operator's shoulder."""
    if key.secret and raw:
        return HIDDEN
    if not isinstance(raw, str) or key.reader not in (OPTIONAL_URL, WEBHOOK_URL):
        return raw
    return shown_url(raw, path=key.reader is OPTIONAL_URL)


def _title(table: Table, place: int) -> str:
    """How a peer is called in messages: by its name when it has one."""
    name = table["name"][-1].raw if "name" in table else ""
    return str(name)[:63] if name else str(place + 1)


def _usable_name(host_name: str) -> str:
    try:
        return NAME.read(host_name)
    except InputError:
        return "node"
