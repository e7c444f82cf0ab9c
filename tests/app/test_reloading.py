"""The configuration read again: whitelist, peers, trust, policy; a bad file changes nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from p2pfw.config import load
from p2pfw.core.whitelist import COMMAND
from p2pfw.errors import ConfigError, FirewallError
from tests.app.world import Running, World, key, peer_id

BAD = "203.0.113.9"
BASE = """
[node]
name = "a"
network = "example"
state_dir = "/nowhere"
[policy]
allow_files = []
"""


async def node(world: World, tmp_path: Path, text: str = "", *, enforce: bool = False) -> Running:
    """A node that was started from a file."""
    path = tmp_path / "p2pfw.toml"
    mode = f'[enforcer]\nmode = "{"enforce" if enforce else "observe"}"\n'
    path.write_text(BASE + text + mode)
    a = await world.node("a", owner=1, start=False)
    a.who = replace(a.who, config=load(path))
    a._build()
    await a.start()
    a.judge()
    return a


def write(tmp_path: Path, text: str, mode: str = "observe") -> None:
    """Edit the file."""
    (tmp_path / "p2pfw.toml").write_text(f'{BASE}{text}[enforcer]\nmode = "{mode}"\n')


async def test_whitelist_edits_are_in_the_kernel_before_the_answer(tmp_path: Path):
    """Added entries exempt, removed ones do not any more; run-time entries stay."""
    world = World()
    a = await node(world, tmp_path, 'allow = ["198.51.100.0/24"]\n', enforce=True)
    await a.beside(a.block(BAD, wait=True))
    await a.beside(a.allow("192.0.2.7"))
    write(tmp_path, 'allow = ["203.0.113.0/24"]\n', "enforce")
    answer = await a.beside(a.app.reload())

    assert answer.changed
    assert not a.adopts(BAD)
    assert a.firewall.allowed == {key("203.0.113.0/24"), key("192.0.2.7")}
    assert {entry.source for entry in a.node.domain.whitelist.entries()} >= {COMMAND}
    write(tmp_path, "", "enforce")
    await a.beside(a.app.reload())
    assert a.drops(BAD)
    assert a.events("reload")


async def test_policy_and_peers_follow_the_file(tmp_path: Path):
    """Private space, default trust, peers with trust: judged before the answer."""
    world = World()
    a = await node(world, tmp_path)
    c = await world.node("c", owner=2)
    await world.know(c, a, trust=0.3)
    peer = f'[[peer]]\nid = "{peer_id(c)}"\nname = "helios"\ntrust = 0.9\naddresses = ["{c.transport.url}"]\n'
    write(tmp_path, "allow_private = true\ndefault_trust = 0.2\n" + peer)
    await a.beside(a.app.reload())
    world.dial(a)
    await c.block(BAD)
    await world.settle()
    await a.block("10.1.2.3")

    assert a.adopts(BAD)
    assert a.adopts("10.1.2.3")
    assert a.node.domain.trust.default == 0.2
    assert a.app.peer("helios").trust == 0.9
    write(tmp_path, "")
    await a.beside(a.app.reload())
    assert not a.adopts(BAD)
    assert not a.adopts("10.1.2.3")


async def test_a_bad_file_changes_nothing_and_is_reported(tmp_path: Path):
    """By command an error, by SIGHUP an event; the old configuration goes on."""
    world = World()
    a = await node(world, tmp_path, 'allow = ["198.51.100.0/24"]\n')
    write(tmp_path, 'allow = ["198.51.100.1/24"]\nallow_private = true\n')
    with pytest.raises(ConfigError):
        await a.app.reload()
    await a.reloading.hang_up()

    assert a.node.domain.whitelist.keys() == [key("198.51.100.0/24")]
    assert a.node.domain.policy.allow_private is False
    assert len(a.events("reload-failed")) == 1


async def test_a_kernel_that_does_not_follow_is_told(tmp_path: Path):
    """Read and judged, and the error says what is missing; SIGHUP survives it."""
    world = World()
    a = await node(world, tmp_path, enforce=True)
    await a.node.enforcing.step()
    a.firewall.fail(*[FirewallError("ipset: no luck")] * 100)
    write(tmp_path, 'allow = ["203.0.113.0/24"]\n', "enforce")
    with pytest.raises(FirewallError, match="does not follow"):
        await a.beside(a.app.reload())
    await a.beside(a.reloading.hang_up())

    assert a.node.domain.whitelist.keys() == [key("203.0.113.0/24")]
    assert a.events("reload-failed")


async def test_what_needs_a_restart_is_named(tmp_path: Path):
    """The network cannot change under a running node."""
    world = World()
    a = await node(world, tmp_path)
    (tmp_path / "p2pfw.toml").write_text(BASE.replace('name = "a"', 'name = "b"'))
    answer = await a.beside(a.app.reload())

    assert "node.name" in answer.needs_restart


async def test_what_serves_is_renewed_too_and_its_error_stops_the_rest(tmp_path: Path):
    """Certificates of open doors: read first, because an error must leave everything as it was."""
    world = World()
    a = await node(world, tmp_path)
    asked = []
    a.reloading.renewing.append(lambda: asked.append("renewed"))
    await a.beside(a.app.reload())

    def refuse() -> None:
        raise ConfigError("api.tls_cert and api.tls_key cannot be used")

    a.reloading.renewing.append(refuse)
    write(tmp_path, "allow_private = true\n")
    with pytest.raises(ConfigError, match=r"api\.tls_cert"):
        await a.app.reload()

    assert asked == ["renewed", "renewed"]
    assert a.node.domain.policy.allow_private is False
