"""What others wrote, at the operator's terminal: shown as it was written, acted upon by nothing.

Commands run at a real pseudo-terminal (script), beside a real node that holds such texts; its log is one line a fact.
"""

import json
import re
import shlex

import pytest
from aiohttp import web

from tests.e2e.fleet import Server, until
from tests.e2e.publisher import publishing_on

PUBLISHER = 8_080
MARKUP = "[red]x[/red] [/] [link=http://e.example]y[/link] :boom: [bold]"
"""Legal in a text of an operator, and a language of our own printer."""
ESCAPES = "\x1b[2J\x1b]52;c;QUFB\x07\x1b]8;;http://e.example\x07\x9b31m\u202egnp\r"
"""From a publisher: clear the screen, fill the clipboard, a hidden link, an 8-bit control, text from right to left."""
STYLE = re.compile(r"\x1b\[[0-9;]*m")
AT_TERMINAL = (
    ["list"],
    ["why", "203.0.113.9"],
    ["why", "192.0.2.77"],
    ["allow", "list"],
    ["feed", "list"],
    ["status"],
    ["doctor"],
    ["events"],
    ["--json", "status"],
)


@pytest.fixture
def node(lone: Server):
    """Holds a block and a whitelist entry with markup, and a feed whose publisher answers with escapes."""

    async def evil(_: web.Request) -> web.Response:
        return web.Response(text=f"{ESCAPES}\n<b>{ESCAPES}</b>\n", headers={"Content-Type": "text/html"})

    async def failing(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(f"HTTP/1.1 500 {ESCAPES.strip()}\r\nContent-Length: 0\r\n\r\n".encode())
        request.transport.close()
        return web.Response()

    async def garbled(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.write(f"{ESCAPES}\r\n".encode())
        request.transport.close()
        return web.Response()

    with publishing_on(lone.host, PUBLISHER) as publisher:
        publisher.answers |= {"/evil": evil, "/failing": failing, "/garbled": garbled}
        lone.extra = f'[webhook]\nurl = "{publisher.url("/garbled")}"\nevents = ["*"]\n'
        lone.start()
        lone.cli("block", "203.0.113.9", "--reason", MARKUP)
        lone.cli("allow", "add", "192.0.2.0/24", "--comment", MARKUP)
        for name in ("evil", "failing", "garbled"):
            lone.cli("feed", "add", name, "--url", publisher.url(f"/{name}"), check=False)
        until(lambda: "webhook" in {line["code"] for line in lone.api.status()["health"]})
        yield lone


def test_what_others_wrote_is_data_at_a_terminal_in_pipes_and_in_the_log(node: Server):
    """No control character but those of our own colours; markup letter by letter; columns and lines hold."""
    shown = {" ".join(words): at_terminal(node, *words) for words in AT_TERMINAL}
    piped = node.cli("--plain", "allow", "list").stdout
    feeds = node.cli("--plain", "feed", "list").stdout.splitlines()
    lines = [json.loads(line) for line in node.cli("--json", "events").stdout.splitlines()]

    assert {name: text for name, text in shown.items() if not is_harmless(text)} == {}
    assert MARKUP in shown["why 203.0.113.9"]
    assert MARKUP in shown["why 192.0.2.77"]
    assert [line.count("\t") for line in piped.splitlines()] == [3] * len(piped.splitlines())
    assert MARKUP in piped
    assert [row.split("\t")[0] for row in feeds] == ["evil", "failing", "garbled"]
    assert len({row.count("\t") for row in feeds}) == 1
    assert all(is_harmless(row.replace("\t", "")) for row in feeds)
    assert is_harmless(node.cli("--json", "doctor", check=False).stdout)
    assert {"block", "allow", "feed-failed"} <= {line["kind"] for line in lines}
    log = node.log.read_text()
    assert is_harmless(log)
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ (INFO|WARNING|ERROR) ", line) for line in log.splitlines())


def at_terminal(node: Server, *words: str) -> str:
    """What a command writes at a wide terminal."""
    line = f"stty cols 220; exec {shlex.join(node.argv(*words))}"
    done = node.host.run(["env", "TERM=xterm", "script", "-qec", line, "/dev/null"], check=False)
    assert done.stdout
    return done.stdout


def is_harmless(text: str) -> bool:
    """Nothing but printable characters and line ends remains when our own styles are taken away."""
    rest = STYLE.sub("", text).replace("\r\n", "\n").replace("\n", "")
    return rest.isprintable()
