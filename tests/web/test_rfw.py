"""Transcripts: what rfw's clients send, and exactly what they get. Codes and the word ERROR are rfw's, bodies JSON."""

import asyncio
import json

import pytest

from p2pfw.config import Api as Settings
from p2pfw.config import Endpoint, Rfw
from p2pfw.core.localrule import Chain, LocalRule, Target
from p2pfw.core.prefix import Prefix
from p2pfw.errors import ConfigError, DiskFullError, ListenError
from p2pfw.web.rfw import RfwApi, rfw_certificate
from tests.web.fake_operations import NOW, Block, FakeOperations
from tests.web.fake_rules import FakeRules
from tests.web.rfw_serving import basic, certificates, serving_rfw
from tests.web.serving import FixedClock

BAD = Prefix.parse("198.51.100.7").key
NOWHERE = {"num": "1", "pkts": "0", "bytes": "0", "prot": "all", "opt": "--", "inp": "*", "out": "*", "extra": ""}
ANYWHERE = {"source": "0.0.0.0/0", "destination": "0.0.0.0/0"}


def row(chain: str, target: str, **more: str) -> dict[str, str]:
    """A row as rfw lists it, in rfw's order."""
    fields = {**NOWHERE, **ANYWHERE, "chain": chain, "target": target, **more}
    names = ["chain", "num", "pkts", "bytes", "target", "prot", "opt", "inp", "out", "source", "destination", "extra"]
    return {name: fields[name] for name in names}


def done(modify: str, rule: dict[str, str], state: str, **more: str) -> dict:
    """The body of a change."""
    return {"modify": modify, "rule": rule, "expire": "", "state": state, "note": "", **more}


DROPPED = row("INPUT", "DROP", source="198.51.100.7")
ACCEPTED = row("INPUT", "ACCEPT", source="198.51.100.7")
REJECTED = row("INPUT", "REJECT", source="198.51.100.7", inp="eth0", extra="reject-with icmp-port-unreachable")

SUCCESSES = [
    ("PUT", "/drop/input/any/198.51.100.7", done("insert", DROPPED, "recorded", expire="86400")),
    ("PUT", "/drop/input/any/198.51.100.7/?expire=5m", done("insert", DROPPED, "recorded", expire="300")),
    ("PUT", "/DROP/INPUT/ANY/198.51.100.7?expire=0", done("insert", DROPPED, "recorded", expire="0")),
    ("PUT", "/accept/input/any/198.51.100.7?expire=60", done("insert", ACCEPTED, "observed", expire="60")),
    ("PUT", "/reject/input/eth0/198.51.100.7?wait=true", done("insert", REJECTED, "observed", expire="86400")),
    ("DELETE", "/drop/input/any/198.51.100.7", done("delete", DROPPED, "removed", note="there was none")),
    ("DELETE", "/accept/input/any/198.51.100.7", done("delete", ACCEPTED, "removed", note="there was none")),
    ("DELETE", "/reject/input/eth0/198.51.100.7", done("delete", REJECTED, "removed", note="there was none")),
    ("GET", "/list", []),
    ("GET", "/list/forward/", []),
]

