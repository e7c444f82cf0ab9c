"""Tokens: made, checked, ended; secrets are shown once and kept by nobody."""

import pytest

from p2pfw import schema
from p2pfw.app.tokens import MAX_TOKENS, USED_EVERY
from p2pfw.errors import ConflictError, InputError, NotFoundError
from p2pfw.operations import Granted
from p2pfw.rows import TokenRow
from tests.app.world import CALLER, Running, World


async def add(one: Running, name: str, **said: object) -> str:
    """The secret."""
    return (await one.beside(one.app.add_token(schema.TokenRequest(name=name, **said), CALLER))).token


async def test_a_token_opens_what_it_was_made_for_until_it_is_revoked():
    """Over a crash as well; the secret itself is nowhere but in the answer."""
    world = World()
    a = await world.node("a", owner=1)
    secret = await add(a, "grafana", scope="feeds", rate=5)
    await a.restart(crash=True)

    assert a.app.check_token(secret) == Granted("grafana", "feeds", 5)
    assert secret.startswith("p2pfw-token-")
    assert all(secret[12:] not in repr(row) for row in a.store.rows(TokenRow))
    assert all(secret not in repr(event) for event in a.events("token-added"))
    for wrong in ("", secret[:-1], secret + "0", secret.upper(), "p2pfw-token-", "\N{SNOWMAN}"):
        assert a.app.check_token(wrong) is None
    await a.beside(a.app.revoke_token("grafana", CALLER))
    assert a.app.check_token(secret) is None
    await a.restart(crash=True)
    assert a.app.check_token(secret) is None
    with pytest.raises(NotFoundError, match="grafana"):
        await a.app.revoke_token("grafana", CALLER)


async def test_a_token_ends_by_itself_and_leaves_its_name():
    """Then another may have it."""
    world = World()
    a = await world.node("a", owner=1)
    secret = await add(a, "lend", ttl="1h")
    with pytest.raises(ConflictError, match="lend"):
        await add(a, "lend")
    await world.advance(seconds=3_601)

    assert a.app.check_token(secret) is None
    other = await add(a, "lend")
    assert a.app.check_token(other).scope == "read"
    assert [one.expires for one in a.app.tokens().tokens] == [None]


async def test_its_last_use_is_known_to_the_hour():
    """For the operator who asks which may go; not a write a request."""
    world = World()
    a = await world.node("a", owner=1)
    secret = await add(a, "proxy")
    assert a.app.tokens().tokens[0].used is None
    a.app.check_token(secret)
    first = a.app.tokens().tokens[0].used
    await world.advance(seconds=USED_EVERY - 1)
    a.app.check_token(secret)
    assert a.app.tokens().tokens[0].used == first
    await world.advance(seconds=1)
    a.app.check_token(secret)

    assert a.app.tokens().tokens[0].used > first


async def test_their_number_is_bounded():
    """And says so."""
    world = World()
    a = await world.node("a", owner=1)
    for number in range(MAX_TOKENS):
        await add(a, f"t{number}")

    with pytest.raises(InputError, match="256"):
        await add(a, "more")
