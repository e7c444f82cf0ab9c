"""This node's own blocks, for whoever lists them as rules: announced or waiting to be, standing, local. Reads only."""

from p2pfw.app.announcing import Announcing
from p2pfw.app.kit import Kit
from p2pfw.app.pace import Pace
from p2pfw.core.announcement import Action
from p2pfw.core.statement import Source
from p2pfw.errors import FirewallError
from p2pfw.operations import OwnBlock


class OwnBlocks:
    """What the operator of this node has blocked, whatever others say about it."""

    def __init__(self, kit: Kit, announcing: Announcing) -> None:
        self._domain, self._enforcing, self._clock, self._announcing = kit.domain, kit.enforcing, kit.clock, announcing

    async def listing(self) -> list[OwnBlock]:
        """See operations.Operations.own_blocks."""
        pace, now = Pace(self._clock), self._domain.now()
        meant = (self._domain.standing, self._announcing.waiting, dict(self._domain.local.entries(Source.OPERATOR)))
        keys = {key for book in meant for key, one in book.items() if not 0 < one.until <= now}
        for key, said in self._domain.own_statements():
            if said.action is Action.BLOCK and not said.repeats:
                keys.add(key)
            await pace.step()
        tallies = await self._tallies()
        found = []
        for key in sorted(keys):
            packets, octets = tallies.get(key, (0, 0))
            found.append(OwnBlock(key=key, packets=packets, bytes=octets, installed=self._enforcing.holds(key)))
            await pace.step()
        return found

    async def _tallies(self) -> dict[int, tuple[int, int]]:
        """What the kernel counted; nothing where it cannot be read, which is told elsewhere."""
        try:
            return await self._enforcing.tallies()
        except FirewallError:
            return {}
