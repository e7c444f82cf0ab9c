"""How much address space a node of the own fleet may block: one stolen node must not blackhole the rest.

Sums only, in hosts (a /64 is one host of IPv6). What is over a budget is held by adoption, which says whose it is.
"""

from collections.abc import Iterable
from typing import Final

from p2pfw.core.identity import NodeId
from p2pfw.core.prefix import key_width

NODE_BUDGET: Final = 1 << 24
FLEET_BUDGET: Final = 1 << 26


class FleetBudget:
    """What each node has used, and all of them together. Nodes are numbered from 1, so that a table can hold them."""

    def __init__(self) -> None:
        self._numbers: dict[NodeId, int] = {}
        self._nodes: list[NodeId] = []
        self._used: list[int] = [0]
        self._total = 0

    def number(self, node: NodeId) -> int:
        """The number of a node; it gets one when it has none."""
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self._used)
            self._nodes.append(node)
            self._used.append(0)
        return number

    def node(self, number: int) -> NodeId:
        """The node with that number."""
        return self._nodes[number - 1]

    def used(self, node: NodeId) -> int:
        """Hosts that are adopted on this node's word."""
        return self._used[self._numbers.get(node, 0)] if node in self._numbers else 0

    def payer(self, key: int, nodes: Iterable[NodeId], charged: int) -> int:
        """The number of a node that can answer for this prefix, rather the one that does already; 0: none can."""
        numbers = [self._numbers.get(node) or self.number(node) for node in nodes]
        if charged in numbers:
            return charged
        size = 1 << key_width(key)
        if self._total + size > FLEET_BUDGET:
            return 0
        return next((number for number in numbers if self._used[number] + size <= NODE_BUDGET), 0)

    def charge(self, key: int, number: int) -> None:
        """This node answers for this prefix from now on."""
        size = 1 << key_width(key)
        self._used[number] += size
        self._total += size

    def refund(self, key: int, number: int) -> None:
        """It does no more."""
        size = 1 << key_width(key)
        self._used[number] -= size
        self._total -= size
