"""No secret of a node in clear where others may look: logs, processes, answers, errors, the database.

A node that has one of each, with everything in its log, used and misused; then all that it said and kept is searched.
"""

import base64
import json
import re
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from nacl.pwhash import argon2id

from tests.e2e.fleet import children, until
from tests.e2e.publisher import publishing_on

API, RFW, PUBLISHER = "127.0.0.1:7788", "127.0.0.1:7390", 8_080
PASSWORD, HOOK, FEED, IN_URL = "correct-horse-9d1c", "hook-secret-77ab41", "feed-key-c0ffee51", "query-key-5eaf00d1"
HOOK_PATH = "T0-path-0badcafe"
QUESTIONS = (
    "/v1/status",
    "/v1/feeds",
    "/v1/tokens",
    "/v1/doctor",
    "/v1/peers",
    "/v1/owner",
    "/v1/list",
    "/v1/events?follow=0&since=0",
    "/v1/openapi.json",
    "/metrics",
)


class Node:
    """A node with secrets, and everything that it ever answered."""

    def __init__(self, server, publisher):
        self.server, self.publisher, self.said = server, publisher, []
        self.secrets = {"rfw password": PASSWORD, "webhook secret": HOOK, "feed key": FEED, "key in a URL": IN_URL}
        self.secrets["webhook path"] = HOOK_PATH

    def cli(self, *arguments, **options):
        done = self.server.cli(*arguments, check=False, **options)
        self.said.append(done.stdout + done.stderr)
        return done

    def curl(self, target, *options, at=API):
        done = self.server.host.run(["curl", "-sSi", *options, f"http://{at}{target}"], check=False)
        self.said.append(done.stdout)
        return done.stdout

    def keeps(self, what, secret):
        """Shown this once; from here on it is nobody else's business."""
        self.said.pop()
        self.secrets[what] = secret
        return secret


@pytest.fixture
def node(lone):
    """Secrets in files where they belong, a log of everything, a publisher and a webhook that fail."""
    hook, feed = lone.folder / "hook.secret", lone.folder / "feed.key"
    for file, secret in ((hook, HOOK), (feed, FEED)):
        file.write_text(secret + "\n")
        file.chmod(0o600)
    made = argon2id.str(PASSWORD.encode()).rstrip(b"\0").decode()
    lone.write_config()
    base = f"http://{lone.host.address}:{PUBLISHER}"
    text = lone.config.read_text().replace('http = ""', f'http = "{API}"')
    lone.config.write_text(
        f"""{text}
[api.rfw]
enabled = true
listen = ""
local_listen = "{RFW}"
local_auth = true
password_hash = "{made}"
[webhook]
url = "{base}/hook/{HOOK_PATH}?sig={IN_URL}"
events = ["*"]
secret_file = "{hook}"
[feed.failing]
url = "{base}/missing?key={IN_URL}"
key_file = "{feed}"
[feed.working]
url = "{base}/list?key={IN_URL}"
key_file = "{feed}"
minimum = 1
[feed.moved]
url = "{base}/moved?key={IN_URL}"
[feed.garbled]
url = "{base}/garbled?key={IN_URL}"
[feed.strange]
url = "{base}/echo?key={IN_URL}"
key_file = "{feed}"
format = "abuseipdb"
"""
    )
    with publishing_on(lone.host, PUBLISHER) as publisher:
        publisher.answers |= {"/echo": _echo, "/moved": _moved, f"/hook/{HOOK_PATH}": _garbled, "/garbled": _garbled}
        publisher.says("/list", "203.0.113.77\n")
        plain = lone.argv
        lone.argv = lambda *words: plain("-v", *words)
        lone.start(prefix=["env", "P2PFW_LOG=json"])
        yield Node(lone, publisher)


async def _echo(request):
    """A publisher that says back what it was sent, as error pages do."""
    return web.Response(text=f"{request.path_qs} {dict(request.headers)}", status=500)


async def _moved(request):
    """A publisher that sends on to where nobody may follow, with the query as it came."""
    return web.Response(status=302, headers={"Location": f"ftp://e.org{request.path_qs}"})


async def _garbled(request):
    """Something that speaks no HTTP."""
    request.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    request.transport.close()
    return web.Response()


