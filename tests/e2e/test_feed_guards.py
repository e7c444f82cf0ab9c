"""Feeds by command on a real node that enforces: what its publishers can do to it, over HTTP and HTTPS."""

import asyncio
import itertools
import re
import ssl
import threading
from pathlib import Path

import pytest

from p2pfw.store.certificates import Subject, make_authority, make_server
from tests.cli.terminal import at_terminal
from tests.e2e.fleet import Owner, Server, until
from tests.e2e.publisher import Endless, half, publishing_on
from tests.netns import lab_or_skip

HTTP, HTTPS = 8_080, 8_443
NUMBERS = itertools.count()
MOST = 33_554_432
"""feed.NAME.max_bytes, by default."""


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node that enforces, without feeds."""
    folder = tmp_path_factory.mktemp("feeds")
    with lab_or_skip() as lab:
        server = Server(lab.host("reader"), folder, Owner(folder))
        try:
            server.start()
            until(lambda: server.api.status()["enforcing"])
            yield server
        finally:
            server.close()
        assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def publisher(node):
    """Who publishes over HTTP."""
    with publishing_on(node.host, HTTP) as made:
        yield made


@pytest.fixture
def feed(node, publisher):
    """(name, path, members) of a feed of 200 hosts that was added by command and is in the kernel."""
    number = next(NUMBERS)
    name, path = f"feed{number}", f"/{number}.txt"
    members = [f"57.{number}.0.{host}" for host in range(200)]
    node.cli("feed", "add", name, "--url", publisher.says(path, "\n".join(members)))
    node.has(*members)
    yield name, path, members
    node.cli("feed", "remove", name)
    node.lacks(*members)


def listed(node, name):
    """(entries, problem) as `feed list` says it, for machines and for people."""
    rows = [line.split("\t") for line in node.cli("--plain", "feed", "list").stdout.splitlines()]
    (row,) = [row for row in rows if row[0] == name]
    assert row[-1] in node.cli("feed", "list").stdout
    return int(row[5]), row[-1]


def peak(node):
    """Bytes of memory that the node ever held."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def refused(node, feed, words):
    """`feed refresh` says so and exits with 1, `feed list` says it too, and all that was good is in the kernel."""
    name, _, members = feed
    done = node.cli("feed", "refresh", name, check=False)
    assert (done.returncode, words in done.stdout) == (1, True), done
    entries, problem = listed(node, name)
    assert entries == len(members)
    assert words in problem
    assert set(members) <= node.installed().keys()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (20, "90% would change (0 more, 180 fewer), 30% may"),
        ("0.0.0.0/0\n10.0.0.0/8\n" + "57.0.0.1\n" * 200, "0.0.0.0/0 is in it"),
        ("<!DOCTYPE html>\n<html><title>503</title>\n" + "57.2.0.1\n" * 200, "it is a web page"),
        ("", "the list has 0 usable entries, at least 10 are expected"),
    ],
    ids=["lost nine tenths", "every address", "error page", "empty"],
)
def test_a_wrong_list_changes_nothing(node, publisher, feed, wrong, words):
    """Refused whole with the reason; the next good one is taken and the complaint is over."""
    name, path, members = feed
    publisher.says(path, wrong if isinstance(wrong, str) else "\n".join(members[:wrong]))
    refused(node, feed, words)

    publisher.says(path, "\n".join(members[1:]))
    node.cli("feed", "refresh", name)
    assert listed(node, name) == (199, "")
    node.lacks(members[0])


def test_a_list_that_breaks_off_changes_nothing(node, publisher, feed):
    """Half a list would unblock the other half."""
    publisher.answers[feed[1]] = half
    refused(node, feed, "the connection broke before the end")


def test_an_endless_list_is_cut_and_costs_little_memory(node, publisher, feed, figure):
    """Ten gigabytes, told beforehand or not: read up to max_bytes, held in little more than that."""
    before = peak(node)
    publisher.answers[feed[1]] = endless = Endless()
    refused(node, feed, f"it has more than {MOST} bytes")

    grown = peak(node) - before
    figure(f"endless feed: {endless.sent / 1e6:.0f} MB taken, memory grew by {grown / 1e6:.0f} MB at its peak")
    assert endless.sent < 3 * MOST  # what waits in sockets and buffers comes on top
    assert grown < 3 * MOST


