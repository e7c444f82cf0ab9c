"""What is wanted of the kernel: whether to enforce, for how long on trial, and which prefixes.

Values and one port; who follows them is enforcing, who decides them are mode and adoption.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class Mode(Enum):
    """observe: all is decided and shown, nothing is dropped. enforce: the kernel follows."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A commit-confirm that runs: enforcement ends at `reverts_at` (Unix seconds) unless confirmed."""

    reverts_at: float
    reverts_to: Mode


class Wanted(Protocol):
    """What the kernel is to hold: the adopted prefixes with the ends of their leases."""

    def until(self, key: int) -> int | None:
        """End of the lease in Unix seconds, 0 for no end, None when it is not adopted."""
        ...

    def adopted(self) -> Iterator[tuple[int, int]]:
        """(key, until) of all that is adopted; the set may change while it is walked."""
        ...

    def score(self, key: int, now: float) -> float:
        """How much speaks for blocking it; what the operator or his fleet said comes before all."""
        ...

    def families(self) -> tuple[int, int]:
        """How many adopted prefixes there are of IPv4 and of IPv6."""
        ...
