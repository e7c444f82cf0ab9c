"""This node as others may find it, and its fleet: addresses, names, serials. Implements joining.Household."""

from collections.abc import Callable
from typing import Final

from p2pfw.app.joining import Ourselves
from p2pfw.app.kit import Kit
from p2pfw.app.owning import Owning
from p2pfw.app.peerbook import PeerBook
from p2pfw.config import Config
from p2pfw.core.prefix import key_text
from p2pfw.core.wire import JoinNode
from p2pfw.ports import Machine
from p2pfw.rows import PeerRow

MOST_NODES: Final = 64
"""Fleet nodes told to a joiner; the others it learns by gossip."""
MOST_ADDRESSES: Final = 4
WILDCARDS: Final = ("0.0.0.0", "::", "")  # noqa: S104  # compared with, never listened on


class Household:
    """Who lives here."""

    def __init__(
        self, me: Ourselves, config: Config, kit: Kit, book: PeerBook, owning: Owning, machine: Machine
    ) -> None:
        self._me, self._config, self._domain, self._book = me, config, kit.domain, book
        self._owning, self._machine = owning, machine
        self.bound = ""
        self.on_peers: Callable[[], None] | None = None

    def addresses(self) -> tuple[str, ...]:
        """Where this node can be dialled: what the operator advertises, else what it listens on."""
        if self._config.listen.advertise:
            return tuple(self._config.listen.advertise)[:MOST_ADDRESSES]
        host, _, port = self.bound.rpartition(":")
        if not port:
            return ()
        if host.strip("[]") not in WILDCARDS:
            return (f"ws://{self.bound}",)
        own = [key_text(found.key).partition("/")[0] for found in self._machine.hard()]
        usable = [address for address in own if not address.startswith(("127.", "fe80:")) and address != "::1"]
        return tuple(f"ws://{_bracketed(address)}:{port}" for address in usable[:MOST_ADDRESSES])

    def fleet_nodes(self) -> list[JoinNode]:
        """This owner's nodes with names and addresses, this one first."""
        here = JoinNode(node=self._me.node, name=self._config.node.name, addresses=self.addresses())
        owners = [(named, self._book.owner_for(named)) for named in self._book.all()]
        others = [
            JoinNode(node=named.id, name=named.name, addresses=named.addresses)
            for named, owner in owners
            if owner == self._me.owner and named.id != self._me.node and not named.distrusted
        ]
        return [here, *sorted(others, key=lambda node: node.name)][:MOST_NODES]

    def charter(self) -> bytes:
        """See joining.Household."""
        charters = self._domain.membership.charters
        return charters.current.encode() if charters is not None else b""

    def next_serial(self) -> int:
        """Above every serial that this owner is known to have given."""
        return self._owning.next_serial()

    def peer_joined(self, row: PeerRow) -> None:
        """An invited peer's row was kept."""
        self._book.put(row)
        if self.on_peers is not None:
            self.on_peers()


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
