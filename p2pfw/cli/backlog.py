"""What a stream still has to say, and what it said lately. Both bounded; neither knows a node or a clock."""

from collections import OrderedDict
from itertools import islice
from typing import Final

from p2pfw.cli.orders import Order, Verb

MOST_WAITING: Final = 65_536
"""Prefixes that wait for the node; from then on nothing more is read, and whoever writes waits."""
MOST_KNOWN: Final = 65_536
"""Prefixes of which it is remembered when they were sent."""


class Backlog:
    """Orders in the order of their lines; a later one about the same prefix takes the place of the earlier."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()

    def __len__(self) -> int:
        return len(self._orders)

    @property
    def is_full(self) -> bool:
        """True when nothing more may be read."""
        return len(self._orders) >= MOST_WAITING

    def put(self, order: Order) -> None:
        """At the end, unless the same is asked for already."""
        known = self._orders.get(order.prefix)
        if known is None or order.verb not in (known.verb, Verb.RENEW):
            self._orders[order.prefix] = order
            self._orders.move_to_end(order.prefix)

    def prefixes(self) -> list[str]:
        """All that something is asked about."""
        return list(self._orders)

    def first(self, most: int) -> list[Order]:
        """The oldest orders that ask for the same; they stay until `done`."""
        found: list[Order] = []
        for order in islice(self._orders.values(), most):
            if found and order.verb is not found[0].verb:
                break
            found.append(order)
        return found

    def done(self, order: Order) -> None:
        """It was carried out, or refused."""
        self._orders.pop(order.prefix, None)


class Sent:
    """When each prefix was sent last, the longest ago first."""

    def __init__(self) -> None:
        self._at: OrderedDict[str, float] = OrderedDict()

    def put(self, prefix: str, now: float) -> None:
        """Just now."""
        self._at[prefix] = now
        self._at.move_to_end(prefix)
        if len(self._at) > MOST_KNOWN:
            self._at.popitem(last=False)

    def forget(self, prefix: str) -> None:
        """It was released."""
        self._at.pop(prefix, None)

    def since(self, prefix: str, then: float) -> bool:
        """True when it was sent at `then` or later."""
        at = self._at.get(prefix)
        return at is not None and at >= then

    def before(self, then: float) -> list[str]:
        """Those that were sent earlier than that, and not since."""
        found = []
        for prefix, at in self._at.items():
            if at >= then:
                break
            found.append(prefix)
        return found

    def oldest(self) -> float | None:
        """When the one was sent that was sent the longest ago."""
        return next(iter(self._at.values()), None)

    def all(self) -> list[str]:
        """Every prefix that is remembered."""
        return list(self._at)
