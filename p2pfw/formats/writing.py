"""Lists as other programs read them: a table of formats, and the writer that puts lines, sections and frame together.

Every line is made of integers of ours, in canonical spelling, and of names from closed sets; a text that came from
outside would be a way into the reader's configuration, so none is written. Pure: `now` is given, slices are the
caller's. What a reader can hold (MikroTik: about 20,000 entries) is the caller's `limit`; nothing is cut silently.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from hashlib import sha1
from itertools import groupby
from typing import Final, Protocol

from p2pfw.core.prefix import is_v6, key_address, key_length, key_text, truncate
from p2pfw.core.records import Category
from p2pfw.core.times import ending, rfc3339
from p2pfw.formats.ipset import SET_NAMES
from p2pfw.formats.plain import short_text

TEXT: Final = "text/plain; charset=utf-8"
CATEGORIES: Final = tuple(category.name.lower() for category in Category)
NFT_TABLE: Final = "p2pfw_export"
"""Never the enforcer's own table."""
MIKROTIK_LIST: Final = "p2pfw"
BLACKHOLE: Final = "(65535,666)"
"""RFC 7999."""
SURICATA_SCORE: Final = 100
"""Of 1..127: blocked, and no shades of it."""
RPZ_SECONDS: Final = 60
"""For resolvers to keep a record, and for secondaries to ask again."""
_MAXELEM: Final = 1_048_576
_STIX_SPACE: Final = bytes.fromhex("5a5b23a54d6b5a7e9a532f1d6c0a7b11")


class Entry(Protocol):
    """What is known of one line."""

    @property
    def key(self) -> int: ...  # noqa: D102
    @property
    def until(self) -> int: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def category(self) -> int: ...  # noqa: D102


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Of the list as a whole: how many entries, and when it came to be so (Unix seconds; rises with each list)."""

    v4: int
    v6: int
    at: int


class Merging(Enum):
    """Whether prefixes may be merged.

    Never where a line tells more than the prefix; always where they must not overlap.
    """

    NEVER = "never"
    ASKED = "asked"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One way of writing. `sections`: what stands before and after each family's lines, where they are apart."""

    media: str = TEXT
    merging: Merging = Merging.ASKED
    line: Callable[[int], Callable[[Entry], str]]
    head: Callable[[Told], str] = lambda _: ""
    between: str = "\n"
    after: str = "\n"
    empty: str = ""
    sections: Mapping[int, tuple[str, str]] | None = None


class Writer:
    """Takes the entries of one list in order, slice by slice; its head is known when all were seen."""

    def __init__(self, form: Written, at: int) -> None:
        self._form, self._at, self._line = form, at, form.line(at)
        self._counts = {4: 0, 6: 0}
        self._open = 0

    def write(self, entries: Iterable[Entry]) -> bytes:
        """The lines of these."""
        texts = []
        for family, group in groupby(entries, lambda entry: 6 if is_v6(entry.key) else 4):
            lines = list(map(self._line, group))
            self._counts[family] += len(lines)
            texts.append(self._turn(family))
            texts.append(self._form.between.join(lines))
        return "".join(texts).encode()

    def end(self) -> tuple[bytes, bytes]:
        """(head, what stands after the last line)."""
        form = self._form
        head = form.head(Told(v4=self._counts[4], v6=self._counts[6], at=self._at))
        if not self._open:
            return head.encode(), form.empty.encode()
        closing = form.sections[self._open][1] if form.sections else ""
        return head.encode(), (closing + form.after).encode()

    def _turn(self, family: int) -> str:
        """What comes before a line of this family."""
        before, self._open = self._open, family
        if before and (before == family or not self._form.sections):
            return self._form.between
        if not self._form.sections:
            return ""
        closing = self._form.sections[before][1] + self._form.after if before else ""
        return closing + self._form.sections[family][0]


