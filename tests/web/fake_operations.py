"""A node in memory: implements operations.Operations for the tests of the web layer, without gossip, disk or kernel.

It keeps what it is told and answers truthfully about it; `trouble` makes the next change fail as a real node would.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace

from msgspec import structs

from p2pfw import schema
from p2pfw.core.duration import parse_ttl
from p2pfw.core.prefix import Prefix, covers, key_text, overlaps
from p2pfw.core.presets import parse_trust
from p2pfw.core.records import Category
from p2pfw.core.times import ending, rfc3339
from p2pfw.errors import ConflictError, InputError, NotAcceptableError, NotFoundError
from p2pfw.operations import AdoptedRow, Caller, Distribution, Granted, Measures, OwnBlock
from tests.web.fake_bouncing import FakeBouncing

NOW = 1_800_000_000
NODE_ID = "p2pfw1node"
RATE = 1_000_000
TOKENS = {
    f"{scope}-secret": Granted(name, scope, RATE)
    for name, scope in (("reader", "read"), ("feeds", "feeds"), ("writer", "write"), ("admin", "admin"))
}


@dataclass(frozen=True, slots=True)
class Block:
    """What is blocked, on which terms."""

    until: int
    category: str = "other"
    reason: str = ""


class FakeOperations:
    """Implements Operations."""

    def __init__(self) -> None:
        self.blocks: dict[int, Block] = {}
        self.feed_names = {"drop"}
        self.allowed: dict[int, schema.AllowEntry] = {}
        self.known_peers: dict[str, schema.PeerView] = {}
        self.mode: schema.ModeName = "observe"
        self.confirming: schema.Confirming | None = None
        self.unready = ""
        self.changes = 0
        self.granted = dict(TOKENS)
        self.check: Callable[[str], Granted | None] = self.granted.get
        self.bouncing = FakeBouncing()
        self.callers: list[Caller] = []
        self.welcomed: list[Caller] = []
        self.counters_asked: list[bool] = []
        self.ring: list[schema.Event] = []
        self.trouble: Exception | None = None
        self.trouble_in_import: Exception | None = None
        self.news = asyncio.Event()
        self.following = 0
        self.asked: list[schema.BlockRequest] = []
        self.scopes: list[str] = []
        self.still: list[str] = []
        """Who else blocks what is unblocked."""
        self.unfollowed = ""
        """Why the kernel does not have what somebody waits for."""
        self.gate: asyncio.Event | None = None
        """When set, an import waits for it before it records."""

    def check_token(self, secret: str) -> Granted | None:
        return self.check(secret)

    def tokens(self) -> schema.TokenList:
        views = [_token_view(one) for one in self.granted.values()]
        return schema.TokenList(tokens=sorted(views, key=lambda one: one.name))

    async def add_token(self, request: schema.TokenRequest, caller: Caller) -> schema.TokenAnswer:
        self._begin(caller)
        if any(one.name == request.name for one in self.granted.values()):
            raise ConflictError(f"there is a token {request.name!r}", overlap=request.name, field="name")
        _until(request.ttl)
        made = self.granted[f"secret-of-{request.name}"] = Granted(request.name, request.scope, request.rate)
        return schema.TokenAnswer(token=f"secret-of-{request.name}", view=_token_view(made))

    async def revoke_token(self, name: str, caller: Caller) -> None:
        self._begin(caller)
        found = next((secret for secret, one in self.granted.items() if one.name == name), None)
        if found is None:
            raise NotFoundError(f"no token {name!r}", field="name")
        del self.granted[found]

    def proven(self, event: schema.Event) -> schema.Event:
        return structs.replace(event, evidence=[{"header": "00", "signature": "00", "body": "00"}])

    @property
    def feeding(self) -> "FakeFeedDesk":
        return FakeFeedDesk(self)

    @property
    def trusting(self) -> "FakeTrust":
        return FakeTrust(self)

    def welcome(self, caller: Caller) -> bool:
        self.welcomed.append(caller)
        return True

    # --- reading ---------------------------------------------------------------------------------------------------

    def status(self) -> schema.Status:
        self._maybe_fail()
        return schema.Status(
            node_id=NODE_ID,
            owner_id="p2pfw1owner",
            name="fake",
            network="test",
            version="0",
            started=rfc3339(NOW),
            uptime=60,
            mode=self.mode,
            mode_origin="command",
            enforcing=self.mode == "enforce",
            confirming=self.confirming,
            adopted=len(self.blocks),
            installed=len(self.blocks) if self.mode == "enforce" else 0,
            pending=0,
            held=0,
            refused=0,
            announcements=self.changes,
            entries=len(self.blocks),
            whitelist=len(self.allowed),
            peers=0,
            peers_configured=len(self.known_peers),
            fleet=1,
            generation=self.changes,
            drift={"rule": 1},
            refusals={"bad-signature": 2},
        )

    def measures(self) -> Measures:
        nothing = Distribution(bounds=(0.1, 1.0), counts=(1, 2, 3), total=4.5)
        kept = {"adopted": len(self.blocks), "installed": self.status().installed, "held": 0, "refused": 0}
        return Measures(
            entries={("ipv4", state): count for state, count in kept.items()} | {("ipv6", state): 0 for state in kept},
            announcements={"own": self.changes, "recorded": 5, "duplicate": 6, "refused": 7},
            verdicts={("adopted", "operator"): len(self.blocks)},
            peers={name: view.state == "connected" for name, view in self.known_peers.items()},
            received=1_000,
            sent=2_000,
            propagation=nothing,
            sync=nothing,
            sync_failures=1,
            dropped_packets={"ipv4": 8, "ipv6": 9},
            dropped_bytes={"ipv4": 80, "ipv6": 90},
            feeds={"drop": (NOW, 3)},
            webhook={"delivered": 4, "dropped": 1, "waiting": 2},
        )

    def ready(self) -> str:
        return self.unready

    def generation(self) -> str:
        return f"fake-{self.changes}"

    async def adopted(self) -> Iterator[AdoptedRow]:
        return self._rows()

    def _rows(self) -> Iterator[AdoptedRow]:
        for key in sorted(self.blocks):
            block = self.blocks.get(key)
            if block is not None:
                yield AdoptedRow(
                    key=key, until=block.until, reason="operator", category=Category[block.category.upper()]
                )

    async def own_blocks(self) -> list[OwnBlock]:
        installed = self.mode == "enforce"
        return [OwnBlock(key=key, packets=2, bytes=168, installed=installed) for key in sorted(self.blocks)]

    def covering(self, prefix: Prefix) -> schema.BlocklistEntry | None:
        found = [key for key in self.blocks if covers(key, prefix.key)]
        if not found:
            return None
        key = max(found, key=lambda one: one & 0xFF)
        block = self.blocks[key]
        return schema.BlocklistEntry(
            prefix=key_text(key),
            reason="operator",
            expires=ending(block.until),
            category=block.category,
            installed=self.mode == "enforce",
        )

    async def why(self, prefix: Prefix, *, counters: bool = False) -> schema.Why:
        self._maybe_fail()
        self.counters_asked.append(counters)
        found = self.covering(prefix)
        return schema.Why(
            prefix=str(prefix),
            blocked=found is not None,
            dropped=found is not None and found.installed,
            matched=found.prefix if found else None,
            matched_of=1 if found else 0,
            verdict="ADOPT" if found else "UNKNOWN",
            reason="operator" if found else "unknown",
            kernel=schema.KernelView(
                installed=bool(found and found.installed), packets=0 if found and counters else None
            ),
        )

    async def listing(self, view: str, origin: str, contains: Prefix | None, limit: int, cursor: str) -> schema.Listing:
        if view not in ("adopted", "held", "refused", "installed", "top", "all"):
            raise InputError(f"{view!r} is no view", field="view")
        if cursor and not cursor.isdecimal():
            raise InputError("this cursor is not one of ours", field="cursor")
        after = int(cursor or -1)
        keys = [key for key in sorted(self.blocks) if contains is None or covers(key, contains.key)]
        if view in ("held", "refused") or origin not in ("", NODE_ID):
            keys = []
        page = [key for key in keys if key > after][:limit]
        return schema.Listing(
            entries=[
                schema.ListEntry(
                    prefix=key_text(key),
                    verdict="ADOPT",
                    reason="operator",
                    expires=ending(self.blocks[key].until),
                    installed=False,
                    origins=[NODE_ID],
                )
                for key in page
            ],
            total=len(keys),
            cursor=str(page[-1]) if page and page[-1] != keys[-1] else "",
        )

    def allow_list(self, *, protected: bool) -> schema.AllowList:
        entries = [self.allowed[key] for key in sorted(self.allowed)]
        if protected:
            entries.append(schema.AllowEntry(prefix="127.0.0.0/8", source="protected:hard"))
        return schema.AllowList(entries=entries)

    def allow_check(self, prefix: Prefix) -> schema.AllowCheck:
        found = [entry for key, entry in self.allowed.items() if overlaps(key, prefix.key)]
        return schema.AllowCheck(prefix=str(prefix), allowed=bool(found), overlaps=found)

    def peers(self) -> schema.PeerList:
        return schema.PeerList(peers=list(self.known_peers.values()))

    def peer(self, peer_id: str) -> schema.PeerView:
        if peer_id not in self.known_peers:
            raise NotFoundError(f"no peer {peer_id!r}", field="id")
        return self.known_peers[peer_id]

    def owner(self) -> schema.OwnerView:
        return schema.OwnerView(owner_id="p2pfw1owner", holds_key=True, nodes=[])

    async def doctor(self) -> schema.Doctor:
        return schema.Doctor(level="ok", checks=[schema.Check(code="store", level="ok", text="whole")])

    # --- changing --------------------------------------------------------------------------------------------------

    async def block(self, request: schema.BlockRequest, caller: Caller) -> schema.BlockAnswer:
        self._begin(caller)
        texts = request.prefixes if request.prefixes is not None else [request.prefix] if request.prefix else []
        if not texts:
            raise InputError("give either prefix or prefixes", field="prefix")
        until, keys = _until(request.ttl), []
        for index, text in enumerate(texts):
            try:
                prefix = Prefix.parse(text)
            except InputError as error:
                raise InputError(error.problem, field=f"prefixes[{index}]", hint=error.hint) from None
            self._check(prefix, force=request.force)
            keys.append(prefix.key)
        self._keep(keys, Block(until, request.category, request.reason))
        self.asked.append(request)
        installed = request.wait and self.mode == "enforce" and not self.unfollowed
        return schema.BlockAnswer(
            prefix=key_text(keys[0]),
            announcement="" if request.local_only else "ab" * 32,
            state="installed" if installed else "recorded",
            not_installed=self.unfollowed if request.wait else "",
            expires=ending(until),
            results=[schema.BlockResult(prefix=key_text(k), state="recorded", expires=ending(until)) for k in keys],
        )

    async def unblock(self, prefix: Prefix, scope: str, caller: Caller) -> schema.UnblockAnswer:
        self._begin(caller)
        if self.blocks.pop(prefix.key, None) is None:
            raise NotFoundError(f"{prefix} is not blocked", field="prefix")
        self._tell("unblock", str(prefix))
        self.scopes.append(scope)
        return schema.UnblockAnswer(
            prefix=str(prefix),
            retracted=True,
            pardoned=scope == "owner",
            still_blocked_by=self.still,
            not_removed=self.unfollowed,
        )

    async def import_blocks(
        self, keys: list[int], request: schema.BlockRequest, caller: Caller
    ) -> AsyncIterator[schema.ImportProgress]:
        self._begin(caller)
        until = _until(request.ttl)
        yield schema.ImportProgress(stage="parsed", entries=len(keys))
        if self.gate is not None:
            await self.gate.wait()
        if self.trouble_in_import is not None:
            raise self.trouble_in_import
        self._keep(keys, Block(until, request.category, request.reason))
        yield schema.ImportProgress(stage="recorded", entries=len(keys), announcements=-(-len(keys) // 1024))

    async def retract_all(self, caller: Caller) -> schema.RetractAnswer:
        self._begin(caller)
        gone = len(self.blocks)
        self.blocks.clear()
        self._tell("retract-all", "")
        return schema.RetractAnswer(announcements=1 if gone else 0, prefixes=gone)

    async def sighting(self, prefix: Prefix, request: schema.SightingRequest, caller: Caller) -> schema.SightingAnswer:
        self.callers.append(caller)
        if request.verdict == "good":
            return schema.SightingAnswer(prefix=str(prefix), state="released", expires=None, contradicted=["juno"])
        self._check(prefix, force=False)
        self._keep([prefix.key], Block(NOW + 86_400, request.category))
        return schema.SightingAnswer(prefix=str(prefix), state="observed", expires=ending(NOW + 86_400))

    async def allow(self, prefix: Prefix, request: schema.AllowRequest, caller: Caller) -> schema.AllowAnswer:
        self._begin(caller)
        entry = schema.AllowEntry(
            prefix=str(prefix), source="command", comment=request.comment, expires=ending(_until(request.ttl))
        )
        self.allowed[prefix.key] = entry
        released = [key for key in self.blocks if overlaps(key, prefix.key)]
        for key in released:
            del self.blocks[key]
        self._tell("allow", str(prefix))
        return schema.AllowAnswer(entry=entry, released=[key_text(key) for key in released])

    async def disallow(self, prefix: Prefix, caller: Caller) -> schema.AllowAnswer:
        self._begin(caller)
        if prefix.key not in self.allowed:
            raise NotFoundError(f"{prefix} is not whitelisted", field="prefix")
        return schema.AllowAnswer(entry=self.allowed.pop(prefix.key))

    async def put_peer(self, peer_id: str, request: schema.PeerRequest, caller: Caller) -> schema.PeerView:
        self._begin(caller)
        old = self.known_peers.get(peer_id, schema.PeerView(id=peer_id, owner=peer_id, name=peer_id, state="known"))
        trust = float(request.trust) if isinstance(request.trust, float | int) else old.trust
        fields = {name: getattr(old, name) for name in old.__struct_fields__}
        self.known_peers[peer_id] = schema.PeerView(**{**fields, "trust": trust, "name": request.name or old.name})
        return self.known_peers[peer_id]

    async def forget_peer(self, peer_id: str, caller: Caller) -> None:
        self._begin(caller)
        self.peer(peer_id)
        del self.known_peers[peer_id]

    async def invite(self, request: schema.InviteRequest) -> schema.InviteAnswer:
        return schema.InviteAnswer(
            token="t" * 20,
            line="p2pfw join tttt",
            expires=rfc3339(_until(request.ttl)),
            uses=request.uses,
            fingerprint="abcd-efgh",
        )

    async def join(self, request: schema.JoinRequest) -> schema.JoinAnswer:
        self._maybe_fail()
        if not request.token:
            raise InputError("the token is empty", field="token")
        return schema.JoinAnswer(fleet="f", nodes=2, guest=False, network="test", mode=self.mode, text="welcome")

    async def set_mode(self, request: schema.ModeRequest, caller: Caller) -> schema.ModeAnswer:
        self._begin(caller)
        if request.confirm:
            self.confirming = schema.Confirming(reverts_at=rfc3339(NOW + request.confirm), reverts_to=self.mode)
        self.mode = request.mode
        return self._mode()

    async def confirm(self) -> schema.ModeAnswer:
        if self.confirming is None:
            raise NotFoundError("nothing waits to be confirmed")
        self.confirming = None
        return self._mode()

    async def panic(self) -> schema.ModeAnswer:
        self._maybe_fail()
        self.mode = "observe"
        return self._mode()

    async def reload(self) -> schema.ReloadAnswer:
        self._maybe_fail()
        return schema.ReloadAnswer(changed=["policy.allow"])

    async def renew_owner(self) -> schema.OwnerAnswer:
        self._maybe_fail()
        return schema.OwnerAnswer(text="renewed", expires=rfc3339(NOW))

    async def revoke_node(self, request: schema.RevokeRequest) -> schema.OwnerAnswer:
        if not request.node:
            raise InputError("no node named", field="node")
        return schema.OwnerAnswer(text=f"revoked {request.node}")

    async def events(self, after: int) -> AsyncIterator[schema.Event]:
        at = after or len(self.ring)
        self.following += 1
        try:
            while True:
                for event in self.ring[at:]:
                    at = event.id
                    yield event
                self.news.clear()
                await self.news.wait()
        finally:
            self.following -= 1

    def recent_events(self, after: int, since: float) -> list[schema.Event]:
        return [event for event in self.ring[after:] if since <= NOW]

    # --- for the tests ---------------------------------------------------------------------------------------------

    def fill(self, count: int) -> None:
        """So many hosts of 10/8, as one change."""
        block = Block(NOW + 3_600)
        self.blocks.update({(10 << 24) + index << 8 | 32: block for index in range(count)})
        self.changes += 1

    def tell(self, kind: str, prefix: str = "") -> None:
        """An event."""
        event = schema.Event(id=len(self.ring) + 1, time=rfc3339(NOW), kind=kind, prefix=prefix)
        self.ring.append(event)
        self.news.set()

    def _tell(self, kind: str, prefix: str) -> None:
        self.changes += 1
        self.tell(kind, prefix)

    def _keep(self, keys: list[int], block: Block) -> None:
        for key in keys:
            self.blocks[key] = replace(block, until=_later(block.until, self.blocks.get(key, block).until))
        self._tell("block", key_text(keys[0]))

    def _check(self, prefix: Prefix, *, force: bool) -> None:
        for key, entry in self.allowed.items():
            if overlaps(key, prefix.key):
                raise ConflictError(f"{prefix} is whitelisted", overlap=entry.prefix)
        if prefix.length < 8 and not force:
            raise NotAcceptableError(f"{prefix} is very wide", field="prefix", hint="force it if you mean it")

    def _begin(self, caller: Caller) -> None:
        self._maybe_fail()
        self.callers.append(caller)

    def _maybe_fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble

    def _mode(self) -> schema.ModeAnswer:
        return schema.ModeAnswer(
            mode=self.mode, enforcing=self.mode == "enforce", installed=0, confirming=self.confirming
        )


def _until(ttl: str | int) -> int:
    seconds = parse_ttl(ttl, field="ttl") if isinstance(ttl, str) else ttl
    if seconds is not None and not 0 < seconds <= 3_650 * 86_400:
        raise InputError(f"{ttl} is no duration", field="ttl")
    return NOW + seconds if seconds is not None else 0


def _later(one: int, other: int) -> int:
    return 0 if 0 in (one, other) else max(one, other)


VERSION = schema.CharterVersion(
    hash="00" * 32,
    number=1,
    members=[],
    changes_need=1,
    valid_until=rfc3339(NOW),
    signed_by=[],
    signatures=1,
    needed=1,
    text="",
)


class FakeTrust:
    """Implements TrustOperations: knows the peers that its node knows, and one charter."""

    def __init__(self, node: FakeOperations) -> None:
        self._node = node

    def _known(self, peer_id: str) -> str:
        self._node._maybe_fail()
        return self._node.peer(peer_id).name

    async def vouch(self, request: schema.VouchRequest, caller: Caller) -> schema.TextAnswer:
        self._node._begin(caller)
        _until(request.ttl)
        return schema.TextAnswer(text=f"vouched for {self._known(request.id)}")

    async def unvouch(self, peer_id: str, caller: Caller) -> schema.TextAnswer:
        self._node._begin(caller)
        return schema.TextAnswer(text=f"no longer vouched for {self._known(peer_id)}")

    def vouches(self) -> schema.VouchList:
        return schema.VouchList(vouches=[])

    async def forgive(self, request: schema.ForgiveRequest, caller: Caller) -> schema.TextAnswer:
        self._node._begin(caller)
        return schema.TextAnswer(text=f"forgiven {self._known(request.id)}")

    async def try_trust(self, peer_id: str, trust: str) -> schema.TryAnswer:
        return schema.TryAnswer(
            owner=self._known(peer_id),
            trust_now=0.0,
            trust=parse_trust(trust),
            adopted=0,
            dropped=0,
            adopts=[],
            drops=[],
            prefixes_limit=0,
            rate_limit=0,
            clients=[],
        )

    async def scorecards(self, peer_id: str) -> schema.Scorecards:
        if peer_id:
            self._known(peer_id)
        return schema.Scorecards(cards=[])

    def charter(self) -> schema.CharterView:
        return schema.CharterView(
            network="example", network_id="00" * 32, current=VERSION, proposals=[], conflict=[], forked=False
        )

    async def submit_charter(self, request: schema.CharterRequest) -> schema.CharterView:
        try:
            bytes.fromhex(request.charter)
        except ValueError:
            raise InputError("no charter", field="charter") from None
        return self.charter()

    async def succeed(self, request: schema.SuccessionRequest) -> schema.OwnerAnswer:
        try:
            bytes.fromhex(request.succession)
        except ValueError:
            raise InputError("no succession", field="succession") from None
        return schema.OwnerAnswer(text="taken over")

    async def sign_charter(self, request: schema.CharterSign) -> schema.CharterView:
        try:
            bytes.fromhex(request.hash)
        except ValueError:
            raise InputError("no hash", field="hash") from None
        return self.charter()


def _token_view(one: Granted) -> schema.TokenView:
    return schema.TokenView(
        name=one.name, scope=one.scope, rate=one.rate, created=rfc3339(NOW), expires=None, used=None
    )


class FakeFeedDesk:
    """Implements FeedOperations: one feed of the configuration, `drop`, and what is added."""

    def __init__(self, node: FakeOperations) -> None:
        self._node = node

    def _view(self, name: str) -> schema.FeedView:
        self._node._maybe_fail()
        if name not in self._node.feed_names:
            raise NotFoundError(f"there is no feed {name}", field="name")
        return schema.FeedView(
            name=name, place="/f", format="plain", adopt="direct", source="command", entries=0, cut=0
        )

    def feeds(self) -> schema.FeedList:
        return schema.FeedList(feeds=[self._view(name) for name in sorted(self._node.feed_names)])

    def feed(self, name: str) -> schema.FeedView:
        return self._view(name)

    async def add_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedView:
        self._node._begin(caller)
        if not (request.url or request.file):
            raise InputError("needs url or file", field="body")
        self._node.feed_names.add(request.name)
        return self._view(request.name)

    async def remove_feed(self, name: str, caller: Caller) -> None:
        self._node._begin(caller)
        self._view(name)
        self._node.feed_names.discard(name)

    async def refresh_feed(self, name: str, request: schema.RefreshRequest) -> schema.FeedView:
        return self._view(name)

    async def test_feed(self, request: schema.FeedRequest, caller: Caller) -> schema.FeedTest:
        self._node._begin(caller)
        if not (request.url or request.file):
            raise InputError("needs url or file", field="body")
        return schema.FeedTest(
            accepted=True, entries=0, added=0, removed=0, left_out={}, unreadable=[], date=rfc3339(NOW)
        )
