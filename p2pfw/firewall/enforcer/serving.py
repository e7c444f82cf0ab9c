"""The enforcer's side of a connection: reads requests, asks the guard, does to the kernel what passes, answers.

One desk an enforcer, one thread a connection. At most one connection works; what it asks is done one thing at a time,
and PANIC waits for nothing but the change under way. A connection that sends what cannot be understood is ended; the
kernel keeps what it holds, and so it does when the node is gone.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from p2pfw.core.localrule import LocalRule
from p2pfw.core.ranges import is_canonical
from p2pfw.errors import FirewallError
from p2pfw.firewall.enforcer import protocol, rulecode
from p2pfw.firewall.enforcer.guard import MOST_RULES, Guard, Objection, objection_text
from p2pfw.firewall.enforcer.protocol import Columns, Frame, Kind, ProtocolError, Role
from p2pfw.firewall.enforcer.stream import receiver, send
from p2pfw.firewall.kernel import Kernel
from p2pfw.ports import Clock

log = logging.getLogger(__name__)

STUCK: Final = 60.0
"""Seconds that no single change takes: a million entries are loaded in ten."""
HANDOVER: Final = 2.0
"""Seconds in which the end of a node's last connection is noticed, while its next one waits."""
KNOW_EVERY: Final = 5.0
"""Seconds between two looks at the machine's own addresses."""
_ALLOWED: Final = {
    Role.WORK: protocol.REQUESTS - {Kind.HELLO},
    Role.LOOK: frozenset({Kind.COUNTERS, Kind.SURVEY, Kind.TALLIES}),
    Role.PANIC: frozenset({Kind.RELEASE}),
}
_DONE: Final = Frame(Kind.DONE)
Answer = Iterable[Frame]


class Desk:
    """What every connection of one enforcer shares. `own` gives this machine's addresses as keys."""

    def __init__(self, kernel: Kernel, max_entries: int, clock: Clock, own: Callable[[], Collection[int]]) -> None:
        self._kernel, self._clock, self._own = kernel, clock, own
        self.most_parts = 4 * max_entries
        """Entries and keys that one request may bring."""
        self._guard = Guard(max_entries, clock.monotonic(), own())
        self._known_at = clock.monotonic()
        self._changing = threading.Lock()
        self._working = threading.Lock()

    def begin(self, role: Role) -> bool:
        """A connection begins; False when another one works already."""
        return role is not Role.WORK or self._working.acquire(timeout=HANDOVER)

    def end(self, role: Role) -> None:
        """It is over."""
        if role is Role.WORK:
            self._working.release()

    def is_well(self) -> bool:
        """Whether changes come to an end, and the kernel can be read: what a watchdog wants to know."""
        if not self._changing.acquire(timeout=STUCK):
            return False
        try:
            self._kernel.look()
        except FirewallError as error:
            log.warning("the kernel cannot be read", extra={"error": str(error)})
            return False
        finally:
            self._changing.release()
        return True

    def answer(self, request: "Request") -> Answer:
        """Do it. FirewallError, ProtocolError."""
        if request.kind in _ALLOWED[Role.LOOK]:
            return self._look(request)
        with self._changing:
            return self._work(request)

    def _look(self, request: "Request") -> Answer:
        if request.kind is Kind.COUNTERS:
            key = protocol.read_one_key(request.payload)
            counted = self._kernel.counters(key) if is_canonical(key) else None
            return [*protocol.counts({key: counted} if counted else {}), _DONE]
        if request.kind is Kind.TALLIES:
            return [*protocol.counts(self._kernel.tallies()), _DONE]
        return [_done(self._kernel.survey())]

    def _work(self, request: "Request") -> Answer:
        kernel = self._kernel
        match request.kind:
            case Kind.START:
                kernel.start()
            case Kind.MEMBERSHIP:
                return self._membership()
            case Kind.APPLY | Kind.REPLACE:
                return self._change(request)
            case Kind.ALLOW:
                kernel.allow(self._guard.allow(request.keys()))
            case Kind.ENFORCE:
                kernel.enforce()
            case Kind.RELEASE:
                return [_done(kernel.release())]
            case Kind.LOCAL:
                return self._local(request.rules)
            case Kind.LOCAL_COUNTERS:
                return [*rulecode.counted_frames(list(kernel.local_counters().items())), _DONE]
            case Kind.CHECK:
                expected4, expected6, repair = protocol.read_check(request.payload)
                return [_done(kernel.check(expected4, expected6, repair=repair))]
            case _:
                raise ProtocolError(f"{request.kind.name} is no request of an open connection")
        return [_DONE]

    def _local(self, wanted: Sequence[LocalRule]) -> Answer:
        """LOCAL: what the guard lets through is put in; the others are named."""
        self._know()
        refused = self._guard.screen_rules(wanted, self._clock.now())
        self._kernel.local([rule for rule in wanted if rule not in refused])
        if refused:
            log.error("local rules refused", extra={"count": len(refused), "why": _why(refused)})
        return [*rulecode.frames(refused), _done([objection_text(number) for number in refused.values()])]

    def _know(self) -> None:
        """The machine's own addresses, read anew now and then."""
        now = self._clock.monotonic()
        if now - self._known_at >= KNOW_EVERY:
            self._guard.know(self._own())
            self._known_at = now

    def _membership(self) -> Answer:
        held = self._kernel.membership()
        self._guard.held(held)
        return chain(protocol.entries(held, self._clock.now), [_DONE])

    def _change(self, request: "Request") -> Answer:
        """APPLY or REPLACE."""
        guard, now = self._guard, self._clock.monotonic()
        self._know()
        fresh = request.kind is Kind.REPLACE
        passed = guard.screen(request.entries, self._clock.now())
        gone = request.keys()
        guard.spend(len(passed.entries) + len(gone), now)
        if not guard.covers(passed.entries, fresh=fresh):
            guard.held(self._kernel.membership())
            guard.must_cover(passed.entries, fresh=fresh)
        short = self._kernel.replace(passed.entries) if fresh else self._kernel.apply(passed.entries, gone)
        if passed.refused:
            log.error("entries refused", extra={"count": len(passed.refused), "why": _why(passed.refused)})
        return [*protocol.keys_of(short.no_room, Kind.NO_ROOM), *protocol.refused(passed.refused), _DONE]


