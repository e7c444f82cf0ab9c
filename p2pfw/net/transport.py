"""ports.Transport over websockets: puts server, dialer, door and register together. Owns all their tasks."""

import random
from collections.abc import Sequence

from p2pfw.core.prefix import Prefix
from p2pfw.net.backoff import Chance
from p2pfw.net.caller import Caller
from p2pfw.net.dialer import Dialer
from p2pfw.net.door import Door
from p2pfw.net.keys import fresh_pair
from p2pfw.net.limits import Limits
from p2pfw.net.registry import Registry
from p2pfw.net.server import Server
from p2pfw.net.tasks import Tasks
from p2pfw.ports import (
    Ban,
    Clock,
    Credentials,
    DialState,
    DialTarget,
    PeerSession,
    SendClass,
    SessionListener,
    SessionStats,
)


class WebsocketTransport:
    """Sessions with peers (ports.Transport). Build it inside the running loop; `stop` it there."""

    def __init__(
        self,
        credentials: Credentials,
        listener: SessionListener,
        clock: Clock,
        *,
        limits: Limits | None = None,
        trusted_proxies: Sequence[Prefix] = (),
        chance: Chance | None = None,
    ) -> None:
        limits = limits or Limits()
        self._limits = limits
        self._registry = Registry(
            credentials, listener, clock=clock, chance=chance or random.SystemRandom(), limits=limits
        )
        self._tasks = Tasks()
        # The Noise static key lives as long as the process and is never written (protocol 2.3).
        static = fresh_pair()
        self._door = Door(listener, clock, limits, trusted_proxies=trusted_proxies)
        self._server = Server(self._registry, self._door, static, self._tasks)
        self._caller = Caller(self._registry, static)
        self._dialer = Dialer(self._registry, self._caller, self._tasks)
        self._door.reserve_for(self._dialer.addresses)

    async def listen(self, address: str) -> str:
        """Accept sessions on "host:port"; the bound one. ListenError."""
        return await self._server.listen(address)

    def dial(self, targets: Sequence[DialTarget]) -> None:
        """Keep sessions with these, and call no others."""
        self._dialer.want(targets)

    async def dial_once(self, target: DialTarget) -> PeerSession:
        """One call; PeerErrors when it comes to nothing."""
        return await self._dialer.once(target)

    def send(self, session: PeerSession, frame: bytes, send_class: SendClass) -> bool:
        """Queue a frame; False when the session is over or too slow."""
        link = self._registry.link(session.number)
        return link is not None and link.send(frame, send_class)

    def close(self, session: PeerSession, code: str, *, ban_s: int = 0) -> None:
        """End a session with BYE, and keep its node out for `ban_s` seconds."""
        if ban_s > 0:
            self._registry.ban(session.node, ban_s, code)
        link = self._registry.link(session.number)
        if link is not None:
            link.end(code, retry_after=ban_s)

    def sessions(self) -> list[PeerSession]:
        """All open ones."""
        return [link.peer for link in self._registry.links()]

    def stats(self, session: PeerSession) -> SessionStats | None:
        """What went through it; None when it is over."""
        link = self._registry.link(session.number)
        return link.stats() if link is not None else None

    def traffic(self) -> tuple[int, int]:
        """Bytes in and out of all sessions since the start."""
        return self._registry.traffic()

    def dialling(self) -> list[DialState]:
        """How calling each target goes."""
        return self._dialer.states()

    def bans(self) -> list[Ban]:
        """Who is kept out now."""
        return self._registry.bans()

    @property
    def in_flight(self) -> int:
        """Inbound connections that are not sessions yet."""
        return self._door.in_flight

    async def stop(self) -> None:
        """Say goodbye to all peers, and end every task."""
        self._registry.stopping = True
        self._server.deafen()
        self._dialer.want(())
        for link in self._registry.links():
            link.end("stopping")
        await self._tasks.stop(self._limits.goodbye_s * 2)
        await self._server.stop()
        await self._caller.stop()
