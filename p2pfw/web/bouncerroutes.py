"""The routes that CrowdSec's bouncers know, and what the OpenAPI document says of them; see bouncers.

Keys, errors and parameters are CrowdSec's, so little of what the document says of our own routes holds here. Unknown
parameters are accepted, an empty one says nothing, and a list with nothing in it is null.
"""

from collections.abc import Mapping
from typing import Any, Final

from p2pfw import schema
from p2pfw.schema.common import PREFIX
from p2pfw.web.access import Scope
from p2pfw.web.problems import CONTENT_TYPE
from p2pfw.web.route import JSON, Route

KEY: Final = "X-Api-Key"
DECISIONS: Final = "/v1/decisions"
STREAM: Final = "/v1/decisions/stream"
METRICS: Final = "/v1/usage-metrics"
HEALTH: Final = "/health"
SECURITY: Final = {
    "type": "apiKey",
    "in": "header",
    "name": KEY,
    "description": "a token of the scope feeds, for CrowdSec's bouncers",
}
_FILTERS: Final = ("scope", "scopes", "type", "origins", "scenarios_containing", "scenarios_not_containing")

BOUNCER_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "GET",
        DECISIONS,
        "decisions",
        "For CrowdSec's bouncers: what is blocked, or whether an address is",
        list[schema.Decision] | None,
        scope=Scope.FEEDS,
        query=("ip", "range", "contains", "value", *_FILTERS, "limit"),
    ),
    Route(
        "GET",
        STREAM,
        "decision_stream",
        "For CrowdSec's bouncers: all, then what changed since",
        schema.Decisions,
        scope=Scope.FEEDS,
        query=("startup", *_FILTERS),
    ),
    Route(
        "POST",
        METRICS,
        "usage_metrics",
        "For CrowdSec's bouncers: taken, and not kept",
        scope=Scope.FEEDS,
        status=201,
        media=(),
        refusals=(408, 413),
    ),
    Route("GET", HEALTH, "bouncer_health", "For CrowdSec's bouncers: alive", schema.Up, scope=Scope.NONE),
)

_TEXT: Final = {"type": "string"}
_YES_OR_NO: Final = {"type": "string", "pattern": "^([01]|[tT]|[fF]|[tT][rR][uU][eE]|[fF][aA][lL][sS][eE])?$"}
_PLACE: Final = {"type": "string", "maxLength": 49, **PREFIX}
_SHAPES: Final[dict[str, dict[str, Any]]] = {
    "ip": {**_PLACE, "description": "decisions about this address"},
    "range": {**_PLACE, "description": "decisions about this range"},
    "contains": {**_YES_OR_NO, "description": "those that cover what is asked about (default), or those within it"},
    "startup": {**_YES_OR_NO, "description": "all, whatever was told before"},
    "limit": {"type": "string", "pattern": "^[0-9]{0,12}$", "description": "at most so many; 0: no limit"},
}


def operation(route: Route, by_type: dict[str, Any], headers: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    """As the document has it. `headers`: those that come with a status everywhere."""
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": _SHAPES.get(name, _TEXT)} for name in route.query
        ],
        "responses": _responses(route, by_type, headers),
        "x-scope": route.scope.name.lower(),
    }
    if route.scope > Scope.NONE:
        found["security"] = [{"key": []}]
    if route.method == "POST":
        found["requestBody"] = {"required": False, "content": {JSON: {"schema": {}}}}
    return found


def _responses(route: Route, by_type: dict[str, Any], headers: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "as asked"}
    if route.answer is not None:
        good["content"] = {JSON: {"schema": by_type[repr(route.answer)]}}
    told = {"schema": by_type[repr(schema.Message)]}
    # What is no HTTP has no path either, and is answered as everywhere.
    problem = {CONTENT_TYPE: {"schema": by_type[repr(schema.Problem)]}}
    unread: dict[str, Any] = {"description": "no HTTP", "content": problem}
    wrong: dict[str, Any] = {"description": "an error, in CrowdSec's words", "content": {JSON: told}}
    responses = {
        str(status): {**wrong, "headers": headers.get(status, {})} for status in (403, 405, 429, 500, *route.refusals)
    }
    malformed = {"description": "malformed", "content": {JSON: told, **problem}}
    return {str(route.status): good, "400": malformed, **responses, "431": unread}
