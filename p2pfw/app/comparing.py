"""The full comparison of what the kernel holds with what it should hold, entry by entry. Changes nothing.

Gives way to the loop: a million entries take seconds. What changes meanwhile is known to the caller, and not wrong.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from p2pfw.app.pace import Pace
from p2pfw.core.plan import TOLERANCE, is_right
from p2pfw.core.prefix import is_v6
from p2pfw.ports import Clock


@dataclass(slots=True)
class Differences:
    """What is to be done."""

    keys: set[int] = field(default_factory=set)
    wrong: int = 0
    """How many of these nobody knew of."""
    installed: tuple[int, int] = (0, 0)
    """How many entries of IPv4 and of IPv6 there are."""


async def differences(
    installed: dict[int, int],
    adopted: Iterable[tuple[int, int]],
    end: Callable[[int], int | None],
    is_known: Callable[[int], bool],
    clock: Clock,
) -> Differences:
    """Entries that should not be there, or not as they are, or that should be there and are not.

    `end`: how an entry should be (core.plan). `is_known`: on its way already, or known not to go in. `installed` is
    used up: a million entries that are let go at once are a stall of their own.
    """
    found, pace = Differences(), Pace(clock)
    six = 0
    for key, until in installed.items():
        six += is_v6(key)
        wanted = end(key)
        if wanted is None or not is_right(wanted, until, clock.now()):
            ends_now = 0 < until <= clock.now() + TOLERANCE
            found.wrong += not ends_now and not is_known(key)
            found.keys.add(key)
        await pace.step()
    for key, _ in adopted:
        if key not in installed and not is_known(key) and end(key) is not None:
            found.wrong += 1
            found.keys.add(key)
        await pace.step()
    found.installed = len(installed) - six, six
    while installed:
        installed.popitem()
        await pace.step()
    return found


async def ends_of(
    keys: Iterable[int], end: Callable[[int], int | None], clock: Clock
) -> tuple[dict[int, int], list[int]]:
    """What these are to be in the kernel: there until then; or gone. Lets the loop turn meanwhile."""
    pace, there, gone = Pace(clock), dict[int, int](), list[int]()
    for key in keys:
        until = end(key)
        if until is None:
            gone.append(key)
        else:
            there[key] = until
        await pace.step()
    return there, gone