FAILURES = [
    ("PUT", "/ban/input/any/1.2.3.4", "Incorrect path: /ban/input/any/1.2.3.4. The action should be one of drop, "),
    ("PUT", "/drop/nat/any/1.2.3.4", "Incorrect path: /drop/nat/any/1.2.3.4. The chain should be one of input, output"),
    ("PUT", "/drop/input/any", "Incorrect path: /drop/input/any. Not enough details to construct the rule"),
    ("PUT", "/drop/input/any/300.1.1.1", "Incorrect path: /drop/input/any/300.1.1.1. Incorrect IP address"),
    ("PUT", "/drop/input/any/1.2.3.4/8", "Incorrect path: /drop/input/any/1.2.3.4/8. Netmask must be in range from 9"),
    ("PUT", "/drop/input/any/0.0.0.0/0", "Incorrect path: /drop/input/any/0.0.0.0/0. Netmask must be in range from 9"),
    ("PUT", "/drop/input/any/2001:db8::/15", "Incorrect path: /drop/input/any/2001:db8::/15. Netmask must be in range"),
    ("PUT", "/drop/input/any/1.2.3.4/24/eth0", "Incorrect path: /drop/input/any/1.2.3.4/24/eth0. Too many details"),
    ("PUT", "/drop/input/any/1.2.3.4?expire=10u", "Incorrect expire parameter value"),
    ("PUT", "/drop/input/any/1.2.3.4?wait=yes", "Incorrect wait parameter value"),
    ("GET", "/drop/input/any/1.2.3.4?modify=flip", "Incorrect modify parameter value"),
    ("GET", "/drop/input/any/1.2.3.4?modify=insert", "Unrecognized command. Non-restful disabled."),
    ("GET", "/drop/input/any/1.2.3.4", "Unrecognized command. Non-restful disabled."),
    ("PUT", "/list", "Unrecognized command."),
    ("DELETE", "/", "Unrecognized command."),
    ("GET", "/list/nat", "Incorrect path: /list/nat. Wrong chain name for list command"),
    ("GET", "/list/input/eth0", "Incorrect path: /list/input/eth0. Too many details for the list command"),
    ("DELETE", "/drop/input/any/1.2.3.4/40", "Incorrect path: /drop/input/any/1.2.3.4/40. Netmask must be in range"),
]


@pytest.mark.parametrize(("method", "path", "body"), SUCCESSES)
@pytest.mark.parametrize("local", [False, True])
async def test_what_is_accepted_is_200_and_json(method, path, body, local):
    """On both doors alike; rfw's were no JSON."""
    async with serving_rfw() as served:
        reply = await served.ask(method, path, local=local)

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(reply.body) == body
    assert reply.body.endswith("\r\n")


@pytest.mark.parametrize(("method", "path", "text"), FAILURES)
async def test_what_is_wrong_is_400_and_says_error(method, path, text):
    """And nothing is done."""
    async with serving_rfw() as served:
        reply = await served.ask(method, path)

    assert reply.status == 400
    assert reply.body.startswith(f"ERROR: {text}")
    assert reply.body.endswith("\r\n")
    assert (served.operations.blocks, served.rules.rules) == ({}, {})


@pytest.mark.parametrize(
    "headers",
    [{}, basic(password="wrong"), basic(user="root"), {"Authorization": "Basic !"}, {"Authorization": "Bearer x"}],
    ids=["none", "password", "user", "no base64", "no Basic"],
)
async def test_without_the_password_it_is_401_and_a_challenge(headers):
    """Missing or wrong, in rfw's own form; what was asked is not looked at."""
    async with serving_rfw() as served:
        reply = await served.ask("PUT", "/ban", headers=headers, credentials=False)

    assert (reply.status, reply.body) == (401, "\r\n")
    assert reply.headers["WWW-Authenticate"] == 'Basic realm="private"'


async def test_a_source_that_is_no_client_is_403_once_it_has_the_password():
    """First 401, then 403, as in rfw; the list of clients is its own, nobody by default."""
    async with serving_rfw(clients=()) as served:
        wrong = await served.ask("GET", "/list", headers=basic(password="wrong"), credentials=False)
        right = await served.ask("GET", "/list")

    assert (wrong.status, right.status, right.body) == (401, 403, "\r\n")


async def test_other_methods_are_not_supported():
    """rfw's code for them."""
    async with serving_rfw() as served:
        reply = await served.ask("POST", "/drop/input/any/1.2.3.4")

    assert (reply.status, reply.body) == (501, "ERROR: Unsupported method ('POST')\r\n")


async def test_what_is_no_http_is_told_in_rfws_words():
    """A scanner's bytes."""
    async with serving_rfw() as served:
        reader, writer = await asyncio.open_connection(*served.local)
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    assert b"\r\n\r\nERROR: this is no HTTP request" in answer