def test_a_large_loss_is_taken_when_it_is_accepted(node, publisher, feed):
    """--accept, this once: the kernel follows."""
    name, path, members = feed
    publisher.says(path, "\n".join(members[:20]))
    refused(node, feed, "90% would change")
    node.cli("feed", "refresh", name, "--accept")

    node.lacks(*members[20:])
    node.has(*members[:20])
    assert listed(node, name) == (20, "")
    publisher.says(path, "\n".join(members[:11]))
    assert node.cli("feed", "refresh", name, check=False).returncode == 1


def test_ten_slash_eight_is_left_out_and_the_rest_taken(node, publisher, feed):
    """Public lists do contain it: no reason to lose the others, and none to lose the office."""
    name, path, members = feed
    publisher.says(path, "\n".join(["10.0.0.0/8", "127.0.0.0/8", "58.1.1.0/24", *members]))
    said = node.cli("feed", "refresh", name).stdout

    assert "1 left out: wider than /10 or /24" in said
    assert "1 left out: special address space" in said
    node.has("58.1.1.0/24", *members)
    assert not {"10.0.0.0/8", "127.0.0.0/8"} & node.installed().keys()
    publisher.says(path, "\n".join(members))
    node.cli("feed", "refresh", name)


# --- HTTPS -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private authority."""
    folder = tmp_path_factory.mktemp("tls") / "ca"
    make_authority(folder)
    return folder


@pytest.fixture(scope="module")
def private(node, authority):
    """Who publishes over HTTPS, by the private authority."""
    made = make_server(authority, Subject.of((), (node.host.address,)))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    with publishing_on(node.host, HTTPS, context) as publisher:
        yield publisher


def test_a_private_authority_is_named_with_the_feed(node, private, authority):
    """In the kernel with ca_file; without it refused, with the reason and what to do."""
    hosts = [f"57.100.0.{host}" for host in range(50)]
    url = private.says("/list.txt", "\n".join(hosts))
    done = node.cli("feed", "add", "ours", "--url", url, check=False)
    assert done.returncode == 1
    assert f"the certificate of {node.host.address} is not good" in done.stdout
    assert "ca_file" in done.stdout
    assert listed(node, "ours")[0] == 0
    node.cli("feed", "remove", "ours")

    node.cli("feed", "add", "ours", "--url", url, "--ca-file", str(authority / "ca.crt"))
    node.has(*hosts)
    node.stop()
    node.start()  # kept with its authority
    node.cli("feed", "refresh", "ours")
    node.cli("feed", "remove", "ours")
    node.lacks(*hosts)


def test_https_is_not_given_up_by_a_redirect(node, private, publisher, authority):
    """To http, even on the same host: nobody is asked there."""
    elsewhere = publisher.says("/list.txt", "\n".join(f"57.101.0.{host}" for host in range(50)))
    url = private.says("/moved.txt", status=302, Location=elsewhere)
    asked = len(publisher.seen)
    done = node.cli("feed", "add", "moved", "--url", url, "--ca-file", str(authority / "ca.crt"), check=False)
    node.cli("feed", "remove", "moved")

    assert done.returncode == 1
    assert "it redirects from https" in done.stdout
    assert len(publisher.seen) == asked


# --- at a terminal -------------------------------------------------------------------------------------------------


def test_a_bar_shows_while_the_node_fetches(node, publisher, tmp_path):
    """feed test, add and refresh, and import, at a real terminal; a publisher that takes its time."""
    let_go = threading.Event()
    hosts = "\n".join(f"57.102.0.{host}" for host in range(50))
    url = publisher.says("/slow.txt", hosts)
    quick = publisher.answers["/slow.txt"]

    async def slow(request):
        await asyncio.to_thread(let_go.wait)
        return await quick(request)

    publisher.answers["/slow.txt"] = slow
    for command, words in (
        (["test", url], "fetching the list"),
        (["add", "slow", "--url", url], "fetching slow"),
        (["refresh", "slow"], "fetching slow"),
    ):
        let_go.clear()
        with at_terminal(node.argv("feed", *command), popen=node.host.popen) as terminal:
            try:
                terminal.shows(words)
            finally:
                let_go.set()
            assert "50 entries" in terminal.rest()[1]
    assert "fetching" not in node.cli("feed", "refresh", "slow").stderr
    node.cli("feed", "remove", "slow")

    (tmp_path / "list.txt").write_text(hosts)
    with at_terminal(node.argv("import", str(tmp_path / "list.txt")), popen=node.host.popen) as terminal:
        terminal.shows("sending")
        terminal.shows("parsed: 50 entries")
        assert "installed" in terminal.rest()[1]
