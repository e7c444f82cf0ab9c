"""Evidence that leaves the node: signed bytes with an event, and how somebody else checks them, alone and offline.

    {"kind": "adopted", "prefix": "203.0.113.9/32", ..., "evidence": [{"header": h, "signature": s, "body": b}, ...]}

A proof is an announcement as it travelled, in hexadecimal. Checking needs no node, no network and no trust in whoever
exported it: the origin's signature over the header, the header's hash of the body, what the body must be for its kind
(a certificate, vouch or charter is checked with its owner's signature), and that an announcement of entries speaks of
the event's prefix. Times are not compared with now: what was said was said.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from p2pfw.core.announcement import (
    Announcement,
    Kind,
    RawAnnouncement,
    certificate_of,
    charter_of,
    check_body,
    check_signature,
    parse,
    records,
    revocation_of,
    split_code,
    succession_of,
    vouch_of,
)
from p2pfw.core.equivocation import Equivocation
from p2pfw.core.idtext import short_id
from p2pfw.core.prefix import Prefix, key_text
from p2pfw.core.times import rfc3339
from p2pfw.errors import InputError, PeerError

MOST_PROOFS: Final = 256
"""Of one event."""


class Checked(NamedTuple):
    """What an event's evidence is worth."""

    good: int
    """Signed statements that are genuine and about this event."""
    said: tuple[str, ...]
    """What they say, in words."""
    problems: tuple[str, ...]


def proof_of(raw: RawAnnouncement) -> dict[str, str]:
    """An announcement as it goes into an export."""
    return {"header": raw.header.hex(), "signature": raw.signature.hex(), "body": raw.body.hex()}


def check_line(line: str) -> Checked:
    """One line of an export."""
    try:
        event = json.loads(line)
        prefix, proofs = event.get("prefix", ""), event.get("evidence", [])
        if not isinstance(prefix, str) or not isinstance(proofs, list) or len(proofs) > MOST_PROOFS:
            raise TypeError
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Checked(0, (), ("not an event of p2pfw",))
    said, problems = [], []
    for proof in proofs:
        try:
            said.append(_checked(proof, prefix))
        except (PeerError, InputError, ValueError, TypeError, KeyError) as error:
            problems.append(str(error) or type(error).__name__)
    return Checked(len(said), tuple(said), tuple(problems))


def _checked(proof: dict[str, Any], prefix: str) -> str:
    """What a genuine proof says. The error says why it is none."""
    parts = [bytes.fromhex(proof[part]) for part in ("header", "signature", "body")]
    one = parse(RawAnnouncement(*parts))
    check_signature(one)
    check_body(one)
    if one.kind == Kind.EQUIVOCATION:
        Equivocation.decode(one.raw.body).check_signatures()
    words = ", ".join(_words(one, prefix))
    if not words:
        raise ValueError(f"genuine, and says nothing of {prefix}")
    return f"{short_id(one.origin)} at {rfc3339(one.created)}: {words}"


def _words(one: Announcement, prefix: str) -> Iterator[str]:
    match one.kind:
        case Kind.ENTRIES | Kind.PARDON:
            yield from _entries(one, prefix)
        case Kind.CERTIFICATE:
            yield f"it is of owner {short_id(certificate_of(one).owner)}"
        case Kind.REVOCATION:
            revoked = revocation_of(one)
            what = short_id(revoked.node) if revoked.node else f"all below serial {revoked.below_serial}"
            yield f"owner {short_id(revoked.owner)} revoked {what}"
        case Kind.VOUCH:
            vouch = vouch_of(one)
            yield f"owner {short_id(vouch.voucher)} vouches for {short_id(vouch.subject)} at {vouch.level} %"
        case Kind.CHARTER:
            signed = charter_of(one)
            yield f"charter of {signed.charter.network}, version {signed.charter.number}: {_signers(signed.signatures)}"
        case Kind.SUCCESSION:
            taken = succession_of(one)
            yield f"owner {short_id(taken.new)} takes over from {short_id(taken.old)}"
        case Kind.EQUIVOCATION:
            yield f"{short_id(Equivocation.decode(one.raw.body).origin)} contradicted itself"
        case _:
            yield f"an announcement of kind {one.kind}"


def _entries(one: Announcement, prefix: str) -> Iterator[str]:
    wanted = Prefix.parse(prefix).key if prefix else None
    for key, _, age, code in records(one):
        if key == wanted:
            action, category, _ = split_code(code)
            stated = rfc3339(one.created - age)
            yield f"{action.name} {key_text(key)} ({category.name.lower()}), first said {stated}"


def _signers(owners: Iterable[bytes]) -> str:
    return "signed by " + ", ".join(short_id(owner) for owner in sorted(owners))