async def test_the_root_says_what_there_is():
    """rfw had that to do."""
    async with serving_rfw() as served:
        reply = await served.ask("GET", "/")

    assert reply.status == 200
    assert "/list/input" in json.loads(reply.body)["GET"]


# --- what becomes of it ----------------------------------------------------------------------------------------------


async def test_a_drop_on_input_is_a_block_of_this_node():
    """Announced like any other, so not local; for as long as was asked; by whom is told."""
    async with serving_rfw() as served:
        await served.ask("PUT", "/drop/input/any/198.51.100.7?expire=60")

    assert served.operations.blocks == {BAD: Block(NOW + 60, reason="rfw")}
    assert served.operations.asked[0].local_only is False
    assert (served.operations.callers[0].name, served.operations.callers[0].address) == ("rfw:admin", "127.0.0.1")
    assert served.operations.welcomed[0].address == "127.0.0.1"


async def test_without_announce_a_drop_stays_here():
    """api.rfw.announce = false; and it is taken back here alone."""
    async with serving_rfw(announce=False) as served:
        await served.ask("PUT", "/drop/input/any/198.51.100.7")
        await served.ask("DELETE", "/drop/input/any/198.51.100.7")

    assert served.operations.asked[0].local_only is True
    assert served.operations.scopes == ["own"]
    assert served.operations.blocks == {}


@pytest.mark.parametrize(
    ("default", "query", "until"),
    [(86_400, "", NOW + 86_400), (None, "", 0), (86_400, "?expire=0", 0), (None, "?expire=2h", NOW + 7_200)],
)
async def test_expire_is_the_querys_else_the_defaults(default, query, until):
    """0 is for ever; so is a default without an end. For blocks and for rules."""
    async with serving_rfw(default_expire=default) as served:
        await served.ask("PUT", f"/drop/input/any/198.51.100.7{query}")
        await served.ask("PUT", f"/drop/output/any/198.51.100.7{query}")

    assert served.operations.blocks[BAD].until == until
    assert [view.until for view in served.rules.rules.values()] == [until]


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/drop/input/eth0/198.51.100.7", {"chain": Chain.INPUT, "target": Target.DROP, "in_interface": "eth0"}),
        ("/accept/input/ppp/198.51.100.7", {"chain": Chain.INPUT, "target": Target.ACCEPT, "in_interface": "ppp+"}),
        ("/reject/input/any/198.51.100.7", {"chain": Chain.INPUT, "target": Target.REJECT}),
        ("/drop/forward/any/198.51.100.7", {"chain": Chain.FORWARD, "target": Target.DROP}),
    ],
)
async def test_everything_else_is_a_rule_of_this_machine(path, rule):
    """The interface is honoured: rfw parsed it, showed it, and forgot it."""
    async with serving_rfw() as served:
        await served.ask("PUT", path)
        kept = list(served.rules.rules)
        await served.ask("DELETE", path)

    assert kept == [LocalRule(source=BAD, **rule)]
    assert served.rules.rules == {}
    assert served.operations.blocks == {}


async def test_a_duplicate_extends_and_never_shortens():
    """A block, a whitelist entry and a rule: rfw ignored what came second."""
    paths = ("/drop/input/any/198.51.100.7", "/accept/input/any/192.0.2.1", "/drop/output/any/198.51.100.7")
    async with serving_rfw() as served:
        for query in ("?expire=60", "?expire=1h", "?expire=60"):
            replies = [await served.ask("PUT", path + query) for path in paths]
            assert {reply.status for reply in replies} == {200}
        once = [served.operations.blocks[BAD].until, [view.until for view in served.rules.rules.values()]]
        entry = served.operations.allowed[Prefix.parse("192.0.2.1").key]
        await served.ask("PUT", f"{paths[1]}?expire=0")
        await served.ask("PUT", f"{paths[1]}?expire=60")

    assert once == [NOW + 3_600, [NOW + 3_600]]
    assert entry.expires == "2027-01-15T09:00:00Z"
    assert served.operations.allowed[Prefix.parse("192.0.2.1").key].expires is None


