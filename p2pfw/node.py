"""COMPOSITION ROOT: opens the adapters, puts the node together, runs its tasks, stops them in order.

The only module that knows both the use cases and what stands behind their ports. Owns the clock, the loop's signals
and the one TaskGroup. A join that changes the owner ends the round; the next one begins with the new certificate.
"""

import asyncio
import logging
import random
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from p2pfw import __version__, schema
from p2pfw.app.application import Application
from p2pfw.app.assembly import Assembly, Keys, Ports
from p2pfw.app.chartering import ROOT_SETTING
from p2pfw.app.housekeeping import Housekeeping
from p2pfw.app.joining import Joined
from p2pfw.app.loading import load, named_in
from p2pfw.app.owning import CERTIFICATE_SETTING
from p2pfw.app.reloading import Reloading
from p2pfw.app.wanted import Mode
from p2pfw.app.webhook import Webhook, attach
from p2pfw.config import Backend, Config
from p2pfw.config.charterfile import read_charter
from p2pfw.core.charter import SignedCharter
from p2pfw.core.identity import Certificate
from p2pfw.errors import FirewallError, KeyFileError
from p2pfw.feeds.source import FeedReader
from p2pfw.firewall.backends import make_firewall
from p2pfw.firewall.enforcer.doors import by_handing_over, by_path, no_enforcer
from p2pfw.firewall.enforcer.remote import Connect
from p2pfw.firewall.enforcer.spawning import spawn
from p2pfw.firewall.place import Place
from p2pfw.host.clock import SystemClock
from p2pfw.host.process import give_back_memory, memory_bytes, settle_collector
from p2pfw.host.rights import give_up_rights
from p2pfw.host.supervisor import ALIVE, READY, STOPPING, Supervisor
from p2pfw.host.surroundings import Surroundings
from p2pfw.net.discovery import LanDiscovery
from p2pfw.net.transport import WebsocketTransport
from p2pfw.rows import PeerRow
from p2pfw.store.keyfile import Purpose, read_key
from p2pfw.store.lock import StateLock
from p2pfw.store.sqlite import SqliteStore
from p2pfw.web.api import Api, certificate_of
from p2pfw.web.posting import WebPoster, read_secret
from p2pfw.web.rfw import RfwApi, rfw_certificate

log = logging.getLogger(__name__)

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def read_keys(config: Config, settings: dict[str, object]) -> Keys:
    """This node's key, its owner's where it is at hand, and the certificate that it holds. KeyFileError."""
    node = read_key(config.node.key_file, Purpose.NODE)
    owner_file = config.node.owner_key_file
    owner = read_key(owner_file, Purpose.OWNER) if owner_file is not None else None
    kept = settings.get(CERTIFICATE_SETTING)
    certificate = Certificate.decode(bytes.fromhex(kept)) if isinstance(kept, str) else None
    if certificate is not None and certificate.node != node.public_key:
        raise KeyFileError(f"{config.node.key_file}: the certificate in the database is for another node key")
    if certificate is not None and owner is not None and certificate.owner != owner.public_key:
        owner = None  # the key of before a join; renewing with it would leave the fleet
    return Keys(node=node, owner_key=owner, certificate=certificate)


def root_charter(config: Config, settings: dict[str, object]) -> SignedCharter | None:
    """The charter that the operator began with: the configuration's, else the one that a join brought. ConfigError."""
    if config.discovery.charter is not None:
        return read_charter(config.discovery.charter)
    kept = settings.get(ROOT_SETTING)
    return SignedCharter.decode(bytes.fromhex(kept)) if isinstance(kept, str) else None


