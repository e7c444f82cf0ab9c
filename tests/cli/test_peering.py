"""peers, peer, invite, join on a running node, owner."""

import json

import pytest

from p2pfw import schema
from tests.cli.samples import NODE, OWNER, at, peer

ID_PATH = f"/v1/peers/{NODE}"


def test_peers_are_a_table(node, p2pfw):
    """Name, short id, state, trust, what is adopted by its word, address."""
    found = [
        peer(address="ws://berlin:7787", adopted=3, trust_for={"mail": 0.1}),
        peer(name="", state="unreachable", fleet=True, last_error="refused"),
    ]
    node.answer("GET", "/v1/peers", schema.PeerList(peers=found))

    assert p2pfw("peers").out == (
        "NAME    ID                STATE        TRUST           ADOPTED  ADDRESS\n"
        f"berlin  {NODE[:16]}  connected    0.40 mail 0.10  3        ws://berlin:7787\n"
        f"-       {NODE[:16]}  unreachable  fleet           0        refused\n"
    )
    rows = p2pfw("--plain", "peers").out.splitlines()
    assert rows[0].split("\t")[:5] == [NODE, OWNER, "berlin", "connected", "0.4"]
    assert json.loads(p2pfw("--json", "peers").out)["schema"] == "p2pfw.peers/1"


def test_an_owner_whose_nodes_are_listed_has_no_line_of_its_own(node, p2pfw):
    """At a terminal; scripts see every peer."""
    found = [peer(), peer(id=OWNER, name="helios"), peer(id="p2pfw1other", owner="p2pfw1other", name="juno")]
    node.answer("GET", "/v1/peers", schema.PeerList(peers=found))

    assert [line.split()[0] for line in p2pfw("peers").out.splitlines()] == ["NAME", "berlin", "juno"]
    assert len(p2pfw("--plain", "peers").out.splitlines()) == 3


def test_no_peers_are_no_table(node, p2pfw):
    """Nothing, not a head without a body."""
    node.answer("GET", "/v1/peers", schema.PeerList(peers=[]))

    assert p2pfw("peers").out == ""


def test_peer_show_leaves_out_what_is_not_known(node, p2pfw):
    """Everything else is there."""
    found = peer(
        since=at(hours=-1),
        round_trip_ms=12.4,
        clock_offset_ms=-80,
        certificate_expires=at(days=9),
        trust_from="configured",
    )
    node.answer("GET", "/v1/peers/berlin", found)

    out = p2pfw("peer", "show", "berlin").out

    assert out.startswith("berlin  connected\n")
    for line in ("trust        0.40  (configured)", "since        1h ago", "round trip   12 ms", "clock        -80 ms"):
        assert line in out
    assert "ends in 9d" in out
    assert "last error" not in out
    assert p2pfw("--plain", "peer", "show", "berlin").out.startswith(f"{NODE}\t{OWNER}\tberlin\t")


def test_peer_add_sends_what_was_said(node, p2pfw):
    """Trust by preset or number; addresses."""
    node.answer("PUT", ID_PATH, peer())

    assert p2pfw("peer", "add", NODE, "--trust", "pair", "--address", "ws://a:1", "--address", "ws://b:2").code == 0
    assert node.last.json == {"trust": "pair", "addresses": ["ws://a:1", "ws://b:2"]}

    p2pfw("peer", "add", NODE, "--trust", "0.5", "--name", "bonn")
    assert node.last.json == {"trust": 0.5, "name": "bonn"}


def test_peer_add_reads_a_file_of_keys(node, p2pfw, tmp_path):
    """Comment lines and one id; the file's name is the peer's."""
    node.answer("PUT", ID_PATH, peer())
    file = tmp_path / "helios.pub"
    file.write_text(f"# Helios hosting, admin@example.net\n\n{NODE[:20].upper()}-{NODE[20:]}\n")

    assert p2pfw("peer", "add", "--key", str(file)).code == 0
    assert node.last.json == {"name": "helios"}


@pytest.mark.parametrize(
    "content, problem",
    [
        ("# nothing\n", "holds 0 ids"),
        (f"{NODE}\n{NODE}\n", "holds 2 ids"),
        (f"{NODE[:-1]}x\n", "check characters"),
        ("P2PFW-SECRET-KEY v1\n", "not an id|an id has"),
    ],
)
def test_peer_add_refuses_a_file_that_is_no_key(p2pfw, tmp_path, content, problem):
    """With what is wrong; the node is not asked."""
    import re

    file = tmp_path / "x.pub"
    file.write_text(content)
    done = p2pfw("peer", "add", "--key", str(file))

    assert done.code == 2
    assert re.search(problem, done.err)