async def test_a_conflict_with_the_whitelist_is_400_both_ways():
    """A range around a whitelisted address, and an address within a whitelisted range; for rules as well."""
    async with serving_rfw() as served:
        await served.ask("PUT", "/accept/input/any/192.0.2.1")
        await served.ask("PUT", "/accept/input/any/203.0.113.0/24")
        served.rules.protected.add(Prefix.parse("192.0.2.1").key)
        replies = [
            await served.ask("PUT", path)
            for path in (
                "/drop/input/any/192.0.2.0/24",
                "/drop/input/any/203.0.113.9",
                "/drop/output/any/192.0.2.0/24",
                "/drop/input/any/0.0.0.0/0",
            )
        ]

    assert [reply.status for reply in replies] == [400] * 4
    words = "ERROR: Ignoring the request conflicting with the whitelist"
    assert [reply.body.startswith(words) for reply in replies] == [True, True, True, False]
    assert (served.operations.blocks, served.rules.rules) == ({}, {})


async def test_wait_waits_for_the_kernel_and_says_when_it_does_not_follow():
    """rfw parsed it and never honoured it. What is kept and not in force is no success for who waits."""
    async with serving_rfw() as served:
        served.operations.mode = "enforce"
        block = await served.ask("PUT", "/drop/input/any/198.51.100.7?wait=true")
        rule = await served.ask("PUT", "/drop/output/any/198.51.100.7?wait=true")
        not_waited = await served.ask("PUT", "/drop/output/any/198.51.100.7")
        served.operations.unfollowed = served.rules.unfollowed = "the kernel is on holiday"
        failed = [await served.ask("PUT", f"/drop/{way}/any/198.51.100.8?wait=true") for way in ("input", "output")]

    assert [json.loads(one.body)["state"] for one in (block, rule, not_waited)] == [
        "installed",
        "installed",
        "recorded",
    ]
    assert served.rules.waited == [True, False, True]
    words = "ERROR: kept, but the kernel does not have it yet: the kernel is on holiday\r\n"
    assert [(one.status, one.body) for one in failed] == [(503, words)] * 2


async def test_what_the_kernel_still_has_is_not_removed():
    """Taken out of the node's book and still in force is no success for who waits, nor for who unblocks."""
    async with serving_rfw() as served:
        served.operations.mode = "enforce"
        for path in ("/drop/input/any/198.51.100.8", "/drop/output/any/198.51.100.8"):
            await served.ask("PUT", path)
        served.operations.unfollowed = served.rules.unfollowed = "the kernel is on holiday"
        failed = [await served.ask("DELETE", f"/drop/{way}/any/198.51.100.8?wait=true") for way in ("input", "output")]

    words = "ERROR: taken out, but the kernel may still have it: the kernel is on holiday\r\n"
    assert [(one.status, one.body) for one in failed] == [(503, words)] * 2


async def test_trouble_of_the_node_is_no_success():
    """The disk is full: rfw answered 200 for ever after its worker had died."""
    async with serving_rfw() as served:
        served.operations.trouble = DiskFullError("no room left")
        full = await served.ask("PUT", "/drop/input/any/198.51.100.7")
        served.operations.trouble = RuntimeError("a slip of ours")
        slip = await served.ask("PUT", "/drop/input/any/198.51.100.7")
        served.operations.trouble = None
        well = await served.ask("PUT", "/drop/input/any/198.51.100.7")

    assert [full.status, slip.status, well.status] == [507, 500, 200]
    assert "slip" not in slip.body


async def test_a_delete_says_who_still_blocks_it():
    """Taking back this node's word does not take back others'."""
    async with serving_rfw() as served:
        served.operations.still = ["helios"]
        await served.ask("PUT", "/drop/input/any/198.51.100.7")
        reply = await served.ask("DELETE", "/drop/input/any/198.51.100.7")

    assert json.loads(reply.body)["note"] == "still blocked by helios"
    assert served.operations.scopes == ["owner"]


