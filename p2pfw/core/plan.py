"""What one entry of the kernel should be: the step from what is adopted to what is installed, entry by entry.

Looks at state only, so any cause will do: expiry, an edit, a foreign command, a trial that runs. Nothing in the kernel
is without an end, also where a block has none: a node that is gone leaves nothing that does not expire (promise 1).
Knows nothing of sets, rules or programs; who walks through the entries is enforcing.
"""

from typing import Final

MOST_TIMEOUT: Final = 2_147_483
"""Seconds (24.8 days): the kernel takes no longer timeout. What ends later, or never, gets this and is renewed."""
RENEW_BEFORE: Final = 86_400
"""Seconds by which such an entry may lag before it is renewed; else every audit would write all of them again."""
TOLERANCE: Final = 3
"""Seconds by which the kernel's end may differ: its timeouts are whole seconds, read a moment later."""


def kernel_end(until: int | None, now: float, *, cut: float = 0.0) -> int | None:
    """The end that an entry gets, Unix seconds; None: it must not be there.

    `until`: end of the lease, 0 for none, None when it is not adopted. `cut`: no entry outlives this second (a trial);
    0: no such limit.
    """
    if until is None or 0 < until <= now:
        return None
    latest = int(now) + MOST_TIMEOUT
    return min(until or latest, latest, int(cut) if cut else latest)


def is_right(wanted: int, installed: int, now: float) -> bool:
    """True when an entry that ends at `installed` (0: never) may stay, where `kernel_end` says `wanted`."""
    if not installed or installed > wanted + TOLERANCE:
        return False
    is_longest = wanted >= int(now) + MOST_TIMEOUT
    return installed >= wanted - (RENEW_BEFORE if is_longest else TOLERANCE)