@pytest.mark.parametrize(
    "argv", [["add"], ["add", NODE, "--key", "x"], ["add", "--key", "/none.pub"], ["trust", "a", "much"]]
)
def test_slips_are_usage_and_the_node_is_not_asked(p2pfw, argv):
    """Two ids, none, a file that is not there, trust that is none."""
    assert p2pfw("peer", *argv).code == 2


def test_trust_for_all_or_for_one_category(node, p2pfw):
    """A preset's name stays one; per category the API takes numbers."""
    node.answer("PUT", "/v1/peers/berlin", peer())

    p2pfw("peer", "trust", "berlin", "solo")
    assert node.last.json == {"trust": "solo"}
    p2pfw("peer", "trust", "berlin", "pair", "--for", "mail")
    assert node.last.json == {"trust_for": {"mail": 0.4}}
    p2pfw("peer", "distrust", "berlin")
    assert node.last.json == {"distrust": True}


def test_forget_says_what_stays(node, p2pfw):
    """Run time only."""
    node.answer("DELETE", "/v1/peers/a/b", b"", 204)

    done = p2pfw("peer", "forget", "a/b")

    assert done.code == 0
    assert "configuration" in done.err


LINE = "p2pfw join p2pfw1.aa.bb.cc"
INVITE = schema.InviteAnswer(
    token="p2pfw1.aa.bb.cc", line=LINE, expires="2026-01-31T13:00:00Z", uses=1, fingerprint="p2pfw1ab-cdef"
)


def test_invite_prints_the_line_last_and_alone_on_stdout(node, p2pfw):
    """So that it can be piped; what surrounds it goes to stderr."""
    node.answer("POST", "/v1/invites", INVITE, 201)

    done = p2pfw("invite", "--guest", "--trust", "0.2", "--ttl", "2h", "--uses", "3")

    assert node.last.json == {"guest": True, "ttl": "2h", "uses": 3, "trust": 0.2}
    assert done.out == f"{LINE}\n"
    assert "p2pfw1ab-cdef" in done.err
    assert p2pfw("--plain", "invite").out == f"{LINE}\t1769864400\t1\tp2pfw1ab-cdef\n"
    assert p2pfw("invite", "--trust", "much").code == 2


def test_join_asks_the_running_node(node, p2pfw):
    """Its closing words, and both fingerprints."""
    answer = schema.JoinAnswer(
        fleet="acme",
        nodes=4,
        guest=False,
        network="demo",
        mode="observe",
        text="web-7 is now in fleet acme",
        fingerprint="a-b",
    )
    node.answer("POST", "/v1/join", answer)

    done = p2pfw("join", "p2pfw1.x.y.z", "--trust", "solo")

    assert node.last.json == {"token": "p2pfw1.x.y.z", "trust": 0.9}
    assert done == (0, "web-7 is now in fleet acme\n", "this node, to be compared: a-b\n")
    assert p2pfw("--plain", "join", "t").out == "acme\t4\t0\tdemo\tobserve\n"


def test_join_with_a_node_that_refuses_is_not_tried_again_here(node, p2pfw):
    """The node's word counts."""
    node.refuse("POST", "/v1/join", 400, "this token is damaged")

    assert p2pfw("join", "t") == (2, "", "p2pfw: this token is damaged\n")


def test_owner_on_a_running_node(node, p2pfw):
    """The fleet; renewing and revoking."""
    node.answer("GET", "/v1/owner", schema.OwnerView(owner_id=OWNER, holds_key=True, nodes=[peer(fleet=True)]))
    node.answer("POST", "/v1/owner/renew", schema.OwnerAnswer(text="renewed"))
    node.answer("POST", "/v1/owner/revoke", schema.OwnerAnswer(text="revoked"))

    assert p2pfw("owner", "show").out.startswith(f"owner  {OWNER}\n       the owner's key is on this node\nNAME")
    assert p2pfw("--plain", "owner", "show").out.startswith(f"owner\t{OWNER}\t1\n")
    assert p2pfw("owner", "renew").out == "renewed\n"
    assert p2pfw("owner", "revoke", "berlin", "--yes").out == "revoked\n"
    assert node.last.json == {"node": "berlin"}


def test_config_reload_says_what_changed_and_what_waits(node, p2pfw):
    """And what waits for a restart."""
    node.answer("POST", "/v1/reload", schema.ReloadAnswer(changed=["policy.allow"], needs_restart=["listen.peer"]))

    assert p2pfw("config", "reload").out == "changed: policy.allow\nafter a restart: listen.peer\n"
    node.answer("POST", "/v1/reload", schema.ReloadAnswer(changed=[]))
    assert p2pfw("config", "reload").out == "changed: nothing\n"