def write(entries: Iterable[Entry], form: Written, at: int) -> bytes:
    """A whole list at once."""
    writer = Writer(form, at)
    lines = writer.write(entries)
    head, tail = writer.end()
    return head + lines + tail


# --- lines -----------------------------------------------------------------------------------------------------------


def _always(line: Callable[[Entry], str]) -> Callable[[int], Callable[[Entry], str]]:
    return lambda _: line


def _parts(key: int) -> tuple[int, ...]:
    """A /0 as its two halves: hash:net and rpz-ip have none."""
    if key_length(key) > 0:
        return (key,)
    top = 1 << (127 if is_v6(key) else 31) + 8
    return truncate(key, 0) | 1, truncate(key, 0) | top | 1


def _ipset(entry: Entry) -> str:
    name = SET_NAMES[is_v6(entry.key)]
    return "\n".join(f"add {name} {key_text(key)} -exist" for key in _parts(entry.key))


def _ipset_head(told: Told) -> str:
    return "".join(
        f"create {name} hash:net family {family} maxelem {max(_MAXELEM, 2 * count)} -exist\n"
        for name, family, count in ((SET_NAMES[0], "inet", told.v4), (SET_NAMES[1], "inet6", told.v6))
    )


def _nft_head(_: Told) -> str:
    lines = [f"add table inet {NFT_TABLE}"]
    for name, kind in (("block4", "ipv4_addr"), ("block6", "ipv6_addr")):
        lines.append(f"add set inet {NFT_TABLE} {name} {{ type {kind}; flags interval; }}")
        lines.append(f"flush set inet {NFT_TABLE} {name}")
    return "\n".join(lines) + "\n"


def _mikrotik(entry: Entry) -> str:
    menu = "ipv6" if is_v6(entry.key) else "ip"
    text = key_text(entry.key) if is_v6(entry.key) else short_text(entry.key)
    return f":do {{ /{menu} firewall address-list add list={MIKROTIK_LIST} address={text} }} on-error={{}}"


def _mikrotik_head(_: Told) -> str:
    return "".join(
        f":do {{ /{menu} firewall address-list remove [find list={MIKROTIK_LIST}] }} on-error={{}}\n"
        for menu in ("ip", "ipv6")
    )


def _rpz(entry: Entry) -> str:
    return "\n".join(f"{_rpz_name(key)} CNAME ." for key in _parts(entry.key))


def _rpz_name(key: int) -> str:
    """Length, then the address backwards; the run of zeros that :: stands for is zz."""
    address = key_text(key).partition("/")[0]
    if not is_v6(key):
        words = address.split(".")
    elif "." in address:
        # The system writes ::ffff:192.0.2.1; zones know words of 16 bits only.
        number = key_address(key)
        words = ["zz", *(f"{number >> shift & 0xFFFF:x}" for shift in (32, 16, 0) if number >> shift)]
    else:
        words = address.replace("::", ":zz:").strip(":").split(":")
    return f"{key_length(key)}.{'.'.join(reversed(words))}.rpz-ip"


def _rpz_head(told: Told) -> str:
    numbers = f"{told.at & 0xFFFFFFFF} {RPZ_SECONDS} {RPZ_SECONDS} 604800 {RPZ_SECONDS}"
    return f"$TTL {RPZ_SECONDS}\n@ SOA localhost. root.localhost. {numbers}\n@ NS localhost.\n"


def _bird(entry: Entry) -> str:
    return f"  route {key_text(entry.key)} blackhole {{ bgp_community.add({BLACKHOLE}); }};"


def _suricata(entry: Entry) -> str:
    return f"{short_text(entry.key)},{entry.category + 1},{SURICATA_SCORE}"


def _zeek(entry: Entry) -> str:
    text = short_text(entry.key)
    return f"{text}\tIntel::{'SUBNET' if '/' in text else 'ADDR'}\tp2pfw\t{CATEGORIES[entry.category]}"


def _csv(_: int) -> Callable[[Entry], str]:
    ends = _ends()
    return lambda entry: f"{key_text(entry.key)},{CATEGORIES[entry.category]},{_word(entry.reason)},{ends(entry.until)}"


