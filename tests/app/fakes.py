"""The ports in memory: a clock that is told the time, a disk that can fill up, a kernel that can fail half-way.

Each keeps what its port promises and nothing more, so that a use case that leans on luck is found out. `Wires` connects
the nodes of one test without sockets: frames are carried only when the test says so, in order.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from p2pfw.core.announcement import AnnouncementId, RawAnnouncement
from p2pfw.core.identity import Certificate, NodeId
from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import is_v6
from p2pfw.core.token import key_hash
from p2pfw.errors import AdmissionError, DiskFullError, FeedError, FirewallError, HandshakeError, PeerError, StoreError
from p2pfw.ports import (
    Ban,
    DialState,
    DialTarget,
    FeedPlace,
    Fetched,
    FirewallSurvey,
    KernelReport,
    Neighbour,
    NotModified,
    PeerProof,
    PeerSession,
    SendClass,
    SessionListener,
    SessionStats,
    Shortfall,
)
from p2pfw.rows import (
    Drop,
    DropAnnouncements,
    Intention,
    IntentionRow,
    Put,
    PutAnnouncement,
    PutIntentions,
    Setting,
    Write,
)

START = 1_800_000_000
KERNEL_MAXIMUM = 2_147_483
IDENTITY = {
    "TokenRow": ("secret_hash",),
    "RuleRow": ("chain", "target", "in_interface", "out_interface", "from_key", "to_key"),
    "AllowRow": ("key",),
    "LocalRow": ("source", "key"),
    "IntentionRow": ("key",),
    "PeerRow": ("id",),
    "InviteRow": ("secret_hash",),
    "FeedRow": ("name",),
    "EvidenceRow": ("owner",),
    "ObservationRow": ("owner", "key", "what"),
}


class FakeClock:
    """Both clocks, moved by hand."""

    def __init__(self, wall: float = START) -> None:
        self.wall, self.mono = wall, 1_000.0
        self.ahead = 0.0

    def now(self) -> float:
        return self.wall

    def jump(self) -> float:
        return self.ahead

    def follow(self) -> None:
        self.wall, self.ahead = self.wall + self.ahead, 0.0

    def monotonic(self) -> float:
        return self.mono

    def pass_time(self, seconds: float) -> None:
        """Time passes on both clocks alike."""
        self.wall += seconds
        self.mono += seconds


class SkewedClock:
    """The same time, seen by a machine whose wall clock is wrong by `skew` seconds."""

    def __init__(self, clock: FakeClock, skew: float = 0.0) -> None:
        self.clock, self.skew = clock, skew

    def now(self) -> float:
        return self.clock.wall + self.skew

    def monotonic(self) -> float:
        return self.clock.mono

    def jump(self) -> float:
        return 0.0


# --- the disk ----------------------------------------------------------------------------------------------------


def identity(row: object) -> tuple[object, ...]:
    """What names a row within its table."""
    return tuple(getattr(row, name) for name in IDENTITY[type(row).__name__])


class FakeStore:
    """ports.Store. `posted` is not on disk until the next commit: `crash` loses it, as a power cut would."""

    def __init__(self, store_id: bytes = bytes(16)) -> None:
        self.store_id = store_id
        self.held: dict[AnnouncementId, tuple[RawAnnouncement, int, int]] = {}
        self.tables: dict[type, dict[tuple[object, ...], object]] = {}
        self.values: dict[str, object] = {}
        self.posted: list[Write] = []
        self.commits = 0
        self.failing = ""
        self.broken: type[StoreError] | None = None
        self.gate: asyncio.Event | None = None
        self.log: list[Write] = []

    def fill_up(self) -> None:
        """No room from now on."""
        self.broken, self.failing = DiskFullError, "no room left on the disk"

    def repair(self) -> None:
        """Room again."""
        self.broken, self.failing = None, ""

    def crash(self) -> None:
        """The power goes: what was only posted is lost."""
        self.posted.clear()

    async def commit(self, *writes: Write) -> None:
        group = [*self.posted, *writes]  # taken now: the order of calls is the order on disk
        self.posted = []
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken(self.failing or "the disk did not keep it")
        self.commits += 1
        self._write(group)

    async def commit_now(self, row: object) -> None:
        """One row."""
        await self.commit(Put(row=row))

    def post(self, *writes: Write) -> None:
        self.posted.extend(writes)

    def announcements(self) -> Iterator[tuple[RawAnnouncement, int]]:
        self._settle()
        ordered = sorted(self.held.values(), key=lambda held: held[1] not in (2, 3))
        return iter([(raw, recorded) for raw, _, recorded in ordered])

    def intentions(self):
        for row in self.rows(IntentionRow):
            columns = asdict(row)
            yield columns.pop("key"), Intention(**columns)

    def rows(self, table: type) -> list:
        self._settle()
        return list(self.tables.get(table, {}).values())

    def settings(self) -> dict[str, object]:
        self._settle()
        return dict(self.values)

    async def close(self) -> None:
        self._settle()

    def _settle(self) -> None:
        self._write(self.posted)
        self.posted = []

    def _write(self, writes: Sequence[Write]) -> None:
        self.log.extend(writes)
        for write in writes:
            match write:
                case PutAnnouncement():
                    self.held.setdefault(write.id, (write.raw, write.kind, write.recorded))
                case DropAnnouncements():
                    for one in write.ids:
                        self.held.pop(one, None)
                case Put():
                    self.tables.setdefault(type(write.row), {})[identity(write.row)] = write.row
                case PutIntentions():
                    for key in write.keys:
                        row = IntentionRow(key=key, **asdict(write.intention))
                        self.tables.setdefault(IntentionRow, {})[identity(row)] = row
                case Drop():
                    wanted = write.identity if isinstance(write.identity, tuple) else (write.identity,)
                    self.tables.get(write.table, {}).pop(wanted, None)
                case Setting():
                    if write.value is None:
                        self.values.pop(write.name, None)
                    else:
                        self.values[write.name] = write.value


# --- the kernel --------------------------------------------------------------------------------------------------


class FakeFirewall:
    """ports.Firewall. What it holds ends by its own clock, as a kernel's timeouts do; `calls` is what was asked."""

    def __init__(self, clock: FakeClock | SkewedClock) -> None:
        self.clock = clock
        self.block: dict[int, float] = {}
        self.allowed: set[int] = set()
        self.ruled = False
        self.exists = False
        self.calls: list[str] = []
        self.errors: deque[FirewallError | None] = deque()
        self.halfway = False
        self.repairs: list[str] = []
        self.suspect = False
        self.packets: dict[int, tuple[int, int]] = {}
        self.around = FirewallSurvey()
        self.watch: Callable[[str], None] | None = None
        self.room = 1 << 20
        self.refuses: dict[int, str] = {}
        self.rules: list[LocalRule] = []
        self.local_errors: list[FirewallError] = []
        self.refused_rules: dict[LocalRule, str] = {}
        self.counted_rules: dict[LocalRule, tuple[int, int]] = {}

    def fail(self, *errors: FirewallError | None) -> None:
        """The next calls fail with these; None lets one through."""
        self.errors.extend(errors)

    def held(self) -> dict[int, float]:
        """Keys that drop packets at this instant, with the seconds that they have left."""
        now = self.clock.monotonic()
        return {key: end - now for key, end in self.block.items() if end > now}

    async def start(self) -> None:
        self._called("start")

    async def membership(self) -> dict[int, int]:
        self._called("membership")
        await asyncio.sleep(0)
        wall = self.clock.now()
        return {key: int(wall + left) for key, left in self.held().items()}

    async def apply(self, add: Mapping[int, int], remove: Collection[int]) -> Shortfall:
        fits, short = self._fitting(add, len(self.held().keys() - set(remove)))
        self._called("apply", [lambda: self._add(fits), lambda: self._remove(remove)])
        await asyncio.sleep(0)
        return short

    async def replace(self, block: Mapping[int, int]) -> Shortfall:
        fits, short = self._fitting(block, None)
        self._called("replace", [self.block.clear, lambda: self._add(fits)], atomic=True)
        await asyncio.sleep(0)
        return short

    def _fitting(self, add: Mapping[int, int], held: int | None) -> tuple[dict[int, int], Shortfall]:
        """What goes in: not what is refused, and of the rest as much as there is room for, both families together."""
        refused = {key: self.refuses[key] for key in add if key in self.refuses}
        known = self.held().keys() if held is not None else frozenset[int]()
        new = [key for key in add if key not in refused and key not in known]
        beyond = frozenset(new[max(0, self.room - (held or 0)) :])
        fits = {key: end for key, end in add.items() if key not in refused and key not in beyond}
        return fits, Shortfall(no_room=beyond, refused=refused)

    async def allow(self, allow: Collection[int]) -> None:
        self._called("allow", [self.allowed.clear, lambda: self.allowed.update(allow)], atomic=True)
        await asyncio.sleep(0)

    async def enforce(self) -> None:
        self._called("enforce")
        self.ruled = self.exists = True

    async def release(self) -> None:
        self._called("release", [self.block.clear, self.allowed.clear])
        self.ruled = self.exists = False
        self.rules = []

    async def local(self, wanted: Sequence[LocalRule]) -> dict[LocalRule, str]:
        self._called("local")
        if self.local_errors:
            raise self.local_errors.pop(0)
        self.rules = list(wanted)
        await asyncio.sleep(0)
        return {rule: self.refused_rules[rule] for rule in wanted if rule in self.refused_rules}

    async def local_counters(self) -> dict[LocalRule, tuple[int, int]]:
        return {rule: self.counted_rules.get(rule, (0, 0)) for rule in self.rules if rule not in self.refused_rules}

    async def check(self, expected4: int, expected6: int, *, repair: bool = True) -> KernelReport:
        self._called("check" if repair else "look")
        await asyncio.sleep(0)
        held = self.held()
        if not repair:
            six, faults = sum(map(is_v6, held)), tuple(self.repairs)
            standing = self.ruled and not faults
            return KernelReport(enforcing=standing, entries4=len(held) - six, entries6=six, faults=faults)
        repaired, self.repairs = tuple(self.repairs), []
        suspect, self.suspect = self.suspect, False
        six = sum(map(is_v6, held))
        return KernelReport(
            enforcing=self.ruled,
            entries4=len(held) - six,
            entries6=six,
            repaired=repaired,
            membership_suspect=suspect or (not held and expected4 + expected6 > 0),
        )

    async def counters(self, key: int) -> tuple[int, int] | None:
        self._called("counters")
        return self.packets.get(key, (0, 0)) if key in self.held() else None

    async def survey(self) -> FirewallSurvey:
        self._called("survey")
        return self.around

    async def close(self) -> None:
        self._called("close")

    async def tallies(self) -> dict[int, tuple[int, int]]:
        self._called("tallies")
        return {key: counted for key, counted in self.packets.items() if key in self.held() and counted[0]}

    def flush(self) -> None:
        """Somebody runs `ipset flush`."""
        self.block.clear()

    def _called(self, name: str, parts: Sequence[Callable[[], object]] = (), *, atomic: bool = False) -> None:
        self.calls.append(name)
        if self.watch is not None:
            self.watch(name)
        error = self.errors.popleft() if self.errors else None
        done = parts if error is None else parts[:1] if self.halfway and not atomic else ()
        for part in done:
            part()
        if error is not None:
            raise error

    def _add(self, add: Mapping[int, int]) -> None:
        wall, now = self.clock.now(), self.clock.monotonic()
        self.exists = True
        for key, until in add.items():
            left = KERNEL_MAXIMUM if until == 0 else min(until - wall, KERNEL_MAXIMUM)
            self.block[key] = now + left

    def _remove(self, remove: Collection[int]) -> None:
        for key in remove:
            self.block.pop(key, None)


