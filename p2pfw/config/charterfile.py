"""A charter as the text that people read, compare and mail: TOML, one member a table (bootstrap/<network>.toml).

Reading gives back exactly the charter that was signed, or says in which line of thought it differs; writing is the one
way in which this program writes it, so that two exports of one charter are one text.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from p2pfw.core.charter import TRUST_UNIT, Charter, Member, Seed, SignedCharter, members_of
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.idtext import decode_id, encode_id
from p2pfw.core.presets import PRESETS, parse_trust
from p2pfw.core.times import parse_rfc3339, rfc3339
from p2pfw.errors import CharterError, ConfigError, InputError, PeerError

MOST_BYTES: Final = 262_144
_KEYS: Final = {
    "charter": {"network", "network_id", "number", "previous", "changes_need", "created", "valid_until"},
    "member": {"owner", "name", "trust"},
    "seed": {"node", "address"},
    "signature": {"owner", "signature"},
}


def read_charter(path: Path) -> SignedCharter:
    """The charter in a file, with signatures that are good. ConfigError names the file and what is wrong."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError("larger than any charter", where=str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where=str(path)) from None
    return parse_charter(text, str(path))


def parse_charter(text: str, where: str) -> SignedCharter:
    """The charter in a text that came from `where`. ConfigError."""
    try:
        found = tomllib.loads(text)
        _check_keys(found)
        signed = SignedCharter(charter=_charter(found), signatures=dict(_signatures(found)))
        signed.check_signatures()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}", where=where) from None
    except (InputError, PeerError) as error:
        raise ConfigError(f"no charter: {error}", where=where) from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"no charter: {type(error).__name__} {error}", where=where) from None
    return signed


def render_charter(signed: SignedCharter) -> str:
    """The text of a charter."""
    return "\n".join(_lines(signed)) + "\n"


def trust_text(member: Member) -> str:
    """The preset's name where there is one, else the number."""
    names = (name for name, value in PRESETS.items() if round(value * TRUST_UNIT) == member.trust)
    return next(names, f"{member.trust / TRUST_UNIT:g}")


def trust_units(text: str) -> int:
    """Thousandths of a preset or number; InputError."""
    return round(parse_trust(text) * TRUST_UNIT)


def _lines(signed: SignedCharter) -> Iterator[str]:
    charter = signed.charter
    count = signed.voices(charter)
    yield f"# p2pfw charter of {charter.network}, version {charter.number}: {len(charter.members)} members, signed by"
    yield f"# {count} of them. Changes need {charter.changes_need}. Any edit makes the signatures void."
    yield ""
    yield "[charter]"
    yield f'network = "{charter.network}"'
    yield f'network_id = "{charter.founded.hex()}"'
    yield f"number = {charter.number}"
    yield f'previous = "{charter.previous.hex()}"'
    yield f"changes_need = {charter.changes_need}"
    yield f'created = "{rfc3339(charter.created)}"'
    yield f'valid_until = "{rfc3339(charter.valid_until)}"'
    for member in charter.members:
        yield from ("", "[[member]]", f'owner = "{encode_id(member.owner)}"', f'name = "{member.name}"')
        yield f'trust = "{trust_text(member)}"'
    for seed in charter.seeds:
        yield from ("", "[[seed]]", f'node = "{encode_id(seed.node)}"', f'address = "{seed.address}"')
    for owner, signature in sorted(signed.signatures.items()):
        yield from ("", "[[signature]]", f'owner = "{encode_id(owner)}"', f'signature = "{signature.hex()}"')


def _check_keys(found: Mapping[str, Any]) -> None:
    for title, value in found.items():
        if title not in _KEYS:
            raise CharterError(f"[{title[:40]}] is no part of a charter: charter, member, seed, signature are")
        for table in value if isinstance(value, list) else [value]:
            unknown = sorted(table.keys() - _KEYS[title])
            if unknown:
                raise CharterError(f"{unknown[0][:40]} is no key of [{title}]: {', '.join(sorted(_KEYS[title]))} are")


def _charter(found: Mapping[str, Any]) -> Charter:
    head = found["charter"]
    members = [
        Member(owner=OwnerId(decode_id(one["owner"])), name=one["name"], trust=trust_units(str(one["trust"])))
        for one in found.get("member", [])
    ]
    seeds = [Seed(node=NodeId(decode_id(one["node"])), address=one["address"]) for one in found.get("seed", [])]
    return Charter(
        network=head["network"],
        founded=bytes.fromhex(head.get("network_id", "")),
        number=head["number"],
        previous=bytes.fromhex(head.get("previous", "")),
        changes_need=head["changes_need"],
        created=parse_rfc3339(head["created"]),
        valid_until=parse_rfc3339(head["valid_until"]),
        members=members_of(members),
        seeds=tuple(sorted(seeds)),
    )


def _signatures(found: Mapping[str, Any]) -> Iterator[tuple[OwnerId, bytes]]:
    for one in found.get("signature", []):
        yield OwnerId(decode_id(one["owner"])), bytes.fromhex(one["signature"])
