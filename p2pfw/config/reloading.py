"""What a changed file changes at once, and what waits for a restart (SIGHUP, `p2pfw config reload`).

Whitelist, peers, trust, policy and feeds take effect at once. What is bound at start (addresses, files, sets, the
network) is named, so that nobody believes in a change that has not happened.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

from p2pfw.config.model import Api, Config, Rfw

_AT_ONCE: Final = {"policy", "peer", "feed"}
_SECTIONS: Final = ("node", "listen", "api", "enforcer", "policy", "discovery", "webhook")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Keys that differ, by their dotted names."""

    at_once: tuple[str, ...]
    after_restart: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.at_once or self.after_restart)


def check_reloadable(old: Config, new: Config) -> Changes:
    """What is different in `new`, by when it can take effect."""
    changed = list(_differences(old, new))
    at_once = tuple(key for key in changed if key.partition(".")[0] in _AT_ONCE)
    return Changes(at_once=at_once, after_restart=tuple(key for key in changed if key not in at_once))


def _differences(old: Config, new: Config) -> Iterator[str]:
    for section in _SECTIONS:
        yield from _of_section(section, getattr(old, section), getattr(new, section))
    before, after = {peer.id: peer for peer in old.peers}, {peer.id: peer for peer in new.peers}
    for place, identity in enumerate(dict.fromkeys((*before, *after))):
        if before.get(identity) != after.get(identity):
            named = after.get(identity) or before[identity]
            yield f"peer.{named.name or place + 1}"
    feeds_before, feeds_after = {feed.name: feed for feed in old.feeds}, {feed.name: feed for feed in new.feeds}
    for name in dict.fromkeys((*feeds_before, *feeds_after)):
        if feeds_before.get(name) != feeds_after.get(name):
            yield f"feed.{name}"


def _of_section(title: str, old: object, new: object) -> Iterator[str]:
    for found in fields(type(old)):  # type: ignore[arg-type]
        before, after = getattr(old, found.name), getattr(new, found.name)
        if isinstance(before, Rfw) and isinstance(old, Api):
            yield from _of_section(f"{title}.{found.name}", before, after)
        elif before != after:
            yield f"{title}.{found.name}"