class Node:
    """One round of a node's life: from opened files to closed ones."""

    def __init__(self, config: Config, store: SqliteStore, settings: dict[str, object], connect: Connect) -> None:
        of, clock = config.enforcer, SystemClock()
        place = Place(set_prefix=of.set_prefix, hook=of.hook, max_entries=of.max_entries)
        ports = Ports(
            store=store,
            firewall=make_firewall(of.backend.value, place, clock, connect),
            feeds=FeedReader(f"p2pfw/{__version__} (+{config.node.name})"),
            machine=Surroundings(),
            clock=clock,
            random=random.SystemRandom(),
            memory_bytes=memory_bytes,
            give_back_memory=give_back_memory,
        )
        self.config, self.store, self.settings = config, store, settings
        self.assembly = Assembly(config, ports, read_keys(config, settings), root_charter(config, settings))
        self.housekeeping = Housekeeping(self.assembly)
        self.webhook: Webhook | None = None
        if config.webhook.url:
            poster = WebPoster(config.webhook.url, config.webhook.timeout)
            self.webhook = attach(self.assembly, poster, read_secret(config.webhook.secret_file))
        self._again = False
        self._stop = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._spawned: set[asyncio.Task[None]] = set()
        self._resolving = False
        self._supervisor = Supervisor()

    # --- life ------------------------------------------------------------------------------------------------------

    async def run(self, *, alone: bool) -> bool:
        """Live until told to stop; True when another round is wanted."""
        node = self.assembly
        skipped = await load(node, self.settings, alone=alone)
        if skipped:
            log.info("announcements skipped", extra={"reasons": dict(skipped)})
        mode = node.modes.begin(self.settings)
        await self._assume_installed(mode)
        node.judging.everything(*node.domain.sources())
        node.protecting.refresh()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(node.ports.firewall.close)
            transport = self.transport()
            stack.push_async_callback(transport.stop)
            if self.config.listen.peer is not None:
                node.household.bound = await transport.listen(str(self.config.listen.peer))
            application = self._application()
            api = Api(application, self.config.api, node.kit.clock)
            await api.start()
            stack.push_async_callback(api.stop)
            self._reloading.renewing.append(api.renew)
            await self._open_rfw(application, stack)
            self._hear_signals()
            settle_collector()
            await self._work()
        return self._again

    async def _work(self) -> None:
        node = self.assembly
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            running = [
                tasks.create_task(work, name=name)
                for name, work in (
                    ("judging", node.judging.run()),
                    ("enforcing", self._enforce_when_judged()),
                    ("announcing", node.announcing.run()),
                    ("gossip", node.peering.run()),
                    ("feeding", node.feeding.run()),
                    ("housekeeping", self.housekeeping.run()),
                    ("lag", self.housekeeping.measure_lag()),
                    ("supervisor", self._reassure()),
                    *self._discovery(),
                    *([("webhook", self.webhook.run())] if self.webhook is not None else []),
                )
            ]
            node.peers.redial()
            log.info("started", extra={"node": node.domain.me.node.hex()[:16], "mode": node.enforcing.mode.value})
            self._supervisor.tell(READY)
            await self._stop.wait()
            self._supervisor.tell(STOPPING)
            for task in (*running, *self._spawned):
                task.cancel()

    async def _open_rfw(self, application: Application, stack: AsyncExitStack) -> None:
        """The rfw-compatible API, where the operator wants it."""
        if self.config.api.rfw.enabled:
            rfw = RfwApi(application, self.assembly.rules, self.config.api, self.assembly.kit.clock)
            await rfw.start()
            stack.push_async_callback(rfw.stop)
            self._reloading.renewing.append(rfw.renew)

    async def _reassure(self) -> None:
        """Tell the service manager that this node is alive: its loop turns, and the kernel's worker comes round."""
        every = self._supervisor.watchdog / 2
        while every:
            if not self.assembly.enforcing.is_stuck():
                self._supervisor.tell(ALIVE)
            await asyncio.sleep(every)

    def _discovery(self) -> Iterator[tuple[str, Coroutine[Any, Any, None]]]:
        """The task that looks for peers on the LAN, where the operator wants it."""
        if self.config.discovery.mdns:
            node = self.assembly
            node.peers.discovery = found = LanDiscovery(node.domain.me.network, node.household.bound)
            node.health.complaints.append(node.peers.discovery_lines)
            yield "discovery", found.run(node.peers.redial)

    async def _assume_installed(self, mode: Mode) -> None:
        """What the kernel still holds was adopted when this process last ran: hysteresis goes on for it."""
        if mode is not Mode.ENFORCE:
            return
        firewall = self.assembly.ports.firewall
        try:
            await firewall.start()
            self.assembly.domain.adoption.assume(await firewall.membership())  # type: ignore[arg-type]
        except FirewallError as error:
            log.warning("the kernel could not be read", extra={"error": str(error)})

    async def _enforce_when_judged(self) -> None:
        """The kernel is compared only with a complete judgement: an incomplete one would open what must stay shut."""
        await self.assembly.judging.idle()
        await self.assembly.enforcing.run()

    # --- wiring ----------------------------------------------------------------------------------------------------

    def transport(self) -> WebsocketTransport:
        """Connect the use cases with one another and with a transport for their sessions."""
        node = self.assembly
        transport = WebsocketTransport(node.credentials, node.peering, node.kit.clock)
        node.peering.transport = node.peers.transport = transport
        node.recording.spawn = self._spawn
        node.recording.on_trust = self._trust_changed
        node.recording.on_worth = node.witnessing.on_worth = self._worth_changed
        node.household.on_peers = self._trust_changed
        node.joining.on_joined = self._joined
        node.owning.on_certificate = self._renewed
        return transport

    def _application(self) -> Application:
        node = self.assembly
        reloading = Reloading(node)
        self._reloading = reloading
        return Application(
            domain=node.domain,
            views=node.views,
            explaining=node.explaining,
            blocking=node.blocking,
            ownblocks=node.ownblocks,
            unblocking=node.unblocking,
            importing=node.importing,
            renewing=node.renewing,
            repeating=node.repeating,
            whitelisting=node.whitelisting,
            peers_desk=node.peers,
            joining=node.joining,
            owning=node.owning,
            modes=node.modes,
            enforcing=node.enforcing,
            health=node.health,
            protecting=node.protecting,
            bouncing=node.bouncing,
            trusting=node.trusting,
            feeding=node.feed_desk,
            advising=node.advising,
            api_tokens=node.tokens,
            measuring=node.measuring,
            event_ring=node.events,
            reloader=reloading.reload,
        )

    def _trust_changed(self) -> None:
        """Once for all certificates that came in this turn of the loop."""
        if not self._resolving:
            self._resolving = True
            self._spawn(self._resolve())

    async def _resolve(self) -> None:
        self._resolving = False
        await self.assembly.peers.resolve()

    def _worth_changed(self) -> None:
        """A vouch or a charter: names, seeds and whom this node carries. What was said is judged already."""
        node = self.assembly
        node.chartering.follow()
        node.peers.redial()
        node.peering.carried_told()
        node.whitelisting.changed(node.protecting.refresh())

    def _renewed(self, certificate: Certificate) -> None:
        self.assembly.credentials.certificate = certificate.encode()

    async def _joined(self, joined: Joined) -> None:
        for row in joined.rows:
            self.assembly.book.put(row)
        if joined.certificate is None:
            await self.assembly.peers.resolve()
            return
        self._again = True  # another owner: every verdict, session and key table begins anew
        asyncio.get_running_loop().call_later(RESTART_AFTER, self._stop.set)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None or self._stop.is_set():
            work.close()
            return
        task = self._tasks.create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reloading.hang_up()))


