"""JOIN: what an invited node asks of the inviting one, and is told (protocol 3, 7). See frames."""

from dataclasses import dataclass
from typing import ClassVar, Final

from p2pfw.core.fields import CODE, NAME, addresses, blob, need, share, text
from p2pfw.core.identity import KEY_BYTES, MAX_CERTIFICATE_BYTES

# Changing any of these breaks peers.
MAX_NODES: Final = 512
MAX_CHARTER_BYTES: Final = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinNode:
    """One node of the inviter's fleet."""

    node: bytes
    name: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        blob("node", self.node, KEY_BYTES, KEY_BYTES)
        text("node name", self.name, NAME)
        addresses(self.addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """From who was invited; its node id is the session's. `trust`: what a guest gives the inviter's owner (0..1)."""

    KIND: ClassVar = 12
    FORM: ClassVar = 0
    guest: bool
    name: str
    addresses: tuple[str, ...]
    owner: bytes = b""
    owner_name: str = ""
    trust: float = 0.0

    def __post_init__(self) -> None:
        need(type(self.guest) is bool, "guest")
        text("name", self.name, NAME)
        addresses(self.addresses)
        need(self.owner == b"" or len(self.owner) == KEY_BYTES, "owner")
        blob("owner", self.owner, 0, KEY_BYTES)
        text("owner name", self.owner_name, NAME)
        share("trust", self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinAnswer:
    """From the inviter. `certificate` is empty for a guest, `trust` what the inviter gives the guest's owner."""

    KIND: ClassVar = 12
    FORM: ClassVar = 1
    certificate: bytes
    owner: bytes
    owner_name: str
    network: str
    nodes: tuple[JoinNode, ...]
    charter: bytes = b""
    trust: float = 0.0

    def __post_init__(self) -> None:
        blob("certificate", self.certificate, 0, MAX_CERTIFICATE_BYTES)
        blob("owner", self.owner, KEY_BYTES, KEY_BYTES)
        text("owner name", self.owner_name, NAME)
        text("network", self.network, NAME)
        need(len(self.nodes) <= MAX_NODES, "too many nodes")
        blob("charter", self.charter, 0, MAX_CHARTER_BYTES)
        share("trust", self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRefusal:
    """From the inviter: no, and a code that says why ("used", "expired", "unknown", "no-owner-key")."""

    KIND: ClassVar = 12
    FORM: ClassVar = 2
    code: str

    def __post_init__(self) -> None:
        text("code", self.code, CODE)
