"""token: made, listed, revoked; secrets never stand in an argument."""

import json

from nacl.pwhash import argon2id

from p2pfw import schema
from tests.cli.samples import at

VIEW = schema.TokenView(name="grafana", scope="feeds", rate=10, created=at(days=-1), expires=at(days=2), used=None)


def test_the_secret_is_alone_on_standard_output(node, p2pfw):
    """So that it can be piped into a file of its own."""
    node.answer("POST", "/v1/tokens", schema.TokenAnswer(token="p2pfw-token-ab", view=VIEW), 201)

    done = p2pfw("token", "add", "grafana", "--scope", "feeds", "--ttl", "2d", "--rate", "10")

    assert (done.code, done.out) == (0, "p2pfw-token-ab\n")
    assert "not shown again" in done.err
    assert node.last.json == {"name": "grafana", "scope": "feeds", "ttl": "2d", "rate": 10}
    assert json.loads(p2pfw("--json", "token", "add", "x").out)["token"] == "p2pfw-token-ab"
    assert node.last.json == {"name": "x", "scope": "read", "ttl": "forever"}


def test_tokens_are_a_table(node, p2pfw):
    """Name, scope, rate, end, last use."""
    node.answer("GET", "/v1/tokens", schema.TokenList(tokens=[VIEW]))

    assert p2pfw("token", "list").out.splitlines()[1].split() == ["grafana", "feeds", "10/s", "in", "2d", "never"]
    assert p2pfw("--plain", "token", "list").out.split("\t")[:3] == ["grafana", "feeds", "10"]
    assert json.loads(p2pfw("--json", "token", "list").out)["schema"] == "p2pfw.tokens/1"


def test_revoking_says_what_it_did(node, p2pfw):
    """By name."""
    node.answer("DELETE", "/v1/tokens/grafana", b"", 204)

    assert p2pfw("token", "revoke", "grafana").err == "grafana opens nothing any more\n"
    assert p2pfw("token", "revoke", "other").code == 1


def test_a_password_becomes_its_argon2id_hash(p2pfw):
    """From standard input; too short a one is refused."""
    done = p2pfw("token", "rfw-password", stdin=b"correct horse\n")

    assert argon2id.verify(done.out.strip().encode(), b"correct horse")
    assert p2pfw("token", "rfw-password", stdin=b"short\n").code == 2
    assert json.loads(p2pfw("--json", "token", "rfw-password", stdin=b"correct horse\n").out)["password_hash"]


def test_a_password_is_generated_where_nobody_has_one(p2pfw):
    """Said once, apart from the hash that goes into the configuration; never the same."""
    first, second = (p2pfw("-q", "token", "rfw-password", "--generate") for _ in range(2))
    told = [done.err.removeprefix("the password is ").rstrip("\n") for done in (first, second)]

    assert argon2id.verify(first.out.strip().encode(), told[0].encode())
    assert len(told[0]) == 24
    assert told[0] != told[1]
    assert told[0] not in first.out