RESTART_AFTER: Final = 0.5
"""Seconds between the answer to a join and the new round: the answer must have left."""


async def serve(config: Config, connect: Connect, *, alone: bool) -> None:
    """Rounds until one ends by a signal. `connect` leads to the enforcer."""
    again = True
    while again:
        store = SqliteStore.open(config.node.state_dir)
        try:
            again = await Node(config, store, store.settings(), connect).run(alone=alone)
        finally:
            await store.close()


def run_node(config: Config, *, file: Path | None = None, alone: bool = False, check: bool = False) -> int:
    """`p2pfw run`: 0 when it was told to stop. `check`: validate configuration, keys and database, touch nothing.

    `file`: the configuration file that was named, for the enforcer to read as well.
    """
    with StateLock.take(config.node.state_dir):
        if check:
            read_keys(config, {})
            root_charter(config, {})
            certificate_of(config.api)
            if config.api.rfw.enabled and config.api.rfw.listen is not None:
                rfw_certificate(config.api)
            read_secret(config.webhook.secret_file)
            return 0
        connect = _enforcer(config, file)
        give_up_rights(config)
        _runner()(serve(config, connect, alone=alone))
    return 0


def _enforcer(config: Config, file: Path | None) -> Connect:
    """The way to the process that may change the firewall: one that runs by itself, or a child of this node."""
    if config.enforcer.backend is Backend.DRYRUN:
        return no_enforcer
    if config.enforcer.socket is not None:
        return by_path(config.enforcer.socket)
    return by_handing_over(spawn(file))


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is installed, asyncio otherwise."""
    try:
        import uvloop  # noqa: PLC0415  # not on every platform
    except ImportError:
        return asyncio.run
    return uvloop.run


def join_offline(config: Config, token: str, trust: float) -> schema.JoinAnswer:
    """`p2pfw join` where no node runs: redeem the line, keep what it gave, and stop."""
    return asyncio.run(_join(config, schema.JoinRequest(token=token, trust=trust)))


async def _join(config: Config, request: schema.JoinRequest) -> schema.JoinAnswer:
    with StateLock.take(config.node.state_dir):
        store = SqliteStore.open(config.node.state_dir)
        try:
            node = Node(config, store, store.settings(), no_enforcer)
            transport = node.transport()
            node.assembly.book.load_file(named_in(config))
            node.assembly.book.load_rows(store.rows(PeerRow))
            if config.listen.peer is not None:
                node.assembly.household.bound = str(config.listen.peer)
            try:
                node.assembly.joining.on_joined = None
                return await node.assembly.joining.join(request)
            finally:
                await transport.stop()
        finally:
            await store.close()