class Request:
    """One request: its parts, then what to do with them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.kind = Kind.HELLO
        self.payload = b""
        self.entries: list[Columns] = []
        self.rules: list[LocalRule] = []
        self._keys: list[Columns] = []

    def take(self, frame: Frame) -> bool:
        """One more frame; True when it was the last. ProtocolError."""
        if frame.kind is Kind.ENTRIES:
            self._add(self.entries, protocol.unpack(frame.payload, extras=1))
        elif frame.kind is Kind.KEYS:
            self._add(self._keys, protocol.unpack(frame.payload))
        elif frame.kind is Kind.RULES:
            self.rules += rulecode.read(frame.payload)
            if len(self.rules) > MOST_RULES:
                raise ProtocolError(f"more than {MOST_RULES} local rules")
        elif frame.kind in protocol.REQUESTS:
            self.kind, self.payload = frame.kind, frame.payload
            return True
        else:
            raise ProtocolError(f"{frame.kind.name} is no part of a request")
        return False

    def keys(self) -> list[int]:
        """What the KEYS frames brought. ProtocolError when one is no prefix."""
        keys = [key for part in self._keys for key in part]
        if not all(map(is_canonical, keys)):
            raise ProtocolError("a key that is no prefix")
        return keys

    def _add(self, to: list[Columns], columns: Columns) -> None:
        to.append(columns)
        self._most -= len(columns)
        if self._most < 0:
            raise ProtocolError("a request with more entries than any has")


def serve(connection: socket.socket, desk: Desk) -> None:
    """One connection, to its end. Raises nothing that its other end could cause."""
    with connection:
        try:
            _serve(connection, desk)
        except ProtocolError as error:
            log.error("connection ended: not understood", extra={"error": str(error)})
            with contextlib.suppress(OSError):
                send(connection, [protocol.failed(FirewallError(f"not understood: {error}"))])
        except (EOFError, OSError) as error:
            log.debug("connection ended", extra={"error": str(error)})


def _serve(connection: socket.socket, desk: Desk) -> None:
    role = protocol.read_hello(_hello(connection))
    if not desk.begin(role):
        send(connection, [protocol.failed(FirewallError("the enforcer works for another node already"))])
        return
    try:
        send(connection, [_DONE])
        while True:
            request = _request(connection, desk.most_parts)
            if request.kind not in _ALLOWED[role]:
                raise ProtocolError(f"{request.kind.name} on a connection for {role.name}")
            try:
                answer = desk.answer(request)
            except FirewallError as error:
                answer = [protocol.failed(error)]
            send(connection, answer)
    finally:
        desk.end(role)


def _hello(connection: socket.socket) -> bytes:
    request = _request(connection, 0)
    if request.kind is not Kind.HELLO:
        raise ProtocolError(f"{request.kind.name} before HELLO")
    return request.payload


def _request(connection: socket.socket, most: int) -> Request:
    """The next one. It may be long until it begins."""
    request = Request(most)
    receive = receiver(connection, patience=None)
    while not request.take(protocol.read_frame(receive)):
        pass
    return request


def _done(value: object) -> Frame:
    return Frame(Kind.DONE, msgspec.msgpack.encode(value))


def _why(refused: Mapping[Any, Objection]) -> list[str]:
    return sorted({objection.name for objection in refused.values()})
