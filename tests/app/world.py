"""Whole networks of nodes in one process, under one clock: real use cases over the ports of `fakes`.

    world = World()
    a = await world.node("a", owner=1)
    await world.meet(a, b)
    await a.block("203.0.113.9")
    await world.advance(hours=1)

What node.py does with tasks is done here step by step, in an order that is always the same. Wall time moves in big
steps while the monotonic clock moves a little, so that days pass and no session looks dead.
"""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from p2pfw import schema
from p2pfw.app.application import Application
from p2pfw.app.assembly import Assembly, Keys, Ports
from p2pfw.app.housekeeping import Housekeeping
from p2pfw.app.joining import Joined
from p2pfw.app.loading import load
from p2pfw.app.owning import CERTIFICATE_SETTING
from p2pfw.app.reloading import Reloading
from p2pfw.app.wanted import Mode
from p2pfw.config import Config
from p2pfw.config.model import Enforcer, Feed, Node, Policy
from p2pfw.config.model import Mode as ConfiguredMode
from p2pfw.config.readers import Endpoint
from p2pfw.core.charter import SignedCharter
from p2pfw.core.gossip.events import Moment
from p2pfw.core.identity import Certificate, NodeId, OwnerId, SigningKey, Uses, certify
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.core.verdict import Decision
from p2pfw.operations import Caller
from p2pfw.ports import DialTarget
from p2pfw.rows import PeerRow
from tests.app.fakes import (
    START,
    FakeClock,
    FakeFeeds,
    FakeFirewall,
    FakeMachine,
    FakeStore,
    FakeTransport,
    SkewedClock,
    Wires,
)

DAY = 86_400
CALLER = Caller(name="socket:0")
TICKS = 200
"""Rounds of settling at the most; a world that goes on after them has a loop in it."""


def key(text: str) -> PrefixKey:
    """The key of a prefix in text."""
    return Prefix.parse(text).key


def node_key(number: int) -> SigningKey:
    """The signing key of node number so-and-so."""
    return SigningKey((1_000 + number).to_bytes(32))


def owner_key(number: int) -> SigningKey:
    """The signing key of an owner."""
    return SigningKey(number.to_bytes(32))


@dataclass(frozen=True, kw_only=True)
class Who:
    """What a node is made from; `owner` 0: a key that is its own owner."""

    name: str
    number: int
    owner: int
    holds_owner_key: bool
    config: Config
    charter: SignedCharter | None = None


