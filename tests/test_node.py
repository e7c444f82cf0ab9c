"""The composition root: real disk, real sockets on loopback, a kernel that is only written down."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from p2pfw import schema
from p2pfw.app.owning import CERTIFICATE_SETTING
from p2pfw.config import Config, Rfw
from p2pfw.core.identity import DAY, NodeId, SigningKey, Uses, certify
from p2pfw.core.prefix import Prefix
from p2pfw.core.verdict import Decision
from p2pfw.errors import AlreadyRunningError, ConfigError, KeyFileError
from p2pfw.firewall.enforcer.doors import no_enforcer
from p2pfw.node import Node, join_offline, read_keys, run_node
from p2pfw.operations import Caller
from p2pfw.rows import PeerRow, Put, Setting
from p2pfw.store.keyfile import Purpose, write_key
from p2pfw.store.lock import StateLock
from p2pfw.store.sqlite import SqliteStore
from tests.config.files import loaded

CALLER = Caller(name="socket:0")
BAD = "203.0.113.9"


def configured(folder: Path, name: str, *, owner: int = 0, listen: bool = True, more: str = "") -> Config:
    """A node's files: keys, and a configuration that touches nothing but loopback."""
    state = folder / name
    state.mkdir(mode=0o700, parents=True)
    write_key(state / "node.key", name.encode().ljust(32, b"\1"), Purpose.NODE)
    if owner:
        write_key(state / "owner.key", owner.to_bytes(32), Purpose.OWNER)
    return loaded(
        state,
        f"""
        [node]
        name = "{name}"
        network = "example"
        state_dir = "{state}"
        owner_key_file = "{state / "owner.key" if owner else ""}"
        [listen]
        peer = "{"127.0.0.1:0" if listen else ""}"
        [api]
        socket = "{state / "api.sock"}"
        http = ""
        [enforcer]
        backend = "dryrun"
        mode = "enforce"
        [policy]
        allow_files = []
        """
        + more,
    )