@dataclass
class FakeMachine:
    """ports.Machine."""

    own: list[Neighbour] = field(default_factory=list)
    near: list[Neighbour] = field(default_factory=list)
    connected: list[Neighbour] = field(default_factory=list)

    def hard(self) -> list[Neighbour]:
        return self.own

    def soft(self) -> list[Neighbour]:
        return self.near

    def clients(self) -> list[Neighbour]:
        return self.connected


# --- feeds -------------------------------------------------------------------------------------------------------


@dataclass
class FakeFeeds:
    """ports.FeedSource: lists by URL or path. What is not there cannot be fetched; `gate` keeps answers back."""

    lists: dict[str, Fetched] = field(default_factory=dict)
    errors: dict[str, FeedError] = field(default_factory=dict)
    asked: list[FeedPlace] = field(default_factory=list)
    gate: asyncio.Event | None = None

    def publish(self, place: str, text: str, *, etag: str = "", modified: str = "", date: int = 0) -> None:
        """This is the content from now on."""
        self.errors.pop(place, None)
        self.lists[place] = Fetched(data=text.encode(), etag=etag, modified=modified, date=date)

    async def fetch(self, place: FeedPlace) -> Fetched | NotModified:
        self.asked.append(place)
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        name = place.url or str(place.file)
        if name in self.errors or name not in self.lists:
            raise self.errors.get(name) or FeedError("HTTP 404 Not Found")
        found = self.lists[name]
        known = (found.etag and found.etag == place.etag) or (found.modified and found.modified == place.modified)
        return NotModified() if known else found


