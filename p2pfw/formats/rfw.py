"""Requests as rfw's clients write them: a path that is a rule, and a query that says for how long.

The grammar is rfw's own, so that its clients need no change; what it took and could not mean (the interface that it
forgot, an address without bounds) is meant here, or refused with rfw's words. Says what was asked; whether that is
allowed, and what becomes of it, is web's business. Paths come in decoded.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from p2pfw.core.duration import MAX_DURATION
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Family, Prefix, PrefixKey, parse_address, truncate, unmapped
from p2pfw.errors import InputError

MAX_PATH: Final = 512
"""Characters; the longest rule has about 150."""
MAX_INTERFACE: Final = 15
"""Characters that Linux gives a name."""
MASKS: Final = {Family.V4: (9, 32), Family.V6: (16, 128)}
"""Lengths that a rule may have: nobody blocks half the world by a slip."""

_TARGETS: Final = {one.value.lower(): one for one in Target}
_CHAINS: Final = {one.value.lower(): one for one in Chain}
_MOST_PARTS: Final = {Chain.INPUT: 3, Chain.OUTPUT: 3, Chain.FORWARD: 6}
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EXPIRE: Final = re.compile(r"\s*([0-9]{1,9})([smhd]?)\s*")
_QUAD: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # no address to listen on


@dataclass(frozen=True, slots=True)
class Help:
    """What there is."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The rules of a chain, or of all."""

    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A rule, for putting it in or taking it out."""

    rule: LocalRule

    @property
    def blocked(self) -> PrefixKey | None:
        """What drop/input/any blocks: an operator's block, not a rule of its own."""
        return self._input_from_anywhere(Target.DROP)

    @property
    def allowed(self) -> PrefixKey | None:
        """What accept/input/any lets in: an entry of the whitelist."""
        return self._input_from_anywhere(Target.ACCEPT)

    def _input_from_anywhere(self, target: Target) -> PrefixKey | None:
        rule = self.rule
        plain = rule.chain is Chain.INPUT and rule.target is target and not rule.in_interface
        return rule.source if plain else None


Command = Help | Listing | Ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """The query. `expire` seconds, 0 for ever, None when nothing was said; `modify`: insert, delete or ""."""

    expire: int | None = None
    wait: bool = False
    modify: str = ""


def parse_path(path: str) -> Command:
    """A trailing slash and upper case are as good. InputError in rfw's words."""
    shown = path[:80]
    if not path.startswith("/") or len(path) > MAX_PATH:
        raise _incorrect(shown, f"A path begins with / and has at most {MAX_PATH} characters")
    parts = [part.strip() for part in path.removesuffix("/").split("/")[1:]]
    if not parts:
        return Help()
    action = parts[0].lower()
    if action == "list":
        return _listing(shown, parts[1:])
    if action not in _TARGETS:
        raise _incorrect(shown, f"The action should be one of {', '.join(_TARGETS)}, or list")
    try:
        return Ordered(_rule(_TARGETS[action], parts[1:]))
    except InputError as error:
        raise _incorrect(shown, str(error)) from None


def parse_query(given: Mapping[str, str]) -> Directives:
    """What is unknown is left alone, as rfw did. InputError."""
    wait, modify = given.get("wait", "").lower(), given.get("modify", "").lower()
    if wait not in ("", "true"):
        raise InputError("Incorrect wait parameter value; it is true, or left out", field="wait")
    if modify not in ("", "insert", "delete"):
        raise InputError("Incorrect modify parameter value; insert or delete", field="modify")
    return Directives(expire=_expire(given.get("expire", "")), wait=wait == "true", modify=modify)


def _listing(shown: str, parts: Sequence[str]) -> Listing:
    if len(parts) > 1:
        raise _incorrect(shown, "Too many details for the list command")
    if not parts:
        return Listing()
    if parts[0].lower() not in _CHAINS:
        raise _incorrect(shown, f"Wrong chain name for list command; {', '.join(_CHAINS)}")
    return Listing(_CHAINS[parts[0].lower()])


