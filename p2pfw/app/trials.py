"""Edits of trust on trial: taken back by themselves unless the operator confirms in time (`peer trust --confirm 60`).

What was before is kept on disk with the end of the trial: the node's own death does not turn it into a decision.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from p2pfw.ports import Clock, Store
from p2pfw.rows import PeerRow, Setting, Write

TRIALS_SETTING: Final = "peer_trials"
Due = Sequence[tuple[bytes, PeerRow | None]]
"""Peers, and the operator's word on them as it was; None: there was none."""


class Trials:
    """Every edit that waits for a word."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._waiting: dict[bytes, tuple[float, PeerRow | None]] = {}

    def load(self, settings: Mapping[str, object]) -> None:
        """At start."""
        kept = settings.get(TRIALS_SETTING)
        for one in kept if isinstance(kept, list) else []:
            self._waiting[bytes.fromhex(one["id"])] = float(one["until"]), _row(one["before"])

    def begin(self, peer: bytes, before: PeerRow | None, seconds: int) -> list[Write]:
        """What must be written with an edit: one without a trial ends the one that runs, a second goes back as far."""
        running = self._waiting.pop(peer, None)
        if seconds:
            self._waiting[peer] = self._clock.now() + seconds, running[1] if running is not None else before
        return [self._kept()] if seconds or running is not None else []

    def waiting(self) -> Iterator[tuple[bytes, float]]:
        """(peer, Unix seconds when it is taken back)."""
        return ((peer, until) for peer, (until, _) in self._waiting.items())

    def due(self, now: float) -> Due:
        """Those whose time is over."""
        return [(peer, before) for peer, (until, before) in self._waiting.items() if until <= now]

    async def end(self, due: Due) -> None:
        """They are taken back."""
        for peer, _ in due:
            self._waiting.pop(peer, None)
        await self._store.commit(self._kept())

    async def confirm(self) -> bool:
        """All stay. False when there is none."""
        if not self._waiting:
            return False
        self._waiting.clear()
        await self._store.commit(self._kept())
        return True

    def _kept(self) -> Setting:
        rows = [
            {"id": peer.hex(), "until": until, "before": _plain(before)}
            for peer, (until, before) in self._waiting.items()
        ]
        return Setting(name=TRIALS_SETTING, value=rows or None)


def _plain(row: PeerRow | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "id": row.id.hex(),
        "owner": row.owner.hex(),
        "name": row.name,
        "trust": row.trust,
        "trust_for": list(row.trust_for),
        "addresses": list(row.addresses),
        "distrusted": row.distrusted,
        "forgotten": row.forgotten,
    }


def _row(kept: dict[str, Any] | None) -> PeerRow | None:
    if kept is None:
        return None
    return PeerRow(
        id=bytes.fromhex(kept["id"]),
        owner=bytes.fromhex(kept["owner"]),
        name=kept["name"],
        trust=kept["trust"],
        trust_for=tuple((name, float(trust)) for name, trust in kept["trust_for"]),
        addresses=tuple(kept["addresses"]),
        distrusted=kept["distrusted"],
        forgotten=kept["forgotten"],
    )