class Running:
    """One node: its assembly, and what stands behind its ports."""

    def __init__(self, world: "World", who: Who, store: FakeStore, clock: FakeClock | SkewedClock) -> None:
        self.world, self.who, self.store, self.clock = world, who, store, clock
        self.firewall = FakeFirewall(clock)
        self.machine = FakeMachine()
        self.feeds = FakeFeeds()
        self.spawned: list[asyncio.Task[None]] = []
        self.up = False
        self.joined: list[Joined] = []
        self._build()

    def _build(self) -> None:
        who = self.who
        certificate = self._certificate()
        keys = Keys(
            node=node_key(who.number),
            owner_key=owner_key(who.owner) if who.holds_owner_key and who.owner else None,
            certificate=certificate,
        )
        ports = Ports(
            store=self.store,
            firewall=self.firewall,
            feeds=self.feeds,
            machine=self.machine,
            clock=self.clock,
            random=random.Random(who.number),
            memory_bytes=lambda: 1 << 20,
            give_back_memory=lambda: None,
        )
        self.node = node = Assembly(who.config, ports, keys, who.charter)
        self.housekeeping = Housekeeping(node)
        self.transport = FakeTransport(
            self.world.wires, NodeId(keys.node.public_key), node.peering, lambda: node.credentials.certificate
        )
        self._wire()

    def _certificate(self) -> Certificate | None:
        kept = self.store.values.get(CERTIFICATE_SETTING)
        if isinstance(kept, str):
            return Certificate.decode(bytes.fromhex(kept))
        if not self.who.owner:
            return None
        made = certify(
            owner_key(self.who.owner),
            NodeId(node_key(self.who.number).public_key),
            serial=self.who.number,
            not_before=START - DAY,
            not_after=START - DAY + 90 * DAY,
            uses=Uses.ALL,
        )
        self.store.values[CERTIFICATE_SETTING] = made.encode().hex()
        return made

    def _wire(self) -> None:
        """As node.py connects the use cases with one another."""
        node = self.node
        node.peering.transport = node.peers.transport = self.transport
        node.recording.spawn = self.spawn
        node.recording.on_trust = node.household.on_peers = lambda: self.spawn(node.peers.resolve())
        node.joining.on_joined = self._joined
        node.owning.on_certificate = self._renewed
        node.recording.on_worth = node.witnessing.on_worth = self._worth_changed
        self.reloading = Reloading(node)
        self.app = Application(
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
            reloader=self.reloading.reload,
        )

    def _worth_changed(self) -> None:
        """As node.py does it."""
        self.node.chartering.follow()
        self.node.peers.redial()
        self.node.peering.carried_told()
        self.node.whitelisting.changed(self.node.protecting.refresh())

    async def start(self, *, alone: bool = False) -> None:
        """What node.py does before its tasks run."""
        node = self.node
        settings = self.store.settings()
        self.skipped = await load(node, settings, alone=alone)
        mode = node.modes.begin(settings)
        if mode is Mode.ENFORCE:
            node.domain.adoption.assume(PrefixKey(key) for key in await self.firewall.membership())
        node.judging.everything(*node.domain.sources())
        node.protecting.refresh()
        if node.config.listen.peer is not None:
            node.household.bound = await self.transport.listen(str(node.config.listen.peer))
        node.peers.redial()
        self.up = True

    async def restart(self, *, crash: bool = False, alone: bool = False) -> None:
        """End, and begin again from the disk and with the kernel as it was."""
        await self.stop(crash=crash)
        self._build()
        await self.start(alone=alone)

    async def stop(self, *, crash: bool = False) -> None:
        """No more; `crash` without writing what was only posted."""
        self.up = False
        await self.transport.stop()
        for task in self.spawned:
            task.cancel()
        await asyncio.gather(*self.spawned, return_exceptions=True)
        self.spawned.clear()
        if crash:
            self.store.crash()
        await self.store.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A task of this node; what it raises fails the test at the next `settle`."""
        self.spawned.append(asyncio.get_running_loop().create_task(work))

    # what a test does

    async def block(self, text: str, ttl: str | int = "4h", **more: Any) -> schema.BlockAnswer:
        return await self.app.block(schema.BlockRequest(prefix=text, ttl=ttl, **more), CALLER)

    async def unblock(self, text: str, scope: str = "owner") -> schema.UnblockAnswer:
        return await self.app.unblock(Prefix.parse(text), scope, CALLER)

    async def allow(self, text: str, ttl: str | int = "forever", comment: str = "") -> schema.AllowAnswer:
        return await self.app.allow(Prefix.parse(text), schema.AllowRequest(ttl=ttl, comment=comment), CALLER)

    async def enforce(self, confirm: int = 0) -> schema.ModeAnswer:
        """Enforce, with the worker's steps beside."""
        return await self.beside(self.app.set_mode(schema.ModeRequest(mode="enforce", confirm=confirm), CALLER))

    async def beside(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Await something that waits for judgement and kernel, with both at work."""
        task = asyncio.get_running_loop().create_task(work)
        for _ in range(TICKS):
            await asyncio.sleep(0)
            if task.done():
                break
            self.judge()
            await self.node.enforcing.step()
        return await asyncio.wait_for(task, 5)

    def judge(self) -> None:
        """Judge until nothing is dirty."""
        while self.node.judging.turn():
            pass

    def adopts(self, text: str) -> bool:
        """True when this prefix is adopted here."""
        word = self.node.domain.adoption.verdict(key(text))
        return word is not None and word.decision is Decision.ADOPT

    def until(self, text: str) -> int | None:
        """End of the lease of an adopted prefix."""
        return self.node.domain.adoption.until(key(text))

    def drops(self, text: str) -> bool:
        """True when the kernel drops its packets."""
        return self.firewall.ruled and key(text) in self.firewall.held() and key(text) not in self.firewall.allowed

    def events(self, kind: str) -> list[schema.Event]:
        """What was told of one kind."""
        return [event for event in self.node.events.after(0) if event.kind == kind]

    @property
    def id(self) -> NodeId:
        return self.node.domain.me.node

    @property
    def owner(self) -> OwnerId:
        return self.node.domain.me.owner

    async def _joined(self, joined: Joined) -> None:
        self.joined.append(joined)
        for row in joined.rows:
            self.node.book.put(row)
        if joined.certificate is None:
            await self.beside(self.node.peers.resolve())

    def _renewed(self, certificate: Certificate) -> None:
        self.node.credentials.certificate = certificate.encode()


class World:
    """Nodes, wires, and the time."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.wires = Wires()
        self.nodes: list[Running] = []

    async def node(
        self,
        name: str,
        *,
        owner: int = 0,
        holds_owner_key: bool = True,
        enforce: bool = False,
        skew: float | None = None,
        start: bool = True,
        charter: SignedCharter | None = None,
        feeds: tuple[Feed, ...] = (),
        **policy: Any,
    ) -> Running:
        """A node that runs. `policy`: keys of [policy]."""
        number = len(self.nodes) + 1
        config = Config(
            node=Node(name=name, network="example", state_dir=Path("/nowhere"), key_file=Path("/nowhere/node.key")),
            listen=replace(Config().listen, peer=Endpoint(host=f"10.0.0.{number}", port=7787)),
            enforcer=Enforcer(mode=ConfiguredMode.ENFORCE if enforce else ConfiguredMode.OBSERVE),
            policy=Policy(allow_files=(), **policy),
            feeds=feeds,
        )
        who = Who(
            name=name, number=number, owner=owner, holds_owner_key=holds_owner_key, config=config, charter=charter
        )
        clock = self.clock if skew is None else SkewedClock(self.clock, skew)
        one = Running(self, who, FakeStore(number.to_bytes(16)), clock)
        one.transport.address = f"10.0.0.{number}"
        self.nodes.append(one)
        if start:
            await one.start()
        return one

    async def know(self, one: Running, other: Running, trust: float | None = None) -> None:
        """`one` names `other`, whom it may call; `trust` None: a node of its own fleet."""
        row = PeerRow(
            id=other.id, owner=other.owner, name=other.who.name, trust=trust, addresses=(other.transport.url,)
        )
        await one.store.commit_now(row)
        one.node.book.put(row)
        await one.beside(one.node.peers.resolve())

    async def meet(self, one: Running, other: Running, trust: float | None = None, back: float | None = None) -> None:
        """Both name one another, and connect."""
        await self.know(one, other, trust)
        await self.know(other, one, back if back is not None else trust)
        self.dial(one)
        await self.settle()

    def wait(self, seconds: float) -> None:
        """Wall time passes, hardly any of the monotonic kind, and nobody does anything."""
        self.clock.wall += seconds
        self.clock.mono += 0.1

    def dial(self, one: Running) -> None:
        """Call whom it wants to call."""
        one.transport.dial_all()

    def call(self, one: Running, other: Running) -> None:
        """`one` calls `other` now, whoever named whom."""
        one.transport.connect(DialTarget(url=other.transport.url))

    async def settle(self) -> None:
        """Until nothing moves: frames, verdicts, batches, kernels, tasks."""
        for _ in range(TICKS):
            moved = self.wires.carry()
            for one in self.running:
                one.judge()
                await one.node.announcing.flush()
                moved += await self._tasks(one)
                moved += self._tick(one)
            if not moved and not self.wires.queue:
                break
        else:
            raise AssertionError("it never settles")
        for one in self.running:
            await one.node.enforcing.step()

    async def advance(self, seconds: float = 0, *, hours: float = 0, step: float = 600) -> None:
        """Let time pass in steps, with all that is done again and again."""
        left = seconds + hours * 3_600
        while left > 0:
            passed = min(step, left)
            left -= passed
            self.clock.wall += passed
            self.clock.mono += min(passed, 2.0)
            for one in self.running:
                self._expire(one, passed - min(passed, 2.0))
                await one.housekeeping.tick()
            await self.settle()

    @property
    def running(self) -> list[Running]:
        """Nodes that are up."""
        return [one for one in self.nodes if one.up]

    def _expire(self, one: Running, skipped: float) -> None:
        """The kernel's timeouts run by true time, of which the monotonic clock is shown only a part."""
        for entry in one.firewall.block:
            one.firewall.block[entry] -= skipped

    def _tick(self, one: Running) -> int:
        """Let gossip do what is due; 0 when it would do so for ever."""
        deadline = one.node.gossip.next_deadline()
        return int(one.node.peering.tick() and one.node.gossip.next_deadline() != deadline)

    async def _tasks(self, one: Running) -> int:
        done = 0
        for _ in range(20):
            await asyncio.sleep(0)
        for task in [task for task in one.spawned if task.done()]:
            one.spawned.remove(task)
            await task
            done += 1
        return done


def moment(clock: FakeClock) -> Moment:
    """Now, as gossip takes it."""
    return Moment(clock.now(), clock.monotonic())


def peer_id(one: Running) -> str:
    """A node's id as the operator types it."""
    return encode_id(one.id)
