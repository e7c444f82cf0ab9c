"""The fewest prefixes that hold exactly the same addresses: for those who read our lists and have small tables.

Sorted keys need one pass: a prefix inside the one before it goes, and two halves become the whole, as often as that is
possible. Loses what belongs to single prefixes (expiry, reason); it is for rendering only.
"""

from collections.abc import Iterable
from typing import Final

from p2pfw.core.prefix import PrefixKey

_V6_FROM: Final = 1 << 136
# By length: the address bit in a key that tells the two halves apart (length 0 has none), and the host bits.
_HALF: Final = (
    (0, *(1 << 32 - length + 8 for length in range(1, 33))),
    (0, *(1 << 128 - length + 8 for length in range(1, 129))),
)
_HOSTS: Final = (
    tuple((1 << 32 - length) - 1 for length in range(33)),
    tuple((1 << 128 - length) - 1 for length in range(129)),
)


def aggregate(keys: Iterable[int]) -> list[PrefixKey]:
    """Sorted, disjoint, and no two of them halves of one prefix; the same addresses as `keys`, in any order."""
    merged: list[int] = []
    last = -1
    for key in sorted(keys):
        # Addresses of both families lie on one line here: the family bit stands above them.
        if key >> 8 <= last:
            continue
        is_v6 = key >= _V6_FROM
        merged.append(key)
        _merge_halves(merged, _HALF[is_v6])
        last = key >> 8 | _HOSTS[is_v6][key & 0xFF]
    return [PrefixKey(key) for key in merged]


def _merge_halves(merged: list[int], half: tuple[int, ...]) -> None:
    """While the last two are the halves of one prefix, put that in their place."""
    while len(merged) > 1:
        bit = half[merged[-1] & 0xFF]
        if not bit or merged[-2] ^ bit != merged[-1]:
            return
        merged.pop()
        merged[-1] -= 1
