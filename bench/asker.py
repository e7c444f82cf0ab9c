"""A client that asks as fast as it can over kept-alive connections: `python -m bench.asker ADDRESS COUNT CONNECTIONS`.

ADDRESS is the path of a socket, or host:port. Prints {"seconds": ..., "requests": ...}. Its own cost is small: bytes
made beforehand, no HTTP library.
"""

import json
import socket
import sys
import time

ASKED = 512
"""Different addresses that are asked for."""


def connect(address: str) -> socket.socket:
    if address.startswith("/"):
        made = socket.socket(socket.AF_UNIX)
        made.connect(address)
        return made
    host, _, port = address.rpartition(":")
    made = socket.create_connection((host, int(port)))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def questions(address: str) -> list[bytes]:
    host = "localhost" if address.startswith("/") else address
    return [
        f"GET /v1/why/45.70.{n // 128}.{1 + n % 128} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() for n in range(ASKED)
    ]


def answer(connection: socket.socket) -> None:
    """Read one response to its end."""
    data = connection.recv(65536)
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += connection.recv(65536)


def ask(address: str, count: int, connections: int) -> dict[str, float]:
    """All connections have a question open at any time, so that it is the server that is waited for."""
    asked, open_ones = questions(address), [connect(address) for _ in range(connections)]
    begin = time.perf_counter()
    for at in range(0, count, connections):
        for n, connection in enumerate(open_ones):
            connection.sendall(asked[(at + n) % ASKED])
        for connection in open_ones:
            answer(connection)
    took = time.perf_counter() - begin
    for connection in open_ones:
        connection.close()
    return {"seconds": took, "requests": -(-count // connections) * connections}


if __name__ == "__main__":
    print(json.dumps(ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