def _rule(target: Target, parts: Sequence[str]) -> LocalRule:
    if not parts or parts[0].lower() not in _CHAINS:
        raise InputError(f"The chain should be one of {', '.join(_CHAINS)}")
    chain, details = _CHAINS[parts[0].lower()], parts[1:]
    if len(details) < 2:
        raise InputError("Not enough details to construct the rule: an interface and an address are needed")
    if len(details) > _MOST_PARTS[chain]:
        raise InputError(f"Too many details for the {chain.value} chain")
    (first, one), (second, other) = _ends(deque(details), chain)
    match chain:
        case Chain.INPUT:
            return LocalRule(chain=chain, target=target, in_interface=first, source=one)
        case Chain.OUTPUT:
            return LocalRule(chain=chain, target=target, out_interface=first, destination=one)
        case Chain.FORWARD:
            return LocalRule(
                chain=chain, target=target, in_interface=first, out_interface=second, source=one, destination=other
            )


_End = tuple[str, PrefixKey | None]


def _ends(details: deque[str], chain: Chain) -> tuple[_End, _End]:
    """(interface, prefix) of either end: `IFACE/IP[/MASK]`, then of FORWARD the same again, each part optional."""
    anywhere = chain is Chain.FORWARD
    first = _interface(details.popleft())
    one = _prefix(details, anywhere=anywhere)
    if not details:
        return (first, one), ("", None)
    if not anywhere:
        raise InputError(f"Incorrect netmask value {details[0][:20]!r}; it is a number")
    second = _interface(details.popleft())
    other = _prefix(details, anywhere=True) if details else None
    if details:
        raise InputError("Incorrect netmask value; nothing may follow the second address but its mask")
    return (first, one), (second, other)


def _interface(name: str) -> str:
    """As iptables writes it: "" for any, and a + behind what does not end in a digit."""
    if not name:
        raise InputError("An interface name is missing; any stands for all of them")
    if name.lower() == "any":
        return ""
    if name.startswith("-"):
        raise InputError(f"{name[:20]!r} is no name of an interface")
    if len(name) > MAX_INTERFACE:
        raise InputError(f"Interface name too long. Max {MAX_INTERFACE} characters")
    # ETH0 is a client that writes in upper case; enP2p1s0 is the name of a card.
    named = name if name[0].islower() else name.lower()
    return named if named[-1].isdigit() or named.endswith("+") or len(named) == MAX_INTERFACE else f"{named}+"


def _prefix(details: deque[str], *, anywhere: bool) -> PrefixKey | None:
    """An address, and a mask where one follows. None: any address, which only FORWARD can say."""
    address = details.popleft()
    mask = details.popleft() if details and details[0].isascii() and details[0].isdigit() else None
    if anywhere and mask is None and address in _ANYWHERE:
        return None
    family, number = _address(address)
    host = Prefix.of(family, number, family.bits).key
    if mask is None:
        return host
    least, most = MASKS[family]
    if len(mask) > 3 or not least <= int(mask) <= most:
        raise InputError(f"Netmask must be in range from {least} to {most}")
    return truncate(host, int(mask))


def _address(text: str) -> tuple[Family, int]:
    if _QUAD.fullmatch(text):  # rfw reads 001.002.003.004 as decimal numbers
        text = ".".join(str(int(part)) for part in text.split("."))
    try:
        family, number = parse_address(text)
    except InputError:
        raise InputError(f"Incorrect IP address {text[:40]!r}") from None
    return unmapped(family, number, family.bits)[:2]


def _expire(text: str) -> int | None:
    if not text:
        return None
    match = _EXPIRE.fullmatch(text)
    if match is None:
        raise InputError("Incorrect expire parameter value; seconds, or a number with s, m, h or d", field="expire")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > MAX_DURATION:
        raise InputError("Incorrect expire parameter value; at most 3650d, 0 is for ever", field="expire")
    return seconds


def _incorrect(path: str, why: str) -> InputError:
    return InputError(f"Incorrect path: {path}. {why}", field="path")
