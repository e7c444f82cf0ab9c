"""Followers of a real node: one that does not read costs the others nothing, and what was missed comes again."""

import contextlib
import http.client
import json
import socket
import threading

from p2pfw.app.events import RING
from p2pfw.web.following import MAX_FOLLOWERS
from tests.e2e.client import UnixConnection
from tests.e2e.fleet import until

BLOCKS = 3_000
MEGABYTE = 1 << 20


class Follower:
    """Reads a stream of server-sent events in a thread of its own; `ids` of what came."""

    def __init__(self, path, **headers):
        self.connection = UnixConnection(path)
        self.connection.request("GET", "/v1/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.ids = []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            for line in self.answer:
                if line.startswith(b"id: "):
                    self.ids.append(int(line[4:]))

    def close(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.answer.close()
        self.connection.close()


def silent(path):
    """Asks for events, and never reads."""
    made = socket.socket(socket.AF_UNIX)
    made.connect(str(path))
    made.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return made


def many_blocks(path, count, net):
    """One request each over one connection."""
    connection = UnixConnection(path)
    for number in range(count):
        body = json.dumps({"prefix": f"{net}.{number // 250}.{number % 250}", "ttl": 600})
        connection.request("POST", "/v1/blocks", body)
        assert connection.getresponse().read()
    connection.close()


def test_a_follower_that_does_not_read_costs_the_others_nothing(lone):
    """Whoever reads gets every event in order, and the node keeps little for those who do not."""
    lone.start()
    path = lone.api.path
    readers = [Follower(path) for _ in range(3)]
    mutes = [silent(path) for _ in range(20)]
    memory = lone.resident()
    many_blocks(path, BLOCKS, "61.1")
    last = newest(lone)
    until(lambda: all(one.ids and one.ids[-1] >= last for one in readers))

    assert all(one.ids == list(range(one.ids[0], one.ids[-1] + 1)) for one in readers)
    assert all(len(one.ids) >= 2 * BLOCKS for one in readers)
    assert lone.resident() - memory < 40 * MEGABYTE
    for one in (*readers, *mutes):
        one.close()


def test_what_was_missed_comes_again_and_what_is_too_old_shows_in_the_ids(lone):
    """From Last-Event-ID on without a hole; from before the ring on, the first id says how much is lost."""
    lone.start()
    path = lone.api.path
    many_blocks(path, 50, "62.1")
    known = newest(lone)
    many_blocks(path, 50, "62.2")
    back = Follower(path, **{"Last-Event-ID": str(known)})
    until(lambda: len(back.ids) >= 100)
    many_blocks(path, RING // 2, "62.3")
    late = Follower(path, **{"Last-Event-ID": "1"})
    until(lambda: late.ids and late.ids[-1] >= newest(lone))

    assert back.ids[:100] == list(range(known + 1, known + 101))
    assert late.ids[0] > 2
    assert len(late.ids) >= RING
    assert late.ids == list(range(late.ids[0], late.ids[-1] + 1))
    back.close()
    late.close()


def test_followers_are_bounded_and_a_place_is_free_again(lone):
    """One too many is told when to come again, and everything else is answered; whoever leaves makes room."""
    lone.start()
    path = lone.api.path
    places = [silent(path) for _ in range(MAX_FOLLOWERS)]
    assert all(one.recv(12) == b"HTTP/1.1 200" for one in places)
    assert asked(path) == (503, "30")
    assert lone.api.block("63.1.0.1", ttl=600)
    places.pop().close()

    def has_room():
        lone.api.block("63.1.0.2", ttl=600)  # what happens is written, and so is noticed that nobody is there
        return asked(path)[0] == 200

    until(has_room)
    for one in places:
        one.close()


def asked(path):
    """(status, Retry-After) of one who would follow."""
    connection = UnixConnection(path)
    connection.request("GET", "/v1/events")
    answer = connection.getresponse()
    found = answer.status, answer.getheader("Retry-After")
    connection.close()
    return found


def newest(server):
    """The id of the last event."""
    connection = UnixConnection(server.api.path)
    connection.request("GET", "/v1/events", headers={"Accept": "application/x-ndjson"})
    lines = connection.getresponse().read().splitlines()
    connection.close()
    return json.loads(lines[-1])["id"] if lines else 0
