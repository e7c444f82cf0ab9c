"""What can be asked of a node, each request as a value: method, target, body, and the type of its answer. PURE.

One table for both clients, so that they cannot differ. What the node checks is not checked here a second time: its
refusal names the field.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

import msgspec

from p2pfw import schema
from p2pfw.client.errors import RefusedError, UnreachableError
from p2pfw.client.exchange import query, quoted, segment

T = TypeVar("T")

NDJSON: Final = "application/x-ndjson"
Ttl = str | int
"""Like "4h" or "forever"; whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Generic[T]):
    """One request. `answer`: the type of the body of a success, or of each of its lines (`streamed`)."""

    method: str
    target: str
    answer: type[T]
    body: bytes = b""
    streamed: bool = False
    key: str = ""
    """Idempotency-Key: sent twice, it is done once."""

    def headers(self) -> dict[str, str]:
        """Its own; what says who asks is the client's."""
        found = {"Accept": NDJSON if self.streamed else "application/json", "Content-Type": "application/json"}
        return {**found, "Idempotency-Key": self.key} if self.key else found

    def decode(self, body: bytes) -> T:
        """The answer, or one line of it. UnreachableError: what answered is no node, or is of another version."""
        try:
            return msgspec.json.decode(body or b"null", type=self.answer)
        except msgspec.DecodeError as error:
            raise UnreachableError(f"what answers is no node of this version: {error}") from None


def finished(said: Sequence[schema.ImportProgress]) -> schema.ImportProgress:
    """The last word on an import. RefusedError: nothing of it was taken; UnreachableError: it broke off."""
    if not said or said[-1].stage == "parsed":
        raise UnreachableError("the node broke off before it had recorded the list", "see its log")
    if said[-1].problem is not None:
        raise RefusedError(said[-1].problem.status, msgspec.json.encode(said[-1].problem), {})
    return said[-1]


# --- asking --------------------------------------------------------------------------------------------------------


def status() -> Request[schema.Status]:
    """The node's state on one screen."""
    return _get("/v1/status", schema.Status)


def covering(prefix: str) -> Request[schema.BlocklistEntry]:
    """The longest adopted entry that covers it; refused with 404 when it is not blocked."""
    return _get(f"/v1/blocklist/{quoted(prefix)}", schema.BlocklistEntry)


def blocklist(family: Literal[0, 4, 6] = 0) -> Request[schema.AdoptedEntry]:
    """All that is adopted, entry by entry."""
    target = f"/v1/blocklist{query({'format': 'ndjson', 'family': family or None})}"
    return Request(method="GET", target=target, answer=schema.AdoptedEntry, streamed=True)


def why(prefix: str, *, counters: bool = False) -> Request[schema.Why]:
    """Why it is blocked, or not; for any prefix."""
    return _get(f"/v1/why/{quoted(prefix)}{query({'counters': 1 if counters else None})}", schema.Why)


def listing(view: str = "adopted", *, limit: int = 100, cursor: str = "", **only: str) -> Request[schema.Listing]:
    """Verdicts, page by page. `view`: adopted, held, refused, installed, top, all; `only`: origin, contains."""
    return _get(f"/v1/list{query({'view': view, 'limit': limit, 'cursor': cursor, **only})}", schema.Listing)


def allow_list(*, protected: bool = False) -> Request[schema.AllowList]:
    """The whitelist; `protected`: and what keeps the machine reachable."""
    return _get(f"/v1/allow{query({'protected': 1 if protected else None})}", schema.AllowList)


def allow_check(prefix: str) -> Request[schema.AllowCheck]:
    """What of it overlaps a prefix."""
    return _get(f"/v1/allow/{quoted(prefix)}", schema.AllowCheck)


def peers() -> Request[schema.PeerList]:
    """Peers, connected and named."""
    return _get("/v1/peers", schema.PeerList)


def peer(peer_id: str) -> Request[schema.PeerView]:
    """One, by id or name."""
    return _get(f"/v1/peers/{segment(peer_id)}", schema.PeerView)


def scorecards(peer_id: str = "") -> Request[schema.Scorecards]:
    """What each owner's statements, or one's, were worth here."""
    return _get(f"/v1/scorecards/{segment(peer_id)}" if peer_id else "/v1/scorecards", schema.Scorecards)


