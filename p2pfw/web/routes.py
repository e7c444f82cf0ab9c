"""Every route once: method, path, scope, words, types. The server is built from it, and so is the OpenAPI document.

A path has at most one argument, at its end, and takes everything that is left of the path: prefixes have slashes.
"""

from dataclasses import dataclass
from typing import Final

from p2pfw import schema
from p2pfw.web.access import Scope

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
TEXT: Final = "text/plain"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `name` is the handler's; `body` and `answer` are schema types, None where there is none.

    `refusals`: statuses of its own, beside those that every route can have.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: type | None = None
    body: type | None = None
    scope: Scope = Scope.READ
    status: int = 200
    query: tuple[str, ...] = ()
    media: tuple[str, ...] = (JSON,)
    refusals: tuple[int, ...] = ()


_WRITE, _ADMIN, _NONE = Scope.WRITE, Scope.ADMIN, Scope.NONE

ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/status", "status", "The node's state on one screen", schema.Status),
    Route(
        "GET",
        "/v1/blocklist",
        "blocklist",
        "What is adopted now, in key order",
        list[schema.AdoptedEntry],
        query=("format", "family", "aggregate", "limit", "cursor"),
        media=(JSON, NDJSON, TEXT),
    ),
    Route(
        "GET",
        "/v1/blocklist/{prefix}",
        "covering",
        "The longest adopted entry that covers a prefix",
        schema.BlocklistEntry,
        refusals=(404,),
    ),
    Route("GET", "/v1/why/{prefix}", "why", "Why a prefix is blocked or not", schema.Why, query=("counters",)),
    Route(
        "GET",
        "/v1/list",
        "listing",
        "Verdicts, page by page",
        schema.Listing,
        query=("view", "origin", "contains", "limit", "cursor"),
    ),
    Route(
        "POST",
        "/v1/blocks",
        "block",
        "Block one prefix, or up to 1,024 as one announcement",
        schema.BlockAnswer,
        schema.BlockRequest,
        scope=_WRITE,
        status=201,
        refusals=(409, 422, 503, 507),
    ),
    Route(
        "DELETE",
        "/v1/blocks/{prefix}",
        "unblock",
        "Take a block back: own, or the fleet's too",
        schema.UnblockAnswer,
        scope=_WRITE,
        query=("scope",),
        refusals=(404, 503, 507),
    ),
    Route(
        "POST",
        "/v1/import",
        "import_list",
        "Block a list, whole or nothing; progress as NDJSON",
        schema.ImportProgress,
        scope=_WRITE,
        query=("format", "ttl", "category", "reason", "local_only"),
        media=(NDJSON,),
        refusals=(409, 422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/retract",
        "retract_all",
        "Take back all that this node ever announced",
        schema.RetractAnswer,
        scope=_ADMIN,
        refusals=(503, 507),
    ),
    Route(
        "POST",
        "/v1/sightings",
        "sighting",
        "Local evidence: seen on this machine",
        schema.BlockResult,
        schema.SightingRequest,
        scope=_WRITE,
        status=201,
        refusals=(409, 422, 503, 507),
    ),
    Route("GET", "/v1/allow", "allow_list", "The whitelist", schema.AllowList, query=("protected",)),
    Route("GET", "/v1/allow/{prefix}", "allow_check", "What of it overlaps a prefix", schema.AllowCheck),
    Route(
        "PUT",
        "/v1/allow/{prefix}",
        "allow",
        "Whitelist a prefix; in the kernel before the answer",
        schema.AllowAnswer,
        schema.AllowRequest,
        scope=_WRITE,
        refusals=(503, 507),
    ),
    Route(
        "DELETE",
        "/v1/allow/{prefix}",
        "disallow",
        "Take a run-time entry off the whitelist",
        schema.AllowAnswer,
        scope=_WRITE,
        refusals=(404, 409, 503, 507),
    ),
    Route("GET", "/v1/peers", "peers", "Peers, connected and named", schema.PeerList),
    Route("GET", "/v1/peers/{id}", "peer", "One peer, by id or name", schema.PeerView, refusals=(404,)),
    Route(
        "PUT",
        "/v1/peers/{id}",
        "put_peer",
        "Add a peer, or change trust, name, addresses",
        schema.PeerView,
        schema.PeerRequest,
        scope=_ADMIN,
        refusals=(404, 409, 503, 507),
    ),
    Route(
        "DELETE",
        "/v1/peers/{id}",
        "forget_peer",
        "Forget a peer",
        scope=_ADMIN,
        status=204,
        refusals=(404, 409, 503, 507),
    ),
    Route("GET", "/v1/owner", "owner", "The fleet", schema.OwnerView),
    Route(
        "POST",
        "/v1/owner/renew",
        "renew_owner",
        "Renew this node's certificate",
        schema.OwnerAnswer,
        scope=_ADMIN,
        refusals=(404, 422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/owner/revoke",
        "revoke_node",
        "Revoke a node's key, for ever",
        schema.OwnerAnswer,
        schema.RevokeRequest,
        scope=_ADMIN,
        refusals=(404, 422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/invites",
        "invite",
        "A one-time line for another server",
        schema.InviteAnswer,
        schema.InviteRequest,
        scope=_ADMIN,
        status=201,
        refusals=(422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/join",
        "join",
        "Redeem somebody's line",
        schema.JoinAnswer,
        schema.JoinRequest,
        scope=_ADMIN,
        refusals=(409, 422, 502, 503, 507),
    ),
    Route(
        "PUT",
        "/v1/mode",
        "set_mode",
        "Observe or enforce",
        schema.ModeAnswer,
        schema.ModeRequest,
        scope=_ADMIN,
        refusals=(422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/confirm",
        "confirm",
        "Keep what a commit-confirm began",
        schema.ModeAnswer,
        scope=_ADMIN,
        refusals=(404, 503, 507),
    ),
    Route(
        "POST",
        "/v1/panic",
        "panic",
        "Remove rules and sets, observe from now on",
        schema.ModeAnswer,
        scope=_ADMIN,
        refusals=(503,),
    ),
    Route(
        "POST",
        "/v1/reload",
        "reload",
        "Read the configuration again",
        schema.ReloadAnswer,
        scope=_ADMIN,
        refusals=(503,),
    ),
    Route(
        "GET",
        "/v1/events",
        "events",
        "What happens, as server-sent events or NDJSON",
        schema.Event,
        query=("follow", "since", "after"),
        media=("text/event-stream", NDJSON),
        refusals=(503,),
    ),
    Route("GET", "/v1/doctor", "doctor", "Self-check", schema.Doctor),
    Route("GET", "/v1/openapi.json", "openapi", "This description", dict),
    Route("GET", "/metrics", "metrics", "Prometheus metrics", media=(TEXT,)),
    Route("GET", "/healthz", "healthz", "Alive", scope=_NONE, media=(TEXT,)),
    Route("GET", "/readyz", "readyz", "What is adopted is installed", scope=_NONE, media=(TEXT,), refusals=(503,)),
)
