"""Keeps the wanted sessions open: one task a target, which calls, waits for the end, and calls again (protocol 7).

Persistent targets are called for ever, because that is what heals a split; others some times. A target that is
connected already, whoever dialled, or that is banned, is left alone until that ends.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace

from yarl import URL

from p2pfw.core.identity import NodeId
from p2pfw.core.proof import reason_of
from p2pfw.errors import InputError, PeerError
from p2pfw.net.addresses import plain
from p2pfw.net.backoff import Backoff
from p2pfw.net.caller import Caller
from p2pfw.net.registry import NO_REFUSAL, Linked, Registry
from p2pfw.net.tasks import Tasks
from p2pfw.ports import DialState, DialTarget, PeerSession

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Keeping:
    """One target, and how calling it goes."""

    target: DialTarget
    backoff: Backoff
    task: asyncio.Task[None] | None = None
    address: str = ""
    """Where a call reached it last."""
    attempts: int = 0
    problem: str = ""
    retry_at: float = 0.0

    def becomes(self, target: DialTarget | None) -> bool:
        """Go on as this one, if it is the same; a call is not broken off because who must answer is known now.

        Broken off, the called side would see one more stranger who hung up in the middle of a handshake.
        """
        given_up = self.task is not None and self.task.done()
        if target is None or given_up:
            return False
        if target != self.target and (self.retry_at or replace(target, node=self.target.node) != self.target):
            return False
        self.target = target
        return True


class Dialer:
    """Calls the wanted targets, and whoever is to be called once."""

    def __init__(self, registry: Registry, caller: Caller, tasks: Tasks) -> None:
        self._registry, self._caller, self._tasks = registry, caller, tasks
        self._kept: dict[str, _Keeping] = {}
        self._addresses: frozenset[str] = frozenset()

    def want(self, targets: Sequence[DialTarget]) -> None:
        """Keep these, and no others, from now on. One that was given up is called again."""
        wanted = {target.url: target for target in targets}
        for url in [url for url, kept in self._kept.items() if not kept.becomes(wanted.get(url))]:
            kept = self._kept.pop(url)
            self._caller.answered.pop(url, None)
            if kept.task is not None:
                kept.task.cancel()
        limits = self._registry.limits
        for url in wanted.keys() - self._kept.keys():
            backoff = Backoff(self._registry.chance, first=limits.retry_first_s, most=limits.retry_most_s)
            kept = _Keeping(target=wanted[url], backoff=backoff)
            self._kept[url] = kept
            kept.task = self._tasks.start(self._keep(kept))
        self._note_addresses()

    async def once(self, target: DialTarget) -> PeerSession:
        """One call, whether or not the target is kept."""
        link, running = await self._open(target)
        self._tasks.detach(running)
        return link.peer

    def states(self) -> list[DialState]:
        """For the operator."""
        now = self._registry.clock.monotonic()
        return [
            DialState(
                target=kept.target,
                connected=self._link_of(kept) is not None,
                attempts=kept.attempts,
                problem=kept.problem,
                retry_in=max(0.0, kept.retry_at - now),
            )
            for kept in self._kept.values()
        ]

    def addresses(self) -> frozenset[str]:
        """Of peers called for ever: as written where they are literal, and where a call reached them last."""
        return self._addresses

    def _note_addresses(self) -> None:
        both = ((_literal(kept), kept.address) for kept in self._kept.values() if kept.target.persistent)
        self._addresses = frozenset(address for pair in both for address in pair if address)

    async def _keep(self, kept: _Keeping) -> None:
        while kept.target.persistent or kept.attempts < self._registry.limits.attempts:
            if (link := self._link_of(kept)) is not None:
                await asyncio.wait([link.over])
                continue
            await self._wait(kept, self._banned_for(kept))
            delay = await self._try(kept)
            await self._wait(kept, delay)

    async def _wait(self, kept: _Keeping, seconds: float) -> None:
        if seconds > 0:
            kept.retry_at = self._registry.clock.monotonic() + seconds
            await asyncio.sleep(seconds)
        kept.retry_at = 0.0

    async def _try(self, kept: _Keeping) -> float:
        """One call, and if it comes to a session, that session's whole life. Returns the delay before the next call."""
        kept.attempts += 1
        try:
            link, running = await self._open(kept.target)
        except PeerError as error:
            kept.problem = str(error)
            return kept.backoff.next()
        kept.address, kept.problem, kept.attempts = link.peer.address, "", 0
        self._note_addresses()
        began = self._registry.clock.monotonic()
        # The session belongs to the transport: it goes on when this target is no longer wanted.
        reason = await asyncio.shield(self._tasks.start(running))
        if self._registry.clock.monotonic() - began >= self._registry.limits.steady_s:
            kept.backoff.reset()
        if reason in {"renew", "bye-renew"}:
            return 0.0
        kept.problem = f"the last session ended: {reason}"
        return max(kept.backoff.next(), link.retry_after)

    async def _open(self, target: DialTarget) -> tuple[Linked, Coroutine[None, None, str]]:
        try:
            link, first = await self._caller.call(target)
        except PeerError as error:
            reason = reason_of(error)
            log.info("call failed", extra={"url": target.url, "reason": reason, "detail": str(error)})
            if reason not in NO_REFUSAL:
                self._registry.listener.refused(URL(target.url).host or "", target.node, reason)
            raise
        link.open()
        return link, link.run(first)

    def _link_of(self, kept: _Keeping) -> Linked | None:
        node = self._node_of(kept)
        return self._registry.link_to(node) if node is not None else None

    def _banned_for(self, kept: _Keeping) -> float:
        node = self._node_of(kept)
        ban = self._registry.ban_of(node) if node is not None else None
        return ban.seconds_left if ban is not None else 0.0

    def _node_of(self, kept: _Keeping) -> NodeId | None:
        """Who is expected there, or answered there last."""
        return kept.target.node or self._caller.answered.get(kept.target.url)


def _literal(kept: _Keeping) -> str:
    """The target's address where its URL names one."""
    try:
        return plain(URL(kept.target.url).host or "")
    except InputError:
        return ""