class Life:
    """A node's rounds in this process, as `serve` runs them, with the hands on the current one."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.node: Node | None = None
        self.rounds = 0
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        again = True
        while again:
            store = SqliteStore.open(self.config.node.state_dir)
            await self._found(store)
            try:
                self.node = Node(self.config, store, store.settings(), no_enforcer)
                self.rounds += 1
                again = await self.node.run(alone=False)
            finally:
                await store.close()

    async def _found(self, store: SqliteStore) -> None:
        """What `init` does besides keys and files: the owner certifies the node."""
        if self.config.node.owner_key_file is None or CERTIFICATE_SETTING in store.settings():
            return
        keys, now = read_keys(self.config, {}), int(time.time())
        made = certify(
            keys.owner_key,
            NodeId(keys.node.public_key),
            serial=now,
            not_before=now - 60,
            not_after=now + 80 * DAY,
            uses=Uses.ALL,
        )
        await store.commit(Setting(name=CERTIFICATE_SETTING, value=made.encode().hex()))

    async def up(self) -> "Life":
        await self.until(lambda: self.node is not None and self.node._tasks is not None)
        return self

    async def until(self, what: Callable[[], object]) -> None:
        """Wait until something is true of it; fails when the node dies first, or takes half a minute."""
        async with asyncio.timeout(30):
            while not what():
                if self.task.done():
                    await self.task
                    raise AssertionError("the node ended")
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        if self.node is not None:
            self.node._stop.set()
        await asyncio.wait_for(self.task, 20)

    @property
    def app(self):
        return self.node._application()

    def adopts(self, text: str) -> bool:
        word = self.node.assembly.domain.adoption.verdict(Prefix.parse(text).key)
        return word is not None and word.decision is Decision.ADOPT


@pytest.fixture
async def lives() -> AsyncIterator[Callable[[Config], Life]]:
    """Nodes that are stopped in the end, whatever happened."""
    begun: list[Life] = []

    def begin(config: Config) -> Life:
        begun.append(Life(config))
        return begun[-1]

    yield begin
    for life in begun:
        if not life.task.done():
            await life.stop()


async def test_a_node_begins_enforces_and_stops(tmp_path, lives):
    """From files to a kernel that follows, and in order to the end; what it acknowledged is there the next time."""
    config = configured(tmp_path, "a")
    life = await lives(config).up()
    answer = await life.app.block(schema.BlockRequest(prefix=BAD, ttl="1h", wait=True), CALLER)
    assert answer.state == "recorded"  # a dry run never says that the kernel drops anything
    assert answer.not_installed.endswith("adopted, and the kernel does not drop it")
    assert (tmp_path / "a/api.sock").exists()
    await life.stop()
    assert not life.node.assembly.peering.sessions
    again = await lives(config).up()
    await again.until(lambda: again.adopts(BAD))

    assert again.rounds == 1


async def test_a_join_begins_a_new_round_in_the_fleet(tmp_path, lives):
    """The answer leaves first; then sessions, verdicts and keys begin anew with the new certificate."""
    a = await lives(configured(tmp_path, "a", owner=1)).up()
    b = await lives(configured(tmp_path, "b")).up()
    token = (await a.app.invite(schema.InviteRequest())).token
    answer = await b.app.join(schema.JoinRequest(token=token))
    assert "b is now in fleet example" in answer.text
    await b.until(lambda: b.rounds == 2 and b.node._tasks is not None)
    assert b.node.assembly.domain.me.owner == a.node.assembly.domain.me.owner
    await b.until(lambda: b.node.assembly.peering.sessions)
    await a.app.block(schema.BlockRequest(prefix=BAD), CALLER)

    await b.until(lambda: b.adopts(BAD))


async def test_a_guest_needs_no_new_round(tmp_path, lives):
    """Two owners know each other from then on; nothing else changes."""
    a, b = await lives(configured(tmp_path, "a", owner=1)).up(), await lives(configured(tmp_path, "b", owner=2)).up()
    token = (await a.app.invite(schema.InviteRequest(guest=True, trust="solo"))).token
    answer = await b.app.join(schema.JoinRequest(token=token, trust="pair"))
    assert answer.guest
    await b.until(lambda: b.node.assembly.peering.sessions)
    await b.app.block(schema.BlockRequest(prefix=BAD), CALLER)
    await a.until(lambda: a.adopts(BAD))

    assert b.rounds == 1


async def test_joining_before_the_first_start(tmp_path, lives):
    """`p2pfw join` where no node runs: the files are ready for it, and what was named before stays named."""
    a = await lives(configured(tmp_path, "a", owner=1)).up()
    config = configured(tmp_path, "b")
    store = SqliteStore.open(config.node.state_dir)
    friend = PeerRow(id=bytes(31) + b"\7", owner=bytes(31) + b"\7", name="friend", trust=0.9)
    await store.commit(Put(row=friend))
    await store.close()
    token = (await a.app.invite(schema.InviteRequest())).token
    answer = await asyncio.to_thread(join_offline, config, token, 0.3)
    assert answer.nodes == 2
    b = await lives(config).up()

    assert b.node.assembly.domain.me.owner == a.node.assembly.domain.me.owner
    assert b.node.assembly.book.get(friend.id).trust == 0.9
    await b.until(lambda: b.node.assembly.peering.sessions)


async def test_stopping_waits_for_nothing_that_nobody_does_any_more(tmp_path, lives):
    """A trust edit that waits for verdicts when the signal comes does not hold the process up."""
    life = await lives(configured(tmp_path, "a")).up()

    async def for_ever() -> None:
        await asyncio.Event().wait()

    life.node._spawn(for_ever())
    await life.stop()

    assert life.task.done()
    life.node._spawn(for_ever())  # after the end: closed, not begun


async def test_trust_that_changes_often_is_resolved_once(tmp_path, lives):
    """A thousand certificates in one turn of the loop are one resolution."""
    life = await lives(configured(tmp_path, "a")).up()
    calls = []
    resolve = life.node.assembly.peers.resolve

    async def counted() -> None:
        calls.append(1)
        await resolve()

    life.node.assembly.peers.resolve = counted
    for _ in range(1_000):
        life.node._trust_changed()
    await life.until(lambda: calls)
    await asyncio.sleep(0.05)
    assert len(calls) == 1
    life.node._trust_changed()

    await life.until(lambda: len(calls) == 2)


def test_two_nodes_cannot_share_a_directory(tmp_path):
    """The second says who holds it, before it has touched anything."""
    config = configured(tmp_path, "a")
    with StateLock.take(config.node.state_dir), pytest.raises(AlreadyRunningError):
        run_node(config)


def test_check_validates_keys_and_touches_nothing(tmp_path):
    """`p2pfw run --check`: no database is made; a bad key file is an error."""
    config = configured(tmp_path, "a")
    assert run_node(config, check=True) == 0
    assert not list((tmp_path / "a").glob("*.sqlite*"))
    (tmp_path / "a/node.key").chmod(0o644)
    with pytest.raises(KeyFileError):
        run_node(config, check=True)


def test_check_tells_of_a_tls_certificate_that_cannot_be_used(tmp_path):
    """Of the rfw-compatible API: else the node would end at its start."""
    config = configured(tmp_path, "a")
    missing = Rfw(enabled=True, tls_cert=tmp_path / "gone.crt", tls_key=tmp_path / "gone.key")
    config = replace(config, api=replace(config.api, rfw=missing))

    with pytest.raises(ConfigError, match=r"gone\.crt \(api\.rfw\.tls_cert\) cannot be used"):
        run_node(config, check=True)


def test_a_certificate_for_another_key_is_refused(tmp_path):
    """A database that was copied without its key must not speak in its name."""
    config = configured(tmp_path, "a", owner=1)
    keys = read_keys(config, {})
    other = certify(keys.owner_key, NodeId(bytes(32)), serial=1, not_before=0, not_after=DAY, uses=Uses.ALL).encode()
    with pytest.raises(KeyFileError, match="another node key"):
        read_keys(config, {CERTIFICATE_SETTING: other.hex()})


def test_the_owner_key_of_before_a_join_is_not_used(tmp_path):
    """Renewing with it would leave the fleet again."""
    config = configured(tmp_path, "a", owner=1)
    keys = read_keys(config, {})
    assert keys.owner_key is not None
    assert keys.certificate is None
    joined = certify(
        SigningKey((2).to_bytes(32)),
        NodeId(keys.node.public_key),
        serial=1,
        not_before=0,
        not_after=DAY,
        uses=Uses.ALL,
    )
    after = read_keys(config, {CERTIFICATE_SETTING: joined.encode().hex()})

    assert after.certificate == joined
    assert after.owner_key is None


async def test_what_the_kernel_held_is_adopted_until_it_is_judged(tmp_path, lives):
    """A restart begins with what the kernel holds: hysteresis goes on, and nothing is removed before all is judged."""
    config = configured(tmp_path, "a")
    life = await lives(config).up()
    await life.app.block(schema.BlockRequest(prefix=BAD, ttl="1h", wait=True), CALLER)
    await life.stop()
    store = SqliteStore.open(config.node.state_dir)
    await store.commit(Setting(name="mode", value="enforce"))
    node = Node(config, store, store.settings(), no_enforcer)
    await node.assembly.ports.firewall.start()
    await node.assembly.ports.firewall.apply({Prefix.parse(BAD).key: 0}, [])
    node.assembly.modes.begin(store.settings())
    await node._assume_installed(node.assembly.enforcing.mode)
    await store.close()

    assert Prefix.parse(BAD).key in node.assembly.domain.adoption._before
