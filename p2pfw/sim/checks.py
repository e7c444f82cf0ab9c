"""The promises, checked at every step: what was taken back is not live, what nobody speaks of is not adopted."""

from itertools import pairwise

from p2pfw.core.announcement import Action, Announcement, AnnouncementId, Kind, records, split_code
from p2pfw.core.charter import CONTEXT
from p2pfw.core.gossip.wants import MAX_OF_PEER
from p2pfw.core.identity import NodeId, OwnerId, verify
from p2pfw.core.prefix import PrefixKey
from p2pfw.sim.machine import Machine
from p2pfw.sim.report import Violation

Order = tuple[int, int]


class Checks:
    """What each node was told, and whether it acts on it."""

    def __init__(self, machines: list[Machine]) -> None:
        self.violations: list[Violation] = []
        self._machines = machines
        self._orders: dict[AnnouncementId, Order] = {}
        self._retracted: list[dict[tuple[NodeId, PrefixKey], Order]] = [{} for _ in machines]
        self._pardoned: list[dict[tuple[OwnerId, PrefixKey], int]] = [{} for _ in machines]

    def recorded(self, machine: Machine, one: Announcement, time: float) -> None:
        """A node took in an announcement: its own, or a peer's."""
        if one.kind == Kind.CHARTER:
            self._check_charter(machine, time)
        if one.kind not in {Kind.ENTRIES, Kind.PARDON}:
            return
        self._orders[one.id] = one.order
        owner = machine.directory.carried_owner(one.origin, machine.wall(time))
        for number, _, _, code in records(one):
            key = PrefixKey(number)
            action = split_code(code)[0]
            if action is Action.RETRACT:
                told = self._retracted[machine.index]
                told[one.origin, key] = max(one.order, told.get((one.origin, key), (0, 0)))
            elif action is Action.PARDON and owner is not None:
                pardoned = self._pardoned[machine.index]
                pardoned[owner, key] = max(one.created, pardoned.get((owner, key), 0))
            self._check(machine, key, time)

    def _check_charter(self, machine: Machine, time: float) -> None:
        """Every version that was applied is signed by enough members of the version before, counted anew."""
        charters = machine.membership.charters
        chain = charters.chain if charters is not None else []
        for before, signed in pairwise(chain):
            encoded, owners = signed.charter.encoded, {member.owner for member in before.charter.members}
            good = [one for one in owners & signed.signatures.keys() if _signed(one, encoded, signed.signatures[one])]
            if len(good) < before.charter.changes_need:
                self.broken(machine, time, "charter", f"version {signed.charter.number} with {len(good)} signatures")

    def bounded(self, machine: Machine, time: float) -> None:
        """What may grow has not grown over its bounds."""
        for peer in machine.gossip.peers():
            if peer.wanted > MAX_OF_PEER:
                self.broken(machine, time, "bounded", f"{peer.wanted} wanted of one peer")

    def broken(self, machine: Machine, time: float, rule: str, detail: str) -> None:
        """Remember a broken promise."""
        self.violations.append(Violation(at=time, node=machine.index, rule=rule, detail=detail))

    def _check(self, machine: Machine, key: PrefixKey, time: float) -> None:
        live = machine.ledger.statements(key, machine.wall(time))
        for statement in live:
            if statement.origin is None or statement.announcement is None:
                continue
            retracted = self._retracted[machine.index].get((statement.origin, key), (-1, -1))
            if statement.action is Action.BLOCK and self._orders[statement.announcement] < retracted:
                self.broken(machine, time, "retract safety", f"{key:x} is live after it was retracted")
            owner = statement.owner
            pardoned = -1 if owner is None else self._pardoned[machine.index].get((owner, key), -1)
            if statement.action is Action.BLOCK and statement.stated <= pardoned:
                self.broken(machine, time, "pardon safety", f"{key:x} is live after it was pardoned")
        if not live and machine.adoption.until(key) is not None:
            self.broken(machine, time, "reasons", f"{key:x} is adopted and nobody speaks of it")


def _signed(owner: OwnerId, encoded: bytes, signature: bytes) -> bool:
    return verify(owner, CONTEXT, encoded, signature)
