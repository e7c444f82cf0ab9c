"""Every error that p2pfw raises on purpose, by whose fault it is.

    P2pfwError
    ├── PeerError             theirs: drop it, count it by `reason`, end the session where `blame` is true
    │   ├── MalformedError          bytes that are not what they claim to be
    │   ├── NotCanonicalError       bytes that our encoder would not have produced
    │   ├── WrongNetworkError       made for another network
    │   ├── FutureError             dated more than two minutes ahead of our clock
    │   ├── ExpiredError            its time has passed
    │   ├── LifetimeError           lives longer than the protocol allows
    │   ├── SignatureError          the signature does not fit the signed bytes
    │   ├── BodyHashError           the body is not the one that the header names
    │   ├── CertificateError        a certificate, revocation or vouch that does not count
    │   ├── CharterError            a charter that cannot hold
    │   ├── RevokedError            a key that its owner revoked
    │   ├── NotCarriedError         an origin whose owner this node does not carry
    │   ├── ShareError              an owner's share of the store is used up
    │   ├── HandshakeError          the handshake did not prove who is speaking
    │   ├── AdmissionError          proven, and still not let in
    │   ├── FrameError              a frame that breaks the session's rules
    │   └── LimitError              more than the stated limit
    ├── NodeError             ours: tell the operator, show it in the state, retry
    │   ├── ConfigError             the configuration (names file, line, nearest right name)
    │   ├── KeyFileError            a key file that must not be used as it is
    │   ├── AlreadyRunningError     another process holds this state directory
    │   ├── ListenError             an address that cannot be listened on
    │   ├── StoreError              the disk
    │   │   └── DiskFullError
    │   ├── FeedError               a list that could not be fetched
    │   ├── DeliveryError           the webhook that could not be reached
    │   └── FirewallError           the kernel did not do what was asked
    │       ├── MissingProgramError (names the Debian package)
    │       └── PrivilegeError      no right to change the firewall
    └── InputError            the caller's: names the field, what is wrong, what would be right
        ├── ConflictError           whitelist or protection forbids it (names the range)
        ├── NotAcceptableError      well-formed, but against policy
        └── NotFoundError           there is no such thing

An expected outcome (known already, held, refused by policy) is a value, never an error.
"""

from typing import ClassVar


class P2pfwError(Exception):
    """Root of the tree; never raised itself."""


class PeerError(P2pfwError):
    """Somebody else's fault. `reason` is the stable word it is counted by; `blame`: the sender answers for it."""

    reason: ClassVar[str] = "peer"
    blame: ClassVar[bool] = True


class MalformedError(PeerError):
    """Bytes that are not what they claim to be."""

    reason = "malformed"


class NotCanonicalError(PeerError):
    """Bytes that decode, but that our own encoder would not have produced."""

    reason = "not-canonical"


class WrongNetworkError(PeerError):
    """Made for another network."""

    reason = "wrong-network"


class FutureError(PeerError):
    """Dated further ahead than clocks may differ. Not the relay's fault: clocks differ."""

    reason = "future"
    blame = False


class ExpiredError(PeerError):
    """Its time has passed. Not the relay's fault: it may have lived when it was sent."""

    reason = "expired"
    blame = False


class LifetimeError(PeerError):
    """Lives longer than the protocol allows."""

    reason = "lifetime-too-long"


class SignatureError(PeerError):
    """The signature does not fit the signed bytes."""

    reason = "bad-signature"


class BodyHashError(PeerError):
    """The body is not the one that the signed header names."""

    reason = "body-hash"


class CertificateError(PeerError):
    """A certificate (revocation, vouch) that does not count: expired, for another key, without consent."""

    reason = "bad-certificate"


class CharterError(PeerError):
    """A charter that no network can have: too few signatures, too few for a change, names that are none."""

    reason = "bad-charter"


class RevokedError(PeerError):
    """A key that its owner revoked. A relay may not know yet."""

    reason = "revoked"
    blame = False


class NotCarriedError(PeerError):
    """An origin whose owner this node does not carry."""

    reason = "not-carried"
    blame = False

    def __init__(self, message: str = "", origin: bytes = b"") -> None:
        super().__init__(message)
        self.origin = origin


class ShareError(PeerError):
    """An owner's share of the store is used up."""

    reason = "share"
    blame = False


class HandshakeError(PeerError):
    """The handshake did not prove who is speaking; `code` says at which point."""

    reason = "handshake"

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code


class AdmissionError(PeerError):
    """Identity proven, and still not let in; `code` says why."""

    reason = "not-admitted"

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code


class FrameError(PeerError):
    """A frame that breaks the rules of the session."""

    reason = "bad-frame"


class LimitError(PeerError):
    """More than the stated limit."""

    reason = "limit"


class NodeError(P2pfwError):
    """Ours. Shown to the operator as state, and retried where that can help."""


class ConfigError(NodeError):
    """The configuration cannot be used. `where` is "file:line" as far as known; `more`: what else is wrong with it."""

    def __init__(self, problem: str, *, where: str = "", hint: str = "", more: "tuple[ConfigError, ...]" = ()) -> None:
        text = ": ".join(part for part in (where, problem) if part) + (f" ({hint})" if hint else "")
        super().__init__("\n".join((text, *map(str, more))))
        self.problem, self.where, self.hint, self.more = problem, where, hint, more


class KeyFileError(NodeError):
    """A key file that must not be used as it is."""


class AlreadyRunningError(NodeError):
    """Another process holds this state directory."""


class ListenError(NodeError):
    """An address that cannot be listened on."""


class StoreError(NodeError):
    """The disk did not keep what it was given."""


class DiskFullError(StoreError):
    """No room left. Enforcement goes on; nothing new is acknowledged."""


class FeedError(NodeError):
    """A list that could not be fetched; the text is for the operator. `retry_after`: seconds its publisher asks for.

    What a publisher wrote may be in it, so nothing that acts on a terminal stays in it.
    """

    def __init__(self, problem: str, *, hint: str = "", retry_after: int = 0) -> None:
        super().__init__(_harmless(problem))
        self.hint, self.retry_after = hint, retry_after


class DeliveryError(NodeError):
    """The webhook could not be reached; the text is for the operator, and as harmless as a FeedError's."""

    def __init__(self, problem: str) -> None:
        super().__init__(_harmless(problem))


class FirewallError(NodeError):
    """The kernel did not do what was asked; the text is for the operator."""


class MissingProgramError(FirewallError):
    """A program is not installed."""

    def __init__(self, program: str, package: str) -> None:
        super().__init__(f"{program} is not installed; Debian package: {package}")
        self.program, self.package = program, package


class PrivilegeError(FirewallError):
    """No right to change the firewall (CAP_NET_ADMIN and CAP_NET_RAW are needed)."""


class InputError(P2pfwError):
    """The caller's. `field` names what is wrong; `hint` says what would be right."""

    def __init__(self, problem: str, *, field: str = "", hint: str = "") -> None:
        super().__init__(problem + (f"; {hint}" if hint else ""))
        self.problem, self.field, self.hint = problem, field, hint


class ConflictError(InputError):
    """Whitelist or protection forbids it. `overlap` is the range in the way."""

    def __init__(self, problem: str, *, overlap: str, field: str = "prefix", hint: str = "") -> None:
        super().__init__(problem, field=field, hint=hint)
        self.overlap = overlap


class NotAcceptableError(InputError):
    """Well-formed, but against policy."""


class NotFoundError(InputError):
    """There is no such thing."""


def _harmless(text: str) -> str:
    """Without what acts on a terminal."""
    return "".join(char if char.isprintable() else "?" for char in text)
