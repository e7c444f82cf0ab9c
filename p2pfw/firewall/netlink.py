"""The kernel's ipset without a program in between: one socket, one request at a time, each answered by the kernel.

A change takes microseconds where starting `ipset` takes a millisecond, and its errno is the kernel's own. Large loads
still go through `ipset restore`: docs/decisions/0007-single-changes-by-netlink.md. What the bytes mean is messages.py's
business. Blocking; for worker threads, one at a time.
"""

import errno
import os
import socket
import weakref
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Concatenate, Final, ParamSpec, TypeVar

from p2pfw.errors import FirewallError, PrivilegeError
from p2pfw.firewall import messages
from p2pfw.firewall.messages import BATCH, Reply
from p2pfw.firewall.parse import SetHeader

P = ParamSpec("P")
T = TypeVar("T")

NETLINK_NETFILTER: Final = 12
"""From linux/netlink.h; Python does not name it."""
ANSWER_SECONDS: Final = 10.0
_DATAGRAM: Final = 1 << 17
"""Bytes read at once: the kernel gives a long answer in parts of at most 32 KiB."""
_SEQUENCES: Final = (1 << 32) - 1


class IpsetLink:
    """A netlink socket that talks to ipset; whose sets they are was settled by where it was opened."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._socket.settimeout(ANSWER_SECONDS)
        self._sequence = 0
        weakref.finalize(self, sock.close)

    @classmethod
    def open(cls) -> "IpsetLink":
        """In this process's network namespace. FirewallError where the system gives no such socket."""
        try:
            return cls(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
        except OSError as error:
            raise FirewallError(f"the kernel's netfilter cannot be reached by netlink: {error.strerror}") from None

    def headers(self) -> list[SetHeader]:
        """Of all sets that there are."""
        return [messages.read_header(part) for part in self._answers("list the sets", messages.headers)]

    def add(self, name: str, members: Iterable[tuple[int, int]]) -> None:
        """Add (key, seconds left; 0 for no end) of one family; what is there gets the new end."""
        for batch in _batches(members):
            self._answers(f"put into {name}", messages.add, name, batch)

    def delete(self, name: str, keys: Iterable[int]) -> None:
        """Delete keys of one family; what is not there is no error."""
        for batch in _batches(keys):
            self._answers(f"take from {name}", messages.delete, name, batch)

    def _answers(
        self, what: str, build: Callable[Concatenate[int, P], bytes], *args: P.args, **kwargs: P.kwargs
    ) -> list[bytes]:
        """Send one request and read its whole answer: the contents, once the kernel has acknowledged or ended it."""
        self._sequence = self._sequence % _SEQUENCES + 1
        contents: list[bytes] = []
        try:
            self._socket.send(build(self._sequence, *args, **kwargs))
            while True:
                for reply in self._replies():
                    if reply.error is None:
                        contents.append(reply.payload)
                    elif reply.error:
                        raise _failure(what, reply.error)
                    else:
                        return contents
        except TimeoutError:
            raise FirewallError(f"ipset, {what}: no answer from the kernel within {ANSWER_SECONDS:g} s") from None
        except OSError as error:
            raise _failure(what, error.errno or 0) from None

    def _replies(self) -> list[Reply]:
        """Of one datagram; what is left over from a request that was given up is passed over."""
        data = self._socket.recv(_DATAGRAM)
        return [reply for reply in messages.replies(data) if reply.sequence == self._sequence]


def _failure(what: str, number: int) -> FirewallError:
    """The error for an errno, ipset's own ones too."""
    if number in (errno.EPERM, errno.EACCES):
        return PrivilegeError(
            f"no right to change the firewall (ipset, {what}: {os.strerror(number)}); run as root,"
            " or give the service CAP_NET_ADMIN and CAP_NET_RAW (AmbientCapabilities= in its unit)"
        )
    text = "there is no such set" if number == errno.ENOENT else messages.words(number) or os.strerror(number)
    return FirewallError(f"ipset, {what}: {text}")


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    """So many as one message takes."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