# --- changes by GET --------------------------------------------------------------------------------------------------


async def test_non_restful_changes_by_get_when_switched_on():
    """For old clients, with the password."""
    async with serving_rfw(non_restful=True) as served:
        put = await served.ask("GET", "/drop/input/any/198.51.100.7?modify=insert&expire=60")
        blocked = dict(served.operations.blocks)
        deleted = await served.ask("GET", "/drop/input/any/198.51.100.7?modify=delete")
        bare = await served.ask("GET", "/drop/input/any/198.51.100.7")

    assert (put.status, deleted.status, bare.status) == (200, 200, 400)
    assert blocked.keys() == {BAD}
    assert served.operations.blocks == {}
    assert "you need to provide modify parameter" in bare.body


async def test_non_restful_never_changes_without_the_password():
    """On the local door without local_auth any web page could do it with an image."""
    async with serving_rfw(non_restful=True) as served:
        reply = await served.ask("GET", "/drop/input/any/198.51.100.7?modify=insert", local=True)

    assert (reply.status, served.operations.blocks) == (400, {})


async def test_local_auth_asks_for_the_password_on_the_local_door():
    """rfw read that setting, and let everybody in."""
    async with serving_rfw(local_auth=True, non_restful=True) as served:
        without = await served.ask("PUT", "/drop/input/any/198.51.100.7", local=True)
        wrong = await served.ask("PUT", "/drop/input/any/198.51.100.7", local=True, headers=basic(password="wrong"))
        right = await served.ask("GET", "/drop/input/any/198.51.100.7?modify=insert", local=True, headers=basic())

    assert [without.status, wrong.status, right.status] == [401, 401, 200]
    assert served.operations.blocks.keys() == {BAD}


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["rebinding", "origin", "fetch"],
)
async def test_a_page_in_a_browser_does_not_reach_the_local_door(headers):
    """Neither by another name for this machine, nor from another site."""
    async with serving_rfw() as served:
        reply = await served.ask("PUT", "/drop/input/any/198.51.100.7", local=True, headers=headers)

    assert reply.status == 403
    assert reply.body.startswith("ERROR: ")
    assert served.operations.blocks == {}


# --- doors -----------------------------------------------------------------------------------------------------------


async def test_either_door_can_be_off():
    """Then there is one."""
    async with serving_rfw(listen=None) as local_only, serving_rfw(local_listen=None) as public_only:
        assert (len(local_only.api.addresses), len(public_only.api.addresses)) == (1, 1)
        assert (await local_only.ask("GET", "/list", local=True)).status == 200
        assert (await public_only.ask("GET", "/list")).status == 200


async def test_a_port_that_is_taken_closes_what_was_opened():
    """Both doors or none, and the error names the key of the configuration."""
    async with serving_rfw() as served:
        taken = Rfw(
            listen=Endpoint("127.0.0.1", 0),
            local_listen=Endpoint(*served.local),
            tls_cert=certificates() / "server.crt",
            tls_key=certificates() / "server.key",
        )
        api = RfwApi(FakeOperations(), FakeRules(), Settings(socket=certificates() / "none", rfw=taken), FixedClock())
        with pytest.raises(ListenError, match=r"api\.rfw\.local_listen"):
            await api.start()

    assert api.addresses == []


def test_the_certificate_of_the_api_serves_where_there_is_no_other(tmp_path):
    """And one that cannot be read is named."""
    pair = {"tls_cert": certificates() / "server.crt", "tls_key": certificates() / "server.key"}

    assert rfw_certificate(Settings(socket=tmp_path / "s", **pair))
    with pytest.raises(ConfigError, match="needs a certificate"):
        rfw_certificate(Settings(socket=tmp_path / "s"))
    missing = Rfw(tls_cert=tmp_path / "x.crt", tls_key=tmp_path / "x.key")
    with pytest.raises(ConfigError, match="cannot be used"):
        rfw_certificate(Settings(socket=tmp_path / "s", rfw=missing))