def _word(reason: str) -> str:
    """A reason is one of our words; were it anything else, a spreadsheet could take it for a formula."""
    return reason if reason.replace("-", "").isalnum() and not reason.startswith("-") else "other"


def _stix(at: int) -> Callable[[Entry], str]:
    ends, made = _ends(), rfc3339(at)

    def line(entry: Entry) -> str:
        text = key_text(entry.key)
        kind = "ipv6-addr" if is_v6(entry.key) else "ipv4-addr"
        ending = f',"valid_until":"{ends(entry.until)}"' if entry.until > at else ""
        return (
            '{"type":"indicator","spec_version":"2.1",'
            f'"id":"indicator--{_uuid(text)}","created":"{made}","modified":"{made}",'
            f'"name":"{text}","indicator_types":["malicious-activity"],"labels":["{CATEGORIES[entry.category]}"],'
            f'"pattern":"[{kind}:value = \'{short_text(entry.key)}\']","pattern_type":"stix","pattern_version":"2.1",'
            f'"valid_from":"{made}"{ending}}}'
        )

    return line


def _uuid(name: str) -> str:
    """A UUID by name, of version 5 (RFC 9562 5.5), in a space of ours. The library for it reads clock and chance."""
    raw = bytearray(sha1(_STIX_SPACE + name.encode(), usedforsecurity=False).digest()[:16])
    raw[6], raw[8] = raw[6] & 0x0F | 0x50, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _stix_head(told: Told) -> str:
    # A bundle without objects has no such member (STIX 2.1, 8).
    opening = ',"objects":[\n' if told.v4 + told.v6 else ""
    return f'{{"type":"bundle","id":"bundle--{_uuid(str(told.at))}"{opening}'


def _ends() -> Callable[[int], str]:
    """Times as text. Ends repeat: an imported list has one for all of it."""
    known: dict[int, str] = {}

    def text(until: int) -> str:
        if until not in known:
            known[until] = ending(until) or ""
        return known[until]

    return text


_NFT_SECTIONS: Final = {family: (f"add element inet {NFT_TABLE} block{family} {{\n", "\n}") for family in (4, 6)}
_BIRD_SECTIONS: Final = {family: (f"protocol static p2pfw{family} {{\n  ipv{family};\n", "\n}") for family in (4, 6)}

WRITTEN: Final[Mapping[str, Written]] = {
    "plain": Written(line=_always(lambda entry: short_text(entry.key))),
    "csv": Written(
        media="text/csv; charset=utf-8",
        merging=Merging.NEVER,
        line=_csv,
        head=lambda _: "prefix,category,reason,expires\n",
    ),
    "ipset": Written(line=_always(_ipset), head=_ipset_head),
    "nft": Written(
        merging=Merging.ALWAYS,
        line=_always(lambda entry: key_text(entry.key)),
        head=_nft_head,
        between=",\n",
        sections=_NFT_SECTIONS,
    ),
    "nginx": Written(line=_always(lambda entry: f"{key_text(entry.key)} 1;")),
    "haproxy": Written(line=_always(lambda entry: short_text(entry.key))),
    "mikrotik": Written(line=_always(_mikrotik), head=_mikrotik_head),
    "rpz": Written(line=_always(_rpz), head=_rpz_head),
    "bird": Written(line=_always(_bird), sections=_BIRD_SECTIONS),
    "suricata": Written(merging=Merging.NEVER, line=_always(_suricata)),
    "zeek": Written(
        merging=Merging.NEVER,
        line=_always(_zeek),
        head=lambda _: "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n",
    ),
    "stix": Written(
        media="application/stix+json;version=2.1",
        merging=Merging.NEVER,
        line=_stix,
        head=_stix_head,
        between=",\n",
        after="\n]}\n",
        empty="}\n",
    ),
}
"""What can be written, beside JSON: the API's own, with its types."""
