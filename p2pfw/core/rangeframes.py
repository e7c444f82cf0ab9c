"""R_OPEN, R_MSG, R_DONE: the frames of a reconciliation (protocol 3, 5). See frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final

from p2pfw.core.fields import blob, blobs, need, number
from p2pfw.core.frames import ID_BYTES, MAX_IDS, MAX_MS
from p2pfw.core.identity import KEY_BYTES

# Changing any of these breaks peers.
BOUND_BYTES: Final = 24
"""The upper end of a range, exclusive: a beginning of created (ms, 8 bytes big-endian) + 16 bytes of id."""
SALT_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 16
MAX_RANGES: Final = 2_000
MAX_SCOPE_OWNERS: Final = 500


class RangeMode(IntEnum):
    """What is said of one range (protocol 5)."""

    SKIP = 0
    """Nothing to say."""
    FINGERPRINT = 1
    """The keyed hash of what I hold here."""
    LIST = 2
    """All ids that I hold here; tell me what I lack."""
    LACK = 3
    """Ids that I hold here and you do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """From the end of the range before (or the beginning of time) up to `upper`, exclusive."""

    upper: bytes
    mode: int
    data: bytes = b""

    def __post_init__(self) -> None:
        blob("upper", self.upper, 1, BOUND_BYTES)
        number("mode", self.mode, RangeMode.LACK)
        blob("data", self.data, 0, MAX_IDS * ID_BYTES)
        match self.mode:
            case RangeMode.SKIP:
                need(not self.data, "data in a skipped range")
            case RangeMode.FINGERPRINT:
                need(len(self.data) == FINGERPRINT_BYTES, "fingerprint")
            case _:
                need(len(self.data) % ID_BYTES == 0, "ids")

    @property
    def ids(self) -> list[bytes]:
        """The ids that `data` holds in the modes LIST and LACK."""
        return [self.data[at : at + ID_BYTES] for at in range(0, len(self.data), ID_BYTES)]


def _ranges(ranges: Sequence[Range]) -> None:
    need(len(ranges) <= MAX_RANGES, "too many ranges")
    need(all(ranges[at].upper < ranges[at + 1].upper for at in range(len(ranges) - 1)), "ranges out of order")


class Scope(IntEnum):
    """Which announcements a reconciliation is about."""

    AUTHORITY = 0
    """Certificates and revocations: they go first."""
    STATEMENTS = 1
    """All the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ROpen:
    """Begin a reconciliation of what is live at `t0_ms`, of `owners` (none named: all that both carry).

    The token is odd when the session's dialler opens, else even. `more`: the round goes on in the next R_MSG.
    """

    KIND: ClassVar = 14
    token: int
    scope: int
    t0_ms: int
    salt: bytes
    owners: tuple[bytes, ...]
    more: bool
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        number("token", self.token)
        number("scope", self.scope, Scope.STATEMENTS)
        number("t0", self.t0_ms, MAX_MS)
        blob("salt", self.salt, SALT_BYTES, SALT_BYTES)
        blobs("owners", self.owners, KEY_BYTES, MAX_SCOPE_OWNERS)
        need(type(self.more) is bool, "more")
        _ranges(self.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class RMsg:
    """The next round of a reconciliation, or a part of it."""

    KIND: ClassVar = 15
    token: int
    more: bool
    ranges: tuple[Range, ...]

    def __post_init__(self) -> None:
        number("token", self.token)
        need(type(self.more) is bool, "more")
        _ranges(self.ranges)


class DoneCode(IntEnum):
    """How a reconciliation ended."""

    EQUAL = 0
    """All differences are known to both."""
    LIMIT = 1
    """Too many rounds or differences: open another one later."""
    REFUSED = 2
    """Not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RDone:
    """The reconciliation is over."""

    KIND: ClassVar = 16
    token: int
    code: int

    def __post_init__(self) -> None:
        number("token", self.token)
        number("code", self.code, 255)
