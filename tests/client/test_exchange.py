"""HTTP over the socket: what the node sends is read right, and every failure is an error of its own."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.client.errors import ClientError, DeniedError, LateError, UnreachableError
from p2pfw.client.exchange import Exchange, query, quoted
from p2pfw.client.place import Place


@contextmanager
def _server(path: Path, *pieces: bytes, hold: bool = False) -> Iterator[list[bytes]]:
    """Accepts once, reads a request, sends the pieces one by one, and closes (unless it holds on)."""
    received: list[bytes] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    done = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(65_536))
                for piece in pieces:
                    connection.sendall(piece)
                if hold:
                    done.wait(20)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield received
    finally:
        done.set()
        listener.close()
        thread.join()


def _ask(path: Path, timeout: float | None = 20) -> tuple[int, bytes]:
    with Exchange(Place(path=str(path)), timeout) as exchange:
        exchange.send("GET", "/v1/status", {"X-One": "1"}, b"")
        return exchange.status, exchange.read()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", b"lo"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r", b"\nhe\r\n3\r\nl", b"lo\r\n0\r\n\r\n"],
        [b"HTTP/1.0 200 OK\r\n\r\nhe", b"llo"],
    ],
)
def test_bodies_are_read_however_they_are_framed(socket_dir, pieces):
    """Sized, chunked, or ended by the end of the connection; cut anywhere by the network."""
    with _server(socket_dir / "s", *pieces):
        assert _ask(socket_dir / "s") == (200, b"hello")


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.integers(1, 40))
def test_lines_come_out_whole_however_the_chunks_fall(parts, width):
    """The body line by line is the body split at line ends."""
    import tempfile

    body = b"\n".join(parts)
    chunks = [body[at : at + width] for at in range(0, len(body), width)]
    sent = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks) + b"0\r\n\r\n"
    with tempfile.TemporaryDirectory(prefix="p2pfw-") as name:
        path = Path(name) / "s"
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with _server(path, head, sent), Exchange(Place(path=str(path)), 20) as exchange:
            exchange.send("GET", "/", {}, b"")
            lines = list(exchange.lines())

    expected = body.split(b"\n")
    assert lines == (expected[:-1] if not expected[-1] else expected)


def test_the_request_is_http_with_its_headers(socket_dir):
    """One request a connection, with what was asked for."""
    with _server(socket_dir / "s", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n") as received:
        assert _ask(socket_dir / "s") == (204, b"")

    lines = received[0].decode().split("\r\n")
    assert lines[0] == "GET /v1/status HTTP/1.1"
    assert {"Host: localhost", "Connection: close", "Content-Length: 0", "X-One: 1"} <= set(lines)


def test_a_body_of_parts_goes_out_in_chunks(socket_dir):
    """An import is not held in memory."""
    path, empty = socket_dir / "s", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with _server(path, empty) as received, Exchange(Place(path=str(path)), 20) as exchange:
        exchange.send("POST", "/", {}, iter([]))
        exchange.read()

    assert b"Transfer-Encoding: chunked" in received[0]


def test_an_answer_that_comes_before_the_body_was_read_is_heard(socket_dir):
    """The node refuses a list that is too large without reading it to its end."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}"
    with _server(socket_dir / "s", refusal), Exchange(Place(path=str(socket_dir / "s")), 20) as exchange:
        exchange.send("POST", "/", {}, (b"x" * 65_536 for _ in range(200)))

        assert exchange.status == 413


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"],
        [b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000],
    ],
)
def test_an_answer_that_is_cut_off_is_an_unreachable_node(socket_dir, pieces):
    """Half an answer is never taken for one."""
    with _server(socket_dir / "s", *pieces), pytest.raises(UnreachableError, match="before it had answered"):
        _ask(socket_dir / "s")


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_another_program_on_the_socket_is_no_node(socket_dir, banner):
    """Somebody's socket was named by mistake."""
    with _server(socket_dir / "s", banner), pytest.raises(UnreachableError, match="is no node"):
        _ask(socket_dir / "s")


def test_a_node_that_does_not_answer_in_time_is_a_time_out(socket_dir):
    """One deadline for everything, however much trickles in."""
    trickle = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"h"]
    with _server(socket_dir / "s", *trickle, hold=True), pytest.raises(LateError, match=r"within 0\.2 s"):
        _ask(socket_dir / "s", timeout=0.2)


def test_no_socket_is_an_unreachable_node_and_says_how_to_start_it(socket_dir):
    """What a person sees who forgot to start it."""
    with pytest.raises(UnreachableError, match="no node answers on") as error:
        _ask(socket_dir / "none")

    assert "p2pfw run" in error.value.hint


def test_a_socket_without_permission_names_the_group(socket_dir):
    """Not root, not in the group p2pfw."""
    inside = socket_dir / "closed"
    inside.mkdir()
    with _server(inside / "s", b""):
        with _without_rights(inside), pytest.raises(DeniedError, match="no permission") as error:
            _ask(inside / "s")
        with suppress(ClientError):
            _ask(inside / "s")

    assert "group p2pfw" in error.value.hint


@contextmanager
def _without_rights(directory: Path) -> Iterator[None]:
    """As a user who may not enter it, also when the tests are run by root."""
    directory.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        directory.chmod(0o700)


def test_what_is_not_a_path_is_encoded():
    """Prefixes stay readable; nothing can end the request line or begin a query."""
    assert quoted("203.0.113.0/24") == "203.0.113.0/24"
    assert quoted("2001:db8::/48") == "2001:db8::/48"
    assert quoted("a b?c#d\r\né") == "a%20b%3Fc%23d%0D%0A%C3%A9"


def test_a_query_leaves_out_what_was_not_said():
    """None and nothing are not sent; 0 is."""
    assert query({"a": "x/y&z", "b": None, "c": "", "d": 0}) == "?a=x%2Fy%26z&d=0"
    assert query({}) == ""
