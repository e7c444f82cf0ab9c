"""What must hold between keys, and what is allowed and probably not meant.

A problem is what could not work, or would do the opposite of what was written. A warning is for the operator's eyes;
it never stops a node, because a node that does not start protects nobody.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from p2pfw.config.model import DAY, HOUR, Adopt, Api, Config, Feed, Format, Rfw
from p2pfw.config.problems import Problems
from p2pfw.core.idtext import short_id
from p2pfw.core.prefix import key_length, key_text

T = TypeVar("T")

_WRITABLE_BY_OTHERS: Final = 0o022
_LONE_VOICE: Final = DAY
"""Seconds for which one voice alone keeps a block up (policy, lease)."""
_ARGON2ID: Final = re.compile(
    r"\$argon2id\$v=19\$m=[0-9]{1,8},t=[0-9]{1,3},p=[0-9]{1,3}\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
)
_NEEDS_KEY: Final = {Format.ABUSEIPDB, Format.CROWDSEC}


def check(config: Config, problems: Problems) -> None:
    """Add what cannot work."""
    places = Places(config)
    for problem, key, hint in (
        *_of_node(config),
        *_of_api(config),
        *_of_peers(config),
        *_of_feeds(config.feeds, places),
    ):
        problems.add(problem, where=places.of(key), hint=hint)


class Places:
    """Where a key was given; for a key that was not, where its section was."""

    def __init__(self, config: Config) -> None:
        self._found = {setting.key: setting.origin for setting in config.settings if setting.origin != "default"}

    def has(self, key: str) -> bool:
        """True when the key was given, whatever its value."""
        return key in self._found

    def of(self, key: str) -> str:
        """The place to look at, "" when nothing around the key was given."""
        section = key.rpartition(".")[0] + "."
        nearby = (origin for known, origin in self._found.items() if known.startswith(section))
        return self._found.get(key) or next(nearby, "")


def _of_node(config: Config) -> Iterator[tuple[str, str, str]]:
    if config.node.owner_key_file == config.node.key_file:
        yield "the owner's key and the node's key are two keys", "node.owner_key_file", "name two files"
    if config.listen.open and config.listen.peer is None:
        yield "listen.open needs an address to listen on", "listen.open", 'peer = "0.0.0.0:7787"'


def _of_api(config: Config) -> Iterator[tuple[str, str, str]]:
    api, rfw = config.api, config.api.rfw
    for title, cert, key in (("api", api.tls_cert, api.tls_key), ("api.rfw", rfw.tls_cert, rfw.tls_key)):
        if (cert is None) != (key is None):
            missing = "tls_key" if key is None else "tls_cert"
            given = "tls_cert" if key is None else "tls_key"
            yield f"{title}.{given} needs {title}.{missing}", f"{title}.{given}", "both, or neither"
    if rfw.enabled:
        yield from _of_rfw(rfw, has_certificate=rfw.tls_cert is not None or api.tls_cert is not None)
    ports = [str(endpoint) for endpoint in (config.listen.peer, api.http) if endpoint and endpoint.port]
    ports += [
        str(endpoint) for endpoint in (rfw.listen, rfw.local_listen) if rfw.enabled and endpoint and endpoint.port
    ]
    for twice in _twice(ports):
        yield f"two listeners on {twice}", "listen.peer", "one address and port each"


def _of_rfw(rfw: Rfw, *, has_certificate: bool) -> Iterator[tuple[str, str, str]]:
    if rfw.listen and not has_certificate:
        yield "api.rfw.listen is HTTPS and needs a certificate", "api.rfw.listen", "p2pfw cert server makes one"
    if (rfw.listen or rfw.local_auth) and not rfw.password_hash:
        yield "api.rfw needs a password", "api.rfw.password_hash", "p2pfw token rfw-password"
    if rfw.password_hash and _ARGON2ID.fullmatch(rfw.password_hash) is None:
        yield "this is no Argon2id hash of a password", "api.rfw.password_hash", "p2pfw token rfw-password"
    if rfw.local_listen and not _is_loopback(rfw.local_listen.host):
        problem = "api.rfw.local_listen is HTTP without TLS, for programs on this machine"
        yield problem, "api.rfw.local_listen", "127.0.0.1:7390; listen is for others"
    if rfw.non_restful and rfw.local_listen and not rfw.local_auth:
        problem = "changes by GET are never taken without a password"
        yield problem, "api.rfw.non_restful", "local_auth = true, or local_listen off"


def _of_peers(config: Config) -> Iterator[tuple[str, str, str]]:
    for identity in _twice(peer.id for peer in config.peers):
        title = _titles(config, identity)
        yield f"{short_id(identity)}... is named twice", f"peer.{title}.id", "one [[peer]] an id"
    for name in _twice(peer.name for peer in config.peers if peer.name):
        yield f"two peers are called {name!r}", f"peer.{name}.name", "names stand for ids: one each"


def _titles(config: Config, identity: bytes) -> str:
    """How the last peer with this id is called in settings."""
    place = max(place for place, peer in enumerate(config.peers) if peer.id == identity)
    return config.peers[place].name or str(place + 1)


def _of_feeds(feeds: Iterable[Feed], places: "Places") -> Iterator[tuple[str, str, str]]:
    for feed in feeds:
        title = f"feed.{feed.name}"
        # By what was given, not by what came of it: a url that cannot be read has been told already.
        if places.has(f"{title}.url") == places.has(f"{title}.file"):
            problem = "has both url and file" if places.has(f"{title}.url") else "needs url or file"
            yield f"{title} {problem}", f"{title}.url", "one of them"
        if feed.format is Format.SPAMHAUS and feed.url and feed.refresh < HOUR:
            yield f"{title}.refresh: this publisher allows one fetch an hour", f"{title}.refresh", 'refresh = "1h"'
        if feed.ca_file is not None and (feed.url.startswith("http://") or feed.file is not None):
            yield f"{title}.ca_file is for HTTPS, and the list comes another way", f"{title}.ca_file", "url = https://"
        if feed.format in _NEEDS_KEY and feed.url and feed.key_file is None:
            yield f"{title} needs an API key", f"{title}.format", "key_file names a file that holds it"
        if feed.adopt is Adopt.VOICE and feed.announce:
            problem = f"{title} is one voice among others here: what it alone says is not adopted, and not announced"
            yield problem, f"{title}.announce", 'adopt = "direct", or announce = false'
        if feed.format is Format.WARNINGLIST and feed.announce:
            yield f"{title} is a whitelist and cannot be announced", f"{title}.announce", "announce = false"


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def warnings(config: Config) -> tuple[str, ...]:
    """In words, worst first."""
    return (*_of_safety(config), *_of_meaning(config))


def _of_safety(config: Config) -> Iterator[str]:
    for path in config.files:
        if _others_may_write(path):
            yield f"{path} can be written by others, who could then whitelist themselves: chmod go-w {path}"
    for key in config.policy.allow:
        if key_length(key) == 0:
            yield f"policy.allow has {key_text(key)}: nothing of that family will ever be blocked"


def _of_meaning(config: Config) -> Iterator[str]:
    places = Places(config)
    if config.api.rfw.enabled:
        yield from _of_rfw_meaning(config.api)
    if config.listen.advertise and config.listen.peer is None:
        yield "listen.advertise tells peers addresses, and listen.peer is off"
    for feed in config.feeds:
        if feed.format is Format.CROWDSEC and (feed.minimum or feed.max_change < 1):
            yield f"feed.{feed.name}: decisions come and go, and there may be none: minimum = 0, max_change = 1.0"
        if feed.adopt is Adopt.VOICE and feed.refresh > _LONE_VOICE / 2:
            yield f"feed.{feed.name}: a lone voice counts for a day: with refresh above 12h it may fall silent between"
        if feed.adopt is Adopt.DIRECT and places.has(f"feed.{feed.name}.trust"):
            yield f'feed.{feed.name}.trust counts only with adopt = "voice"'


def _of_rfw_meaning(api: Api) -> Iterator[str]:
    rfw = api.rfw
    if rfw.listen is None and rfw.local_listen is None:
        yield "api.rfw is enabled, and both its listeners are off"
    if rfw.listen is None:
        return
    if not rfw.clients:
        yield "api.rfw.clients is empty: nobody may call api.rfw.listen"
    used = (rfw.tls_cert, rfw.tls_key) if rfw.tls_cert is not None else (api.tls_cert, api.tls_key)
    for path in used:
        if path is not None and not _is_there(path):
            yield f"{path} is not there, and api.rfw.listen needs it: p2pfw cert server makes one"


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _is_there(path: Path) -> bool:
    """False only when it is known: what this user may not look at may well be there for the service's."""
    try:
        return path.exists()
    except OSError:
        return True


def _others_may_write(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _WRITABLE_BY_OTHERS)
    except OSError:
        return False
