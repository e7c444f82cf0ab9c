"""What metrics say, taken from whoever counts it: asked for by a scrape, so nothing is kept here.

Bounded whoever connects: names of peers are labels, and there are at most MOST_PEERS of them. No address is a label.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from p2pfw.app.feeding import Feeding
from p2pfw.app.kit import Kit
from p2pfw.app.peering import Peering
from p2pfw.app.peers import PeerDesk
from p2pfw.app.recording import Recording
from p2pfw.core.gossip.swarm import Gossip
from p2pfw.core.verdict import Decision
from p2pfw.operations import Measures

MOST_PEERS: Final = 200
FAMILIES: Final = ("ipv4", "ipv6")
_STATES: Final = {Decision.ADOPT: "adopted", Decision.HOLD: "held", Decision.REFUSE: "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Who counts, beside the kit."""

    gossip: Gossip
    recording: Recording
    peering: Peering
    peers: PeerDesk
    feeding: Feeding


class Measuring:
    """Puts the numbers together."""

    def __init__(self, kit: Kit, sources: Sources) -> None:
        self._domain, self._enforcing = kit.domain, kit.enforcing
        self._gossip, self._recording, self._peering = sources.gossip, sources.recording, sources.peering
        self._peers, self._feeding = sources.peers, sources.feeding
        self.own = 0
        """Announcements that this node made."""
        self.webhook: Callable[[], Mapping[str, int]] = dict

    def measures(self) -> Measures:
        """See operations.Operations.measures."""
        transport, report, sync = self._peers.transport, self._enforcing.report, self._enforcing.sync
        received, sent = transport.traffic() if transport is not None else (0, 0)
        return Measures(
            entries=self._entries(),
            announcements=self._announcements(),
            verdicts=self._verdicts(),
            peers=self._peers_up(),
            received=received,
            sent=sent,
            propagation=self._recording.propagation.snapshot(),
            sync=sync.taken.snapshot(),
            sync_failures=sync.failures,
            dropped_packets=dict(zip(FAMILIES, (report.dropped4, report.dropped6), strict=True)),
            dropped_bytes=dict(zip(FAMILIES, (report.bytes4, report.bytes6), strict=True)),
            feeds=self._feeding.states(),
            webhook=self.webhook(),
        )

    def _entries(self) -> dict[tuple[str, str], int]:
        tally, report = self._domain.adoption.tally, self._enforcing.report
        found = {
            (family, state): count
            for decision, state in _STATES.items()
            for family, count in zip(FAMILIES, tally.by_family(decision), strict=True)
        }
        installed = zip(FAMILIES, (report.entries4, report.entries6), strict=True)
        return found | {(family, "installed"): count for family, count in installed}

    def _announcements(self) -> dict[str, int]:
        counts = self._gossip.counts
        return {
            "own": self.own,
            "recorded": counts.get("recorded", 0),
            "duplicate": counts.get("duplicates", 0),
            "refused": self._peering.not_counted + counts.get("refused-again", 0),
        }

    def _verdicts(self) -> dict[tuple[str, str], int]:
        given = self._domain.adoption.tally.given.items()
        found = {(_STATES[decision], reason.word): count for (decision, reason), count in given}
        return found | {("released", "nobody says so"): self._domain.adoption.tally.released}

    def _peers_up(self) -> dict[str, bool]:
        """The fleet's first, as `p2pfw peers` lists them. Of equal names, one that is connected counts."""
        found: dict[str, bool] = {}
        for view in self._peers.all().peers:
            if view.name in found or len(found) < MOST_PEERS:
                found[view.name] = found.get(view.name, False) or view.state == "connected"
        return found
