"""The charter of a simulated network: versions by the names that a scenario gives them, and who holds which."""

from collections.abc import Sequence

from p2pfw.core.charter import Charter, Member, SignedCharter, members_of
from p2pfw.core.identity import DAY, OwnerId, network_id
from p2pfw.sim.machine import START, Machine
from p2pfw.sim.scenario import Sign

NETWORK = "simulated"


class Versions:
    """Every version that the scenario has named so far; "" is the first."""

    def __init__(self, machines: Sequence[Machine], need: int) -> None:
        self._machines = machines
        self._made: dict[str, Charter] = {}
        self._first: dict[str, bytes] = {}
        if not need:
            return
        self._made[""] = first = Charter(
            network=NETWORK,
            founded=network_id(NETWORK),
            changes_need=need,
            created=START - DAY,
            valid_until=START + 300 * DAY,
            members=self._members([machine.owner for machine in machines]),
        )
        root = SignedCharter(charter=first, signatures={})
        for machine in {one.owner: one for one in machines}.values():
            root = root.signed_by(machine.owner_key)
        self._first[""] = root.encode()
        for machine in machines:
            machine.membership.begin(root, (), (), START)

    def sign(self, action: Sign) -> bytes:
        """The version with this node's owner's signature, and those that the node knows."""
        machine = self._machines[action.node]
        charter = self._made.get(action.version) or self._make(action)
        charters = machine.membership.charters
        known = charters.get(charter.hash) if charters is not None else None
        signed = (known or SignedCharter(charter=charter, signatures={})).signed_by(machine.owner_key)
        self._first.setdefault(action.version, signed.encode())
        return signed.encode()

    def first(self, version: str) -> bytes:
        """A version as it was first announced."""
        return self._first[version]

    def holding(self, machines: Sequence[Machine]) -> dict[int, tuple[int, str]]:
        """Number and name of what holds at each."""
        names = {charter.hash: name for name, charter in self._made.items()}
        found = {}
        for machine in machines:
            if machine.membership.charters is not None:
                current = machine.membership.charters.current.charter
                found[machine.index] = current.number, names[current.hash]
        return found

    def _make(self, action: Sign) -> Charter:
        before = self._made[action.after]
        owners = [self._machines[node].owner for node in action.members]
        self._made[action.version] = made = Charter(
            network=before.network,
            founded=before.network_id,
            number=before.number + 1,
            previous=before.hash,
            changes_need=len(set(owners)) // 2 + 1,
            created=START + len(self._made),
            valid_until=before.valid_until,
            members=self._members(owners),
        )
        return made

    def _members(self, owners: Sequence[OwnerId]) -> tuple[Member, ...]:
        return members_of(Member(owner=owner, name=owner.hex()[:12], trust=250) for owner in set(owners))