# --- sessions ----------------------------------------------------------------------------------------------------


class Wires:
    """All sessions of a test. Nothing travels but by `carry`."""

    def __init__(self) -> None:
        self.doors: dict[str, FakeTransport] = {}
        self.queue: deque[tuple[FakeTransport, PeerSession, bytes]] = deque()
        self.numbers = 0

    def carry(self, most: int = 100_000) -> int:
        """Deliver what waits, and what that causes; how many frames."""
        carried = 0
        while self.queue and carried < most:
            door, session, frame = self.queue.popleft()
            carried += 1
            if session in door.open:
                door.deliver(session, frame)
        return carried

    def next_number(self) -> int:
        self.numbers += 1
        return self.numbers


class FakeTransport:
    """ports.Transport. `url` is where it answers; `certificate` what it shows."""

    def __init__(self, wires: Wires, node: NodeId, listener: SessionListener, certificate: Callable[[], bytes]) -> None:
        self.wires, self.node, self.listener, self._certificate = wires, node, listener, certificate
        self.url = ""
        self.address = "127.0.0.1"
        self.open: dict[PeerSession, tuple[FakeTransport, PeerSession]] = {}
        self.targets: list[DialTarget] = []
        self.problems: dict[str, str] = {}
        self.banned: dict[NodeId, str] = {}
        self.down = False
        self.sent = 0

    @property
    def certificate(self) -> Certificate | None:
        shown = self._certificate()
        return Certificate.decode(shown) if shown else None

    # the port

    async def listen(self, address: str) -> str:
        self.url = f"ws://{address}"
        self.wires.doors[self.url] = self
        return address

    def dial(self, targets: Sequence[DialTarget]) -> None:
        self.targets = list(targets)

    async def dial_once(self, target: DialTarget) -> PeerSession:
        await asyncio.sleep(0)
        return self.connect(target)

    def send(self, session: PeerSession, frame: bytes, send_class: SendClass) -> bool:
        far = self.open.get(session)
        if far is None:
            return False
        self.sent += 1
        self.wires.queue.append((far[0], far[1], frame))
        return True

    def close(self, session: PeerSession, code: str, *, ban_s: int = 0) -> None:
        if ban_s:
            self.banned[session.node] = code
        far = self.open.pop(session, None)
        if far is None:
            return
        self.listener.closed(session, code)
        if far[0].open.pop(far[1], None) is not None:
            far[0].listener.closed(far[1], "bye")

    def sessions(self) -> list[PeerSession]:
        return list(self.open)

    def stats(self, session: PeerSession) -> SessionStats | None:
        if session not in self.open:
            return None
        return SessionStats(opened=START, bytes_in=1, bytes_out=2, frames_in=3, frames_out=self.sent, queued=0)

    def traffic(self) -> tuple[int, int]:
        return len(self.open), 2 * len(self.open)

    def dialling(self) -> list[DialState]:
        urls = {session.url for session in self.open}
        return [
            DialState(
                target=target,
                connected=target.url in urls,
                attempts=0,
                problem=self.problems.get(target.url, ""),
                retry_in=0.0,
            )
            for target in self.targets
        ]

    def bans(self) -> list[Ban]:
        return [Ban(node=node, reason=reason, seconds_left=3_600) for node, reason in self.banned.items()]

    async def stop(self) -> None:
        for session in list(self.open):
            self.close(session, "stopping")
        self.wires.doors.pop(self.url, None)

    # the wire

    def dial_all(self) -> None:
        """Call every target that is not connected yet, as the dialler would."""
        connected = {session.url for session in self.open} | {session.node for session in self.open}
        for target in self.targets:
            if target.url not in connected and target.node not in connected:
                try:
                    self.connect(target)
                except PeerError as error:
                    self.problems[target.url] = str(error)

    def connect(self, target: DialTarget) -> PeerSession:
        """One handshake, with the checks that the real one makes in its order."""
        far = self.wires.doors.get(target.url)
        if far is None or far.down:
            raise HandshakeError("unreachable", "nobody answers there")
        if (target.node is not None and far.node != target.node) or target.key_hash not in (b"", key_hash(far.node)):
            raise HandshakeError("wrong-node", "somebody else answers there")
        self.listener.admit(self._proof(far, b"", inbound=False))
        try:
            far.listener.admit(far._proof(self, target.token, inbound=True))
        except AdmissionError as error:
            far.listener.refused(self.address, self.node, error.code)
            raise
        near = self._session(far, target.url, target.token, inbound=False)
        there = far._session(self, "", target.token, inbound=True)
        self.open[near], far.open[there] = (far, there), (self, near)
        far.listener.opened(there)
        self.listener.opened(near)
        return near

    def deliver(self, session: PeerSession, frame: bytes) -> None:
        """A PeerError of the listener ends the session, and bans where the peer is to blame."""
        try:
            self.listener.received(session, frame)
        except PeerError as error:
            self.close(session, error.reason, ban_s=3_600 if error.blame else 0)

    def _proof(self, far: "FakeTransport", token: bytes, *, inbound: bool) -> PeerProof:
        return PeerProof(
            node=far.node,
            certificate=far.certificate,
            token=token,
            inbound=inbound,
            address=far.address,
            features=0,
        )

    def _session(self, far: "FakeTransport", url: str, token: bytes, *, inbound: bool) -> PeerSession:
        return PeerSession(
            number=self.wires.next_number(),
            node=far.node,
            certificate=far.certificate,
            inbound=inbound,
            address=far.address,
            url=url,
            token=token,
        )
