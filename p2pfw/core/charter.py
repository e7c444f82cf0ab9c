"""A charter: who the members of a network of equals are, and how many of them change that (identity, Charter).

    charter    [1, network name, network id or empty, number, previous or empty, changes_need, created, valid_until,
                members, seeds]
    member     owner (32) trust in thousandths (2) length (1) name            ascending by owner
    seed       node (32) length (1) address                                   ascending by node and address
    body       [charter, signatures]       signature: owner (32) Ed25519 over the charter (64), ascending by owner

A value that exists is well-formed: canonical, within its limits, and more than half of its members are needed to change
it. Signatures are checked apart, because that is what costs; which version holds is charters'. The network id is the
hash of version 1, or named in it by a network that began by its name (protocol 1).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NewType, Self

from p2pfw.core.canonical import MAX_COUNTER, MAX_TIME, pack, unpack
from p2pfw.core.identity import DAY, KEY_BYTES, SIGNATURE_BYTES, NetworkId, NodeId, OwnerId, Signer, verify
from p2pfw.errors import CharterError, MalformedError, NotCanonicalError, SignatureError

CharterHash = NewType("CharterHash", bytes)
"""BLAKE2b-256 of a charter without its signatures, 32 bytes."""

# Changing anything down to _BODY breaks peers.
CONTEXT: Final = "p2pfw/charter/1"
VERSION: Final = 1
MAX_MEMBERS: Final = 128
MAX_SEEDS: Final = 32
MAX_LIFE: Final = 400 * DAY
MAX_BODY: Final = 32_768
TRUST_UNIT: Final = 1_000
HASH_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9])?")
_ADDRESS: Final = re.compile(r"wss?://[\x21-\x7e]{1,120}")
_SHAPE: Final = (int, bytes, bytes, int, bytes, int, int, int, bytes, bytes)
_BODY: Final = (bytes, bytes)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Member:
    """One owner, its name, and the trust (0..1, in thousandths) that members give it unless they say otherwise."""

    owner: OwnerId
    name: str
    trust: int

    def __post_init__(self) -> None:
        if len(self.owner) != KEY_BYTES:
            raise CharterError("a member whose owner key has another length")
        if not _NAME.fullmatch(self.name):
            raise CharterError(f"{self.name[:40]!r} is no name for a member: letters, digits, space . _ -")
        if not 0 <= self.trust <= TRUST_UNIT:
            raise CharterError(f"a trust of {self.trust / TRUST_UNIT} is not within 0..1")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Seed:
    """Where somebody who knows nobody can begin: it introduces, and does not count."""

    node: NodeId
    address: str

    def __post_init__(self) -> None:
        if len(self.node) != KEY_BYTES:
            raise CharterError("a seed whose node key has another length")
        if not _ADDRESS.fullmatch(self.address):
            raise CharterError(f"{self.address[:60]!r} is no address of a seed: ws://host:port or wss://host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """One version. Times in Unix seconds; `previous` is empty in version 1, `founded` in one that founds its id."""

    network: str
    founded: bytes = b""
    """The network's id, where it is not this charter's own hash."""
    number: int = 1
    previous: bytes = b""
    changes_need: int
    created: int
    valid_until: int
    members: tuple[Member, ...]
    seeds: tuple[Seed, ...] = ()
    encoded: bytes = field(init=False, repr=False, compare=False)
    """The canonical bytes, which are what is signed and hashed."""
    hash: CharterHash = field(init=False, repr=False, compare=False)
    """What the next version names as the one before it."""

    def __post_init__(self) -> None:
        self._check_members()
        if not _NAME.fullmatch(self.network):
            raise CharterError(f"{self.network[:40]!r} is no name for a network: letters, digits, space . _ -")
        if not 1 <= self.number <= MAX_COUNTER or (self.number == 1) != (self.previous == b""):
            raise CharterError("version 1 has none before it, and every other one has")
        if len(self.previous) not in (0, HASH_BYTES) or len(self.founded) not in (0, HASH_BYTES):
            raise CharterError("a hash of another length")
        if self.number > 1 and not self.founded:
            raise CharterError("a later version names the network's id")
        if not 0 <= self.created < self.valid_until <= MAX_TIME or self.valid_until - self.created > MAX_LIFE:
            raise CharterError(f"it must end, at most {MAX_LIFE // DAY} days after it was made")
        object.__setattr__(self, "encoded", pack(self._fields()))
        digest = blake2b(b"p2pfw/network/1\0" + self.encoded, digest_size=HASH_BYTES).digest()
        object.__setattr__(self, "hash", CharterHash(digest))

    def _check_members(self) -> None:
        owners = [member.owner for member in self.members]
        if not 1 <= len(owners) <= MAX_MEMBERS or len(self.seeds) > MAX_SEEDS:
            raise CharterError(f"1 to {MAX_MEMBERS} members, and at most {MAX_SEEDS} seeds")
        if len(set(owners)) != len(owners):
            raise CharterError("one owner is a member twice")
        if sorted(owners) != owners or tuple(sorted(set(self.seeds))) != self.seeds:
            raise CharterError("members and seeds in ascending order, each once")
        if len({member.name for member in self.members}) != len(owners):
            raise CharterError("two members of one name")
        if not len(owners) < 2 * self.changes_need <= 2 * len(owners):
            raise CharterError(
                f"changes_need = {self.changes_need} of {len(owners)}: it must be more than half, and no more than all"
            )

    @property
    def network_id(self) -> NetworkId:
        """The id of the network that it governs."""
        return NetworkId(self.founded or self.hash)

    @property
    def owners(self) -> frozenset[OwnerId]:
        """Its members' keys."""
        return frozenset(member.owner for member in self.members)

    def follows(self, before: "Charter") -> bool:
        """True for a next version of `before`, whoever signed it."""
        return (
            self.previous == before.hash
            and self.number == before.number + 1
            and (self.network, self.network_id) == (before.network, before.network_id)
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """From canonical bytes; MalformedError, NotCanonicalError, CharterError."""
        version, network, founded, number, previous, need, created, valid_until, members, seeds = unpack(
            data, _SHAPE, MAX_BODY
        )
        if version != VERSION:
            raise MalformedError(f"a charter in form {version}, of which {VERSION} is known")
        # Flat and canonical, with members and seeds in their one order: what decodes encodes to the same again.
        return cls(
            network=_text(network),
            founded=founded,
            number=number,
            previous=previous,
            changes_need=need,
            created=created,
            valid_until=valid_until,
            members=tuple(_members(members)),
            seeds=tuple(_seeds(seeds)),
        )

    def _fields(self) -> tuple[int | bytes, ...]:
        members = b"".join(member.owner + member.trust.to_bytes(2) + _short(member.name) for member in self.members)
        seeds = b"".join(seed.node + _short(seed.address) for seed in self.seeds)
        return (
            VERSION, self.network.encode(), self.founded, self.number, self.previous, self.changes_need, self.created,
            self.valid_until, members, seeds,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCharter:
    """A charter with the signatures that it has; a proposal while they are too few."""

    charter: Charter
    signatures: Mapping[OwnerId, bytes]

    def __post_init__(self) -> None:
        if len(self.signatures) > MAX_MEMBERS:
            raise CharterError("more signatures than a charter can have members")
        if any(len(one) != KEY_BYTES for one in self.signatures) or any(
            len(one) != SIGNATURE_BYTES for one in self.signatures.values()
        ):
            raise MalformedError("a key or signature of another length")

    def encode(self) -> bytes:
        """The body of an announcement of kind charter."""
        return pack((self.charter.encoded, b"".join(key + self.signatures[key] for key in sorted(self.signatures))))

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """From such a body; MalformedError, NotCanonicalError, CharterError. Does not verify."""
        encoded, joined = unpack(body, _BODY, MAX_BODY)
        step = KEY_BYTES + SIGNATURE_BYTES
        if len(joined) % step:
            raise MalformedError("signatures of another length")
        pairs = [joined[at : at + step] for at in range(0, len(joined), step)]
        keys = [pair[:KEY_BYTES] for pair in pairs]
        if sorted(set(keys)) != keys:
            raise NotCanonicalError("signatures not in strictly ascending order")
        signatures = {OwnerId(pair[:KEY_BYTES]): pair[KEY_BYTES:] for pair in pairs}
        return cls(charter=Charter.decode(encoded), signatures=signatures)

    def check_signatures(self) -> None:
        """SignatureError unless everybody who is said to have signed it did."""
        for owner, signature in self.signatures.items():
            if not verify(owner, CONTEXT, self.charter.encoded, signature):
                raise SignatureError("a charter with a signature that is not its owner's")

    def signed_by(self, signer: Signer) -> "SignedCharter":
        """With one signature more."""
        signature = signer.sign(CONTEXT, self.charter.encoded)
        return SignedCharter(
            charter=self.charter, signatures={**self.signatures, OwnerId(signer.public_key): signature}
        )

    def joined(self, other: "SignedCharter") -> "SignedCharter":
        """With the signatures of another copy of the same charter."""
        return SignedCharter(charter=self.charter, signatures={**other.signatures, **self.signatures})

    def voices(self, among: Charter) -> int:
        """How many members of `among` signed it."""
        return len(among.owners & self.signatures.keys())

    def is_founded(self) -> bool:
        """True where enough of its own members signed it: what an operator may begin with."""
        return self.voices(self.charter) >= self.charter.changes_need

    def is_change_of(self, before: Charter) -> bool:
        """True for a next version that enough members of the version before signed."""
        return self.charter.follows(before) and self.voices(before) >= before.changes_need


def members_of(members: Iterable[Member]) -> tuple[Member, ...]:
    """In the order in which a charter lists them."""
    return tuple(sorted(members))


def _short(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(1) + data


def _text(data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise MalformedError("a name that is no ASCII text") from None


def _members(data: bytes) -> Iterator[Member]:
    at = 0
    while at < len(data):
        head = data[at : at + KEY_BYTES + 2]
        name, at = _read_short(data, at + KEY_BYTES + 2)
        yield Member(owner=OwnerId(head[:KEY_BYTES]), name=name, trust=int.from_bytes(head[KEY_BYTES:]))


def _seeds(data: bytes) -> Iterator[Seed]:
    at = 0
    while at < len(data):
        node = data[at : at + KEY_BYTES]
        address, at = _read_short(data, at + KEY_BYTES)
        yield Seed(node=NodeId(node), address=address)


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    """The text that begins there, and where it ends."""
    if at >= len(data) or at + 1 + data[at] > len(data):
        raise MalformedError("members or seeds that are cut off")
    end = at + 1 + data[at]
    return _text(data[at + 1 : end]), end