def test_no_secret_is_told_or_kept_in_clear(node):
    """Not in a log, a command line, an answer, an error or the database; the files of keys are nobody else's."""
    server = node.server
    for name in ("node.key", "owner.key"):
        file = next(server.folder.parent.rglob(name))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        node.secrets[name] = _seed(file)
    _use(node)
    hooked, asked = f"/hook/{HOOK_PATH}", {"/missing", "/echo", "/list", "/moved", "/garbled"}
    until(lambda: {hooked, *asked} <= {one.path for one in node.publisher.seen})
    until(lambda: "webhook" in {line["code"] for line in server.api.status()["health"]})
    node.cli("feed", "list")
    node.cli("--plain", "feed", "list")
    node.cli("--json", "status")
    node.cli("--json", "doctor")
    living = b"".join(file.read_bytes() for file in server.state.glob("p2pfw.db*"))
    processes = [server.process.pid, *children(server.process.pid)]
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes]
    server.stop()

    places = {
        "the log": server.log.read_bytes(),
        "the process list": b"\n".join(lines),
        "what it answered": "\n".join(node.said).encode(),
        "the database in use": living,
        "the database": b"".join(file.read_bytes() for file in server.state.glob("p2pfw.db*")),
    }
    assert all(places.values())
    found = [
        (what, where) for what, secret in node.secrets.items() for where in places if _holds(places[where], secret)
    ]
    assert found == []


def _use(node):
    """Every secret in use, and misused."""
    admin = node.keeps("token", node.cli("token", "add", "boss", "--scope", "admin").stdout.split()[-1])
    feeds = node.keeps("feeds token", node.cli("token", "add", "fw", "--scope", "feeds").stdout.split()[-1])
    invite = node.keeps("invitation", node.cli("invite").stdout.strip().splitlines()[-1].split()[2])
    node.secrets["token with a slip"] = slip = f"{admin[:-2]}zz"
    for secret in (admin, feeds, slip, PASSWORD):
        for target in QUESTIONS:
            node.curl(target, "-H", f"Authorization: Bearer {secret}")
        node.curl("/v1/blocks", "-H", f"Authorization: Bearer {secret}", "-d", '{"prefix": "nonsense"}')
        node.curl(f"/v1/blocklist?token={secret}")
        node.curl(f"/v1/status?token={secret}")
        node.curl("/v1/decisions", "-H", f"X-Api-Key: {secret}")
    for user in (f"rfw:{PASSWORD}", f"rfw:{PASSWORD}x", f"{PASSWORD}:rfw"):
        node.curl("/list", "--user", user, at=RFW)
        node.curl("/drop/input/any/nonsense", "--user", user, "-X", "PUT", at=RFW)
    broken = invite[:-4] + "zzzz"
    for token in (invite, broken):
        node.cli("join", token)
        body = json.dumps({"token": token})
        node.curl("/v1/join", "-H", f"Authorization: Bearer {admin}", "-d", body)
    node.cli("feed", "refresh", "failing")
    node.cli("feed", "refresh", "strange")
    node.cli("feed", "list")
    node.cli("feed", "add", "withuser", "--url", f"http://me:{FEED}@127.0.0.1/list?key={IN_URL}")
    kept = node.server.config.read_text()
    node.server.config.write_text(kept.replace('[webhook]\nurl = "http', '[webhook]\nurl = "ftp'))
    assert "webhook.url" in node.cli("config", "reload").stderr
    node.cli("config", "check")
    node.server.config.write_text(kept)
    node.cli("status")
    node.cli("doctor")
    node.cli("config", "show")
    node.cli("config", "check")
    node.cli("peers")
    node.cli("events")


def _seed(file):
    """What a key file keeps secret, as it is written there."""
    return re.search(r"^data: (\S+)$", file.read_text(), re.MULTILINE)[1]


def _holds(data, secret):
    """In any spelling that a person would take for it."""
    raw = secret.encode()
    forms = {raw, quote(secret, safe="").encode(), raw.hex().encode()}
    forms |= {base64.b64encode(b"rfw:" + raw).rstrip(b"="), base64.b64encode(raw).rstrip(b"=")}
    if secret.endswith("="):  # a key's seed
        seed = base64.b64decode(secret)
        forms |= {seed, seed.hex().encode()}
    return any(form in data for form in forms)
