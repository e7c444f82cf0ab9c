"""The node's side: asks the enforcer what firewall.kernel would be asked. Blocking calls, for adapter.py's threads.

A connection that breaks is an error of the call under way, and made anew by the next one, which then tells the enforcer
again what it must know before anything else: that it begins, the whitelist, and the local rules.
"""

import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import is_v6
from p2pfw.errors import FirewallError
from p2pfw.firewall.enforcer import protocol, rulecode
from p2pfw.firewall.enforcer.guard import objection_text
from p2pfw.firewall.enforcer.protocol import Columns, Frame, Kind, ProtocolError, Role
from p2pfw.firewall.enforcer.stream import receiver, send
from p2pfw.ports import FirewallSurvey, KernelReport, Shortfall

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds for an answer; more than any program is given. Loads get more."""
ENTRIES_PER_SECOND: Final = 2_000
"""A hundredth of what the kernel takes."""
Connect = Callable[[], socket.socket]
"""A new connection to the enforcer. FirewallError where there is none."""
_EXTRAS: Final = {Kind.ENTRIES: 1, Kind.COUNTS: 2, Kind.NO_ROOM: 0, Kind.REFUSED: 1}


class RemoteKernel:
    """`firewall.kernel.Kernel`, in the enforcer's process."""

    def __init__(self, connect: Connect, max_entries: int, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self._max_entries, self._clock = max_entries, clock
        self._work = _Line(connect, Role.WORK)
        self._look = _Line(connect, Role.LOOK)
        self._allowed: frozenset[int] | None = None
        self._local: tuple[LocalRule, ...] = ()
        self._begun = False

    def start(self) -> None:
        """See Kernel."""
        self._begun = True
        self._ask([Frame(Kind.START)])

    def membership(self) -> dict[int, int]:
        """See Kernel."""
        heard = self._ask([Frame(Kind.MEMBERSHIP)], self._max_entries)
        held: dict[int, int] = {}
        for part in heard.parts(Kind.ENTRIES):
            held |= protocol.read_entries(part, self._clock())
        return held

    def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        """See Kernel."""
        request = [*protocol.entries(add, self._clock), *protocol.keys_of(remove), Frame(Kind.APPLY)]
        return self._ask(request, len(add) + len(remove)).shortfall()

    def replace(self, block: Mapping[int, int]) -> Shortfall:
        """See Kernel."""
        kept, beyond = _roomy(block, self._max_entries)
        short = self._ask([*protocol.entries(kept, self._clock), Frame(Kind.REPLACE)], len(kept)).shortfall()
        return Shortfall(no_room=beyond | short.no_room, refused=short.refused)

    def allow(self, allow: frozenset[int]) -> None:
        """See Kernel."""
        self._allowed = allow
        self._ask(_allow(allow), len(allow))

    def enforce(self) -> None:
        """See Kernel."""
        self._ask([Frame(Kind.ENFORCE)])

    def release(self) -> tuple[str, ...]:
        """See Kernel."""
        self._local = ()
        return self._ask([Frame(Kind.RELEASE)]).value(tuple[str, ...])

    def check(self, expected4: int, expected6: int, *, repair: bool = True) -> KernelReport:
        """See Kernel."""
        return self._ask([protocol.check(expected4, expected6, repair=repair)]).value(KernelReport)

    def counters(self, key: int) -> tuple[int, int] | None:
        """See Kernel."""
        heard = self._look.ask([protocol.counters(key)])
        return heard.tallies().get(key)

    def survey(self) -> FirewallSurvey:
        """See Kernel."""
        return self._look.ask([Frame(Kind.SURVEY)]).value(FirewallSurvey)

    def tallies(self) -> dict[int, tuple[int, int]]:
        """See Kernel."""
        return self._look.ask([Frame(Kind.TALLIES)], self._max_entries).tallies()

    def local(self, wanted: Sequence[LocalRule]) -> Mapping[LocalRule, str]:
        """See ports.Firewall.local."""
        self._local = tuple(wanted)
        heard = self._ask(_local(self._local), len(wanted))
        texts = heard.value(list[str])
        return dict(zip(heard.rules, texts, strict=False))

    def local_counters(self) -> dict[LocalRule, rulecode.Counted]:
        """See Kernel."""
        heard = self._ask([Frame(Kind.LOCAL_COUNTERS)])
        return dict(zip(heard.rules, heard.counted, strict=False))

    def close(self) -> None:
        """Nothing more is asked."""
        self._work.close()
        self._look.close()

    def _ask(self, request: Iterable[Frame], entries: int = 0) -> "Heard":
        if self._work.open():  # an enforcer that knows nothing of us yet
            try:
                if self._begun:
                    self._work.ask([Frame(Kind.START)])
                if self._allowed is not None:
                    self._work.ask(_allow(self._allowed), len(self._allowed))
                if self._local:
                    self._work.ask(_local(self._local), len(self._local))
            except FirewallError:
                self._work.close()
                raise
        return self._work.ask(request, entries)


def release(connect: Connect) -> tuple[str, ...]:
    """Everything of ours out of the kernel, also where the node is dead, or hangs; what was removed. FirewallError."""
    line = _Line(connect, Role.PANIC)
    try:
        return line.ask([Frame(Kind.RELEASE)]).value(tuple[str, ...])
    finally:
        line.close()


class Heard:
    """One whole answer."""

    def __init__(self) -> None:
        self._parts: list[tuple[Kind, Columns]] = []
        self.rules: list[LocalRule] = []
        self.counted: list[rulecode.Counted] = []
        self._value = b""

    def take(self, frame: Frame) -> bool:
        """One more frame; True when it was the last. FirewallError: the enforcer says no. ProtocolError."""
        if frame.kind is Kind.FAILED:
            raise protocol.read_failed(frame.payload)
        if frame.kind is Kind.DONE:
            self._value = frame.payload
            return True
        if frame.kind is Kind.RULES:
            self.rules += rulecode.read(frame.payload)
            return False
        if frame.kind is Kind.COUNTED:
            self.counted += rulecode.read_counted(frame.payload)
            return False
        if frame.kind not in _EXTRAS:
            raise ProtocolError(f"{frame.kind.name} is no part of an answer")
        self._parts.append((frame.kind, protocol.unpack(frame.payload, _EXTRAS[frame.kind])))
        return False

    def parts(self, kind: Kind) -> Iterable[Columns]:
        """The columns of one kind."""
        return (columns for found, columns in self._parts if found is kind)

    def value(self, form: type[T]) -> T:
        """What DONE carried."""
        try:
            return msgspec.msgpack.decode(self._value, type=form)
        except msgspec.MsgspecError as error:
            raise FirewallError(f"the enforcer's answer cannot be read ({error}): restart both") from None

    def tallies(self) -> dict[int, tuple[int, int]]:
        """(packets, bytes) by key."""
        return {
            key: (packets, octets)
            for part in self.parts(Kind.COUNTS)
            for key, packets, octets in zip(part, *part.extras, strict=True)
        }

    def shortfall(self) -> Shortfall:
        """What was left out."""
        refused = {
            key: objection_text(number)
            for part in self.parts(Kind.REFUSED)
            for key, number in zip(part, part.extras[0], strict=True)
        }
        no_room = frozenset(key for part in self.parts(Kind.NO_ROOM) for key in part)
        return Shortfall(no_room=no_room, refused=refused)


class _Line:
    """One connection, made when it is needed."""

    def __init__(self, connect: Connect, role: Role) -> None:
        self._connect, self._role = connect, role
        self._connection: socket.socket | None = None

    def open(self) -> bool:
        """Connect, unless that is so already; True when it was not. FirewallError."""
        if self._connection is not None:
            return False
        self._connection = self._connect()
        try:
            self._exchange([protocol.hello(self._role)], 0)
        except FirewallError:
            self.close()
            raise
        return True

    def ask(self, request: Iterable[Frame], entries: int = 0) -> Heard:
        """Send a request and wait for its answer; `entries`: how many it is about. FirewallError."""
        self.open()
        return self._exchange(request, entries)

    def close(self) -> None:
        """What comes next connects anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(self, request: Iterable[Frame], entries: int) -> Heard:
        assert self._connection is not None  # noqa: S101 - for the type checker
        heard = Heard()
        try:
            send(self._connection, request)
            receive = receiver(self._connection, PATIENCE + entries / ENTRIES_PER_SECOND)
            while not heard.take(protocol.read_frame(receive)):
                pass
        except (EOFError, OSError, ProtocolError) as error:
            self.close()
            why = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise FirewallError(f"the enforcer does not answer ({why}); the kernel keeps what it holds") from None
        return heard


def _allow(keys: Collection[int]) -> list[Frame]:
    return [*protocol.keys_of(keys), Frame(Kind.ALLOW)]


def _local(rules: Collection[LocalRule]) -> list[Frame]:
    return [*rulecode.frames(rules), Frame(Kind.LOCAL)]


def _roomy(block: Mapping[int, int], most: int) -> tuple[Mapping[int, int], frozenset[int]]:
    """The first so many entries of each family, and the keys of the others."""
    if len(block) <= most:
        return block, frozenset()
    room = [most, most]
    kept: dict[int, int] = {}
    for key, end in block.items():
        six = is_v6(key)
        if room[six]:
            room[six] -= 1
            kept[key] = end
    return kept, frozenset(block.keys() - kept.keys())
