"""The OpenAPI 3.1 document, made of the route table and the schema types: it cannot say anything that is not so."""

from functools import cache
from typing import Any, Final

import msgspec

from p2pfw import __version__, schema
from p2pfw.core.records import Category
from p2pfw.formats import BLOCKLISTS
from p2pfw.schema.common import LINE, PREFIX
from p2pfw.web import bouncerroutes
from p2pfw.web.access import TOKEN, Scope
from p2pfw.web.bouncerroutes import BOUNCER_ROUTES
from p2pfw.web.importing import MAX_IMPORT
from p2pfw.web.problems import CONTENT_TYPE
from p2pfw.web.rendering import FORMS
from p2pfw.web.repeats import HEADER, MAX_KEY, REPLAYED
from p2pfw.web.routes import ROUTES, TEXT, Route

_ALWAYS: Final = (400, 401, 403, 405, 429, 431, 500)
_WITH_BODY: Final = (408, 413, 415)
_FLAG: Final = {"type": "string", "enum": ["0", "1", "false", "true"], "default": "0"}
_PREFIX: Final = {
    "type": "string",
    "minLength": 2,
    "maxLength": 49,
    **PREFIX,
    "examples": ["203.0.113.9", "2001:db8::/48"],
}
_WORD: Final = {"type": "string", "maxLength": 256, **LINE}
_CATEGORY: Final = {"type": "string", "enum": [category.name.lower() for category in Category], "default": "other"}
_CURSOR: Final = {
    "type": "string",
    "pattern": "^[0-9a-f]{0,35}$",
    "description": "X-Next-Cursor or cursor of the page before; empty: from the beginning",
}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999}
_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "prefix": {**_PREFIX, "description": "address or CIDR; its slash as it is or as %2F"},
    "id": {**_WORD, "minLength": 1, "description": "id, the beginning of one, or a name"},
    "family": {"type": "string", "enum": ["4", "6"]},
    "aggregate": {
        **_FLAG,
        "description": "the fewest prefixes with the same addresses; for formats of prefixes alone",
    },
    "limit": {**_COUNT, "minimum": 1},
    "cursor": _CURSOR,
    "counters": {**_FLAG, "description": "read packets and bytes from the kernel; up to 0.3 s with a large set"},
    "view": {"type": "string", "enum": ["adopted", "held", "refused", "installed", "top", "all"], "default": "adopted"},
    "origin": _WORD,
    "contains": _PREFIX,
    "scope": {"type": "string", "enum": ["own", "owner"], "default": "owner"},
    "ttl": {"type": "string", "maxLength": 32, "format": "ttl", "default": "4h", "examples": ["90s", "7d", "forever"]},
    "category": _CATEGORY,
    "reason": _WORD,
    "local_only": _FLAG,
    "protected": {**_FLAG, "description": "also the ranges that keep this machine reachable"},
    "follow": {**_FLAG, "description": "go on after the replay; default 1 for server-sent events, 0 for NDJSON"},
    "evidence": {**_FLAG, "description": "with the signed announcements that an event rests on, as far as kept"},
    "token": {**_WORD, "description": "of scope feeds; for clients that send no headers"},
    "since": {**_COUNT, "description": "replay from this time on, Unix seconds"},
    "after": {**_COUNT, "description": "replay what has a greater id; the header Last-Event-ID wins"},
}
_REPEATS: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
    "description": "the same key with the same body is done once, and answered alike, for an hour",
}
_TEXT: Final = {"type": "string"}
_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "WWW-Authenticate": {"required": True, "schema": _TEXT},
    "Allow": {"required": True, "schema": _TEXT, "description": "the methods that are possible"},
    "Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}, "description": "seconds"},
    "ETag": {"schema": _TEXT, "description": "strong; absent while the list changes faster than it is written"},
    "X-Next-Cursor": {"schema": _TEXT, "description": "cursor of the next page; absent at the end"},
    REPLAYED: {"schema": {"type": "string", "const": "true"}, "description": "this answer was given before"},
}
_STIX: Final = {
    "type": "object",
    "required": ["type", "id"],
    "properties": {"type": {"const": "bundle"}, "id": {"type": "string"}, "objects": {"type": "array"}},
    "description": "a STIX 2.1 bundle of indicators; an empty one has no objects",
}
_OF_STATUS: Final = {401: "WWW-Authenticate", 405: "Allow", 429: "Retry-After"}
_ADDRESS: Final = "address"
# What the types cannot say: one of two fields.
_EITHER: Final = [
    {"required": [one], "properties": {one: {"type": kind}, other: {"type": "null"}}}
    for one, other, kind in (("prefix", "prefixes", "string"), ("prefixes", "prefix", "array"))
]
# The same word, another meaning.
_FORMATS: Final = {
    "blocklist": {"type": "string", "enum": list(FORMS)},
    "import_list": {"type": "string", "enum": list(BLOCKLISTS), "default": "plain"},
}


