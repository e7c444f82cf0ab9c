"""A configured feed on a real node: a public list's shape, a real publisher, whitelist, restart, confirmation."""

import os
import sys
import time

import pytest

from tests.e2e.fleet import Owner, Server, until
from tests.formats import shapes

PORT = 8_080
NETS = {f"45.{net}.{host}.0/24" for net in (1, 2) for host in range(20)}
LEVEL1 = "\n".join(
    [
        "#",
        "# firehol_level1",
        "#",
        "# Maintainer      : http://iplists.example.net/",
        "#",
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        *sorted(NETS),
        "46.16.0.0/20",
        "198.18.0.0/15",
        "224.0.0.0/3",
        "",
    ]
)
HOST = "46.16.4.7"
AROUND = {
    "46.16.0.0/22",
    "46.16.4.0/30",
    "46.16.4.4/31",
    "46.16.4.6",
    "46.16.4.8/29",
    "46.16.4.16/28",
    "46.16.4.32/27",
    "46.16.4.64/26",
    "46.16.4.128/25",
    "46.16.5.0/24",
    "46.16.6.0/23",
    "46.16.8.0/21",
}


@pytest.fixture
def www(tmp_path):
    """What the publisher serves."""
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "level1.netset").write_text(LEVEL1)
    return folder


@pytest.fixture
def node(lab, tmp_path, www):
    """A node that observes, with one feed from a publisher on its own host and one whitelisted host."""
    (tmp_path / "owner").mkdir(mode=0o700)
    server = Server(lab.host("reader"), tmp_path, Owner(tmp_path / "owner"), mode="observe", backend="dryrun")
    publisher = server.host.popen(
        [sys.executable, "-m", "http.server", str(PORT), "--bind", server.host.address, "--directory", str(www)]
    )
    server.allow = [f"{HOST}/32"]
    server.extra = f'[feed.level1]\nurl = "http://{server.host.address}:{PORT}/level1.netset"\n'
    server.write_config()
    until(lambda: _listens(server))
    server.start()
    yield server
    server.close()
    publisher.terminate()
    publisher.wait()
    assert "Traceback" not in server.log.read_text()


def _listens(server):
    probe = f"import socket; socket.create_connection(('{server.host.address}', {PORT}), 5).close()"
    return server.host.run([sys.executable, "-c", probe], check=False).returncode == 0


def blocked(server):
    """What the node's list says, hosts without their length."""
    answer = server.api.request("GET", "/v1/blocklist?format=plain")
    assert answer.status == 200
    return set(answer.text.split())


def publish(path, text, *, age):
    """A list of so many seconds ago: Last-Modified knows no less than one."""
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


def reload(server):
    """The configuration is written and read again."""
    server.write_config()
    assert server.api.request("POST", "/v1/reload").status == 200


def test_a_public_list_becomes_the_right_one(node, www):
    """Special ranges go, the whitelisted host is cut out, a restart keeps it all, a confirmed change replaces it."""
    until(lambda: blocked(node) == NETS | AROUND)

    # the whitelist closes and opens holes, and nothing is fetched for that
    node.allow = []
    reload(node)
    until(lambda: blocked(node) == NETS | {"46.16.0.0/20"})
    node.api.allow("45.1.0.0/25")
    assert blocked(node) == NETS - {"45.1.0.0/24"} | {"45.1.0.128/25", "46.16.0.0/20"}

    # the publisher breaks, and the node with it: what was good still counts
    (www / "level1.netset").write_text("<!DOCTYPE html><title>Sorry</title>")
    node.kill()
    node.start()
    assert blocked(node) == NETS - {"45.1.0.0/24"} | {"45.1.0.128/25", "46.16.0.0/20"}
    node.extra += "max_bytes = 1048576\n"  # any change: looked at now
    reload(node)
    (line,) = until(lambda: [one for one in node.api.status()["health"] if one["code"] == "feed-guard"])
    assert "it is a web page" in line["text"]
    assert "46.16.0.0/20" in blocked(node)

    # another list altogether: refused, until the operator confirms it
    (www / "level1.netset").write_text("\n".join(f"47.0.0.{number}" for number in range(50)))
    node.extra += 'refresh = "5h"\n'
    reload(node)
    (line,) = until(lambda: [one for one in node.api.status()["health"] if "would change" in one["text"]])
    assert "p2pfw feed refresh level1 --accept" in line["remedy"]
    assert "46.16.0.0/20" in blocked(node)
    assert node.api.request("POST", "/v1/feeds/level1", {"accept": True}).json["entries"] == 50
    until(lambda: blocked(node) == {f"47.0.0.{number}" for number in range(50)})
    assert not [one for one in node.api.status()["health"] if one["code"].startswith("feed")]


def test_a_feed_at_run_time(node, www):
    """Added and blocked, changed and refreshed, cut off and refused, removed and gone; no word in the configuration."""
    url = f"http://{node.host.address}:{PORT}/drop.txt"
    publish(www / "drop.txt", shapes.dshield(shapes.nets(12)), age=200)
    asked = {"name": "drop", "url": url, "format": "dshield"}
    until(lambda: blocked(node) == NETS | AROUND)

    assert node.api.request("POST", "/v1/test-feed", asked).json["accepted"] is True
    assert blocked(node) == NETS | AROUND
    assert node.api.request("POST", "/v1/feeds", asked).status == 201
    until(lambda: blocked(node) == NETS | AROUND | set(shapes.nets(12)))

    publish(www / "drop.txt", shapes.dshield(shapes.nets(14)), age=100)
    assert node.api.request("POST", "/v1/feeds/drop").json["entries"] == 14
    until(lambda: blocked(node) == NETS | AROUND | set(shapes.nets(14)))
    publish(www / "drop.txt", shapes.dshield(shapes.nets(2)), age=0)
    assert "entries" in node.api.request("POST", "/v1/feeds/drop").json["problem"]
    assert blocked(node) == NETS | AROUND | set(shapes.nets(14))

    assert node.api.request("DELETE", "/v1/feeds/drop").status == 204
    until(lambda: blocked(node) == NETS | AROUND)