def doctor() -> Request[schema.Doctor]:
    """The self-check."""
    return _get("/v1/doctor", schema.Doctor)


def events(*, after: int = 0, since: int = 0, follow: bool = True, evidence: bool = False) -> Request[schema.Event]:
    """What happens; before that, what the node still knows after an id, or since a time (Unix seconds)."""
    asked = {"after": after or None, "since": since or None, "evidence": 1 if evidence else None}
    target = f"/v1/events{query({'follow': int(follow), **asked})}"
    return Request(method="GET", target=target, answer=schema.Event, streamed=True)


# --- changing ------------------------------------------------------------------------------------------------------


def block(prefix: str | Sequence[str], *, key: str = "", **said: object) -> Request[schema.BlockAnswer]:
    """Block one prefix, or up to 1,024 as one announcement. `said`: fields of schema.BlockRequest (ttl, ...)."""
    which = {"prefix": prefix} if isinstance(prefix, str) else {"prefixes": list(prefix)}
    return _send("POST", "/v1/blocks", {**which, **said}, schema.BlockAnswer, key)


def unblock(prefix: str, scope: Literal["own", "owner"] = "owner") -> Request[schema.UnblockAnswer]:
    """Take back this node's own block, or the whole fleet's."""
    target = f"/v1/blocks/{quoted(prefix)}{query({'scope': scope})}"
    return Request(method="DELETE", target=target, answer=schema.UnblockAnswer)


def import_list(
    data: bytes, *, shape: str = "plain", ttl: str = "24h", category: str = "other", reason: str = ""
) -> Request[schema.ImportProgress]:
    """Block a list, whole or nothing; the node says how far it is. `shape`: the format that it is written in."""
    target = f"/v1/import{query({'format': shape, 'ttl': ttl, 'category': category, 'reason': reason})}"
    return Request(method="POST", target=target, answer=schema.ImportProgress, body=data, streamed=True)


def sight(prefix: str, verdict: Literal["bad", "good"] = "bad", **said: object) -> Request[schema.SightingAnswer]:
    """Seen on this machine, or known as good."""
    return _send("POST", "/v1/sightings", {"prefix": prefix, "verdict": verdict, **said}, schema.SightingAnswer)


def allow(
    prefix: str, *, ttl: Ttl = "forever", comment: str = "", false_positive: bool = False
) -> Request[schema.AllowAnswer]:
    """Whitelist it; the kernel has it when the answer comes."""
    said = {"ttl": ttl, "comment": comment, "false_positive": false_positive}
    return _send("PUT", f"/v1/allow/{quoted(prefix)}", said, schema.AllowAnswer)


def disallow(prefix: str) -> Request[schema.AllowAnswer]:
    """Take it off the whitelist."""
    return Request(method="DELETE", target=f"/v1/allow/{quoted(prefix)}", answer=schema.AllowAnswer)


def put_peer(peer_id: str, **said: object) -> Request[schema.PeerView]:
    """Add a peer, or change it. `said`: fields of schema.PeerRequest (trust, name, addresses, distrust, ...)."""
    return _send("PUT", f"/v1/peers/{segment(peer_id)}", said, schema.PeerView)


def forget_peer(peer_id: str) -> Request[None]:
    """Forget what was said of it at run time."""
    return Request(method="DELETE", target=f"/v1/peers/{segment(peer_id)}", answer=type(None))


def set_mode(mode: Literal["observe", "enforce"], *, confirm: int = 0) -> Request[schema.ModeAnswer]:
    """Watch only, or drop. `confirm`: seconds until it reverts unless confirmed."""
    return _send("PUT", "/v1/mode", {"mode": mode, "confirm": confirm}, schema.ModeAnswer)


def confirm() -> Request[schema.ModeAnswer]:
    """Keep what was begun on trial."""
    return _send("POST", "/v1/confirm", {}, schema.ModeAnswer)


def panic() -> Request[schema.ModeAnswer]:
    """Let everything through at once, and only watch from then on."""
    return _send("POST", "/v1/panic", {}, schema.ModeAnswer)


def _get(target: str, answer: type[T]) -> Request[T]:
    return Request(method="GET", target=target, answer=answer)


def _send(method: str, target: str, said: Mapping[str, object], answer: type[T], key: str = "") -> Request[T]:
    return Request(method=method, target=target, answer=answer, body=msgspec.json.encode(said), key=key)