@cache
def document() -> bytes:
    """The document as JSON."""
    routes = (*ROUTES, *BOUNCER_ROUTES)
    types = [one for route in routes for one in (route.body, route.answer) if one not in (None, dict)]
    types += schema.Problem, schema.Message
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components["BlockRequest"]["oneOf"] = _EITHER
    by_type = dict(zip(map(repr, types), found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type)
    headers = {status: _headers(name) for status, name in _OF_STATUS.items()}
    for route in BOUNCER_ROUTES:
        paths[route.path] = {route.method.lower(): bouncerroutes.operation(route, by_type, headers)}
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "p2pfw", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "p2pfw token add"},
                    _ADDRESS: {"type": "apiKey", "in": "query", "name": TOKEN, "description": "read or feeds only"},
                    "key": bouncerroutes.SECURITY,
                },
            },
        }
    )


def argument_of(path: str) -> str:
    """Name of a path's argument; "" when it has none."""
    return path.partition("{")[2].rstrip("}")


def _operation(route: Route, by_type: dict[str, Any]) -> dict[str, Any]:
    argument = argument_of(route.path)
    parameters = [_parameter(route, argument, "path")] if argument else []
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters + [_parameter(route, name, "query") for name in route.query],
        "responses": _responses(route, by_type),
        "x-scope": route.scope.name.lower(),
    }
    if _repeats(route):
        operation["parameters"].append(_REPEATS)
    if route.scope > Scope.NONE:
        operation["security"] = _security(route)
    body = _body(route, by_type)
    if body is not None:
        operation["requestBody"] = body
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    """Reading needs a token where `api.require_token` says so, and from beyond loopback; all else always."""
    by_address: list[dict[str, list[str]]] = [{_ADDRESS: []}] if TOKEN in route.query else []
    without: list[dict[str, list[str]]] = [{}] if route.scope <= Scope.READ else []
    return [{"token": []}, *by_address, *without]


def _repeats(route: Route) -> bool:
    return route.method == "POST" and route.name != "import_list"


def _body(route: Route, by_type: dict[str, Any]) -> dict[str, Any] | None:
    if route.body is not None:
        schema_of = {"application/json": {"schema": by_type[repr(route.body)]}}
        return {"required": _is_needed(route.body), "content": schema_of}
    if route.name == "import_list":
        text = {"type": "string", "minLength": 1, "maxLength": MAX_IMPORT, "format": "list"}
        return {"required": True, "content": {TEXT: {"schema": text}}}
    return None


def _is_needed(body: type) -> bool:
    """True unless an empty body does: nothing in it must be said."""
    return body is schema.BlockRequest or any(one.required for one in msgspec.structs.fields(body))


def _parameter(route: Route, name: str, place: str) -> dict[str, Any]:
    shape = _FORMATS[route.name] if name == "format" else _PARAMETERS[name]
    return {"name": name, "in": place, "required": place == "path", "schema": shape}


def _shape(media: str, answer: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.1 has no word for a stream: `x-line` says what each line holds, and of events it tells one."""
    match media:
        case "application/json":
            return answer
        case "application/stix+json":
            return _STIX
        case "text/event-stream":
            return _event(answer)
        case "application/x-ndjson":
            return {"type": "string", "x-line": answer.get("items", answer)}
        case _:
            return {"type": "string"}


def _event(data: dict[str, Any]) -> dict[str, Any]:
    """One server-sent event, as later versions of OpenAPI describe it."""
    told = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    return {"type": "object", "required": ["data"], "properties": {"id": _TEXT, "event": _TEXT, "data": told}}


def _responses(route: Route, by_type: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": "as asked"}
    if route.status != 204:
        answer = {"type": "object"} if route.answer is dict else by_type.get(repr(route.answer), {})
        good["content"] = {media: {"schema": _shape(media, answer)} for media in route.media}
    responses = {str(route.status): good}
    if _repeats(route):
        good["headers"] = _headers(REPLAYED)
    if route.name == "blocklist":
        good["headers"] = _headers("ETag", "X-Next-Cursor")
        responses["304"] = {"description": "it is what If-None-Match names"}
    problem = {"description": "a problem", "content": {CONTENT_TYPE: {"schema": by_type[repr(schema.Problem)]}}}
    takes_body = route.body is not None or route.name == "import_list"
    more = (*(_WITH_BODY if takes_body else ()), *((*_WITH_BODY, 422) if route.method == "POST" else ()))
    nowhere = (404,) if argument_of(route.path) else ()  # an argument that is longer than any path of ours
    for status in sorted({*_ALWAYS, *route.refusals, *more, *nowhere}):
        named = _OF_STATUS.get(status)
        responses[str(status)] = {**problem, "headers": _headers(named)} if named else problem
    return responses


def _headers(*names: str) -> dict[str, dict[str, Any]]:
    return {name: _HEADERS[name] for name in names}
