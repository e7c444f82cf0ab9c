"""What is ours in the kernel: the names of our sets, and the comment of our rules.

`ipset flush` and `ipset destroy` without a name hit every set of the host, so a set name cannot be empty here by
construction: it is built from a checked prefix and two enums, nowhere else. Two instances with different prefixes
share no name (enforcement 9).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from p2pfw.core.localrule import Chain
from p2pfw.core.prefix import Family
from p2pfw.errors import ConfigError

MAX_PREFIX: Final = 20
"""ipset takes names of at most 31 characters; "-block4-new" is eleven."""
_PREFIX: Final = re.compile(rf"[a-z0-9-]{{1,{MAX_PREFIX}}}")
_SIBLING: Final = re.compile(rf"p2pfw:[a-z0-9-]{{1,{MAX_PREFIX}}}(?::local)?")
COMMENT_TAG: Final = "p2pfw:"
"""How the comment of every rule begins that any instance made."""


class Role(Enum):
    """What the members of a set are to the rule. The allow sets come first: they are always written first."""

    ALLOW = "allow"
    BLOCK = "block"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One of the four places for a set: its role and family."""

    role: Role
    family: Family

    def __str__(self) -> str:
        return f"{self.role.value}{self.family.value}"


SLOTS: Final = tuple(Slot(role=role, family=family) for role in Role for family in Family)
"""All four, the allow sets first."""


@dataclass(frozen=True, slots=True)
class SetNames:
    """Names under one `set_prefix`; ConfigError when it is not 1..20 of a-z, 0-9 and "-", or begins with "-"."""

    prefix: str

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix) or self.prefix.startswith("-"):
            raise ConfigError(
                f"set_prefix {self.prefix!r} cannot name a set",
                hint=f"1 to {MAX_PREFIX} of a-z, 0-9 and -, not beginning with -",
            )

    def live(self, slot: Slot) -> str:
        """The set that the rule names, like "p2pfw-block4"."""
        return f"{self.prefix}-{slot}"

    def fresh(self, slot: Slot) -> str:
        """The set that is filled aside, to be swapped with the live one; left over only when we were killed."""
        return f"{self.prefix}-{slot}-new"

    def all_fresh(self) -> Iterator[str]:
        """Every temporary name."""
        return map(self.fresh, SLOTS)

    @property
    def comment(self) -> str:
        """The comment that makes a rule ours."""
        return COMMENT_TAG + self.prefix

    @property
    def local_comment(self) -> str:
        """The comment of the jumps to our chains of local rules."""
        return f"{self.comment}:local"

    def chain(self, chain: Chain) -> str:
        """Our chain for local rules of that direction, like "p2pfw-input"; iptables takes 28 characters."""
        return f"{self.prefix}-{chain.value.lower()}"

    def is_sibling(self, comment: str) -> bool:
        """True for what may stand above our rule: another instance's (two would fight for ever), and our own jumps."""
        return comment != self.comment and _SIBLING.fullmatch(comment) is not None
