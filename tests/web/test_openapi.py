"""The OpenAPI document: complete and well-formed. That it is true is tests/e2e/test_fuzzing.py's business."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from p2pfw import schema as answers
from p2pfw.web import openapi
from p2pfw.web.access import Scope
from p2pfw.web.bouncerroutes import BOUNCER_ROUTES
from p2pfw.web.openapi import argument_of, document
from p2pfw.web.rendering import FORMS
from p2pfw.web.routes import NDJSON, ROUTES, Route
from tests.web.serving import Served

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = json.loads(document())
META = "https://spec.openapis.org/oas/3.1/schema-base/2022-10-07"


def operation_of(route: Route) -> dict:
    """What the document says of it."""
    return DOCUMENT["paths"][route.path][route.method.lower()]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_documented(route: Route):
    """With its words, its parameters, its answers, and what it needs."""
    operation = operation_of(route)
    parameters = {(one["in"], one["name"]) for one in operation["parameters"]}

    assert operation["operationId"] == route.name
    assert operation["summary"] == route.summary
    repeats = route.method == "POST" and route.name != "import_list"
    assert parameters == (
        {("query", name) for name in route.query}
        | {("path", argument_of(route.path)) for _ in range("{" in route.path)}
        | {("header", "Idempotency-Key") for _ in range(repeats)}
    )
    assert {str(route.status), "400", "401", "403", "500"} <= set(operation["responses"])
    assert "404" in operation["responses"] or "{" not in route.path
    assert ("requestBody" in operation) == (route.body is not None or route.name == "import_list")
    assert ("security" in operation) == (route.scope > Scope.NONE)
    assert ({} in operation.get("security", [{}])) == (route.scope <= Scope.READ)


def test_nothing_else_is_documented():
    """As many operations as routes."""
    routes = (*ROUTES, *BOUNCER_ROUTES)
    assert sum(len(methods) for methods in DOCUMENT["paths"].values()) == len(routes)
    assert len({route.name for route in routes}) == len(routes)


def test_every_reference_leads_somewhere():
    """And every component is used."""
    text = document().decode()
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', text))

    assert wanted == set(DOCUMENT["components"]["schemas"])


def test_every_schema_is_one():
    """JSON Schema 2020-12, as OpenAPI 3.1 has it."""
    for name, component in DOCUMENT["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(component)
        assert component.get("description"), name


def test_headers_are_described_where_they_come():
    """What a client may rely on: how to get in, what is possible, when to come again, that it was a repetition."""
    for route in ROUTES:
        told = {status: set(one.get("headers", ())) for status, one in operation_of(route)["responses"].items()}
        assert told["401"] == {"WWW-Authenticate"}
        assert told["405"] == {"Allow"}
        assert told["429"] == {"Retry-After"}
        repeats = route.method == "POST" and route.name != "import_list"
        assert ("Idempotency-Replayed" in told[str(route.status)]) == repeats
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"token", "address", "key"}


def test_every_parameter_has_a_meaning():
    """No entry of the table is left over from a parameter that is gone."""
    used = {name for route in ROUTES for name in (*route.query, argument_of(route.path)) if name}

    assert used == {*openapi._PARAMETERS, "format"}


def test_every_problem_is_described():
    """One shape for all of them."""
    for route in ROUTES:
        for status, response in operation_of(route)["responses"].items():
            if int(status) >= 400:
                assert list(response["content"]) == ["application/problem+json"]
    assert set(DOCUMENT["components"]["schemas"]["Problem"]["properties"]) == set(answers.Problem.__struct_fields__)


async def test_it_is_served(served: Served):
    """At the path that 404 names."""
    async with served.client() as session, session.get("/v1/openapi.json") as answer:
        assert await answer.json() == DOCUMENT


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/stream", "/health", "/v1/decisions?ip=192.0.2.1"])
async def test_bouncers_are_answered_as_is_told(served: Served, path: str):
    """Keys, shapes and errors of CrowdSec's: of decisions, of none, and of who has no key."""
    served.operations.bouncing.block("203.0.113.9")
    served.operations.bouncing.block("2001:db8::/48")
    told = DOCUMENT["paths"][path.partition("?")[0]]["get"]
    async with served.client() as session:
        for headers in ({"X-Api-Key": "feeds-secret"}, {}):
            async with session.get(path, headers=headers) as answer:
                media = told["responses"][str(answer.status)]["content"][answer.content_type]
                jsonschema.validate(await answer.json(), {**media["schema"], "components": DOCUMENT["components"]})
            assert answer.status == (200 if headers or "security" not in told else 403)


def test_what_bouncers_ask_is_documented():
    """Each with its key, and with CrowdSec's own errors."""
    for route in BOUNCER_ROUTES:
        operation = operation_of(route)
        assert operation["operationId"] == route.name
        assert [one["name"] for one in operation["parameters"]] == list(route.query)
        assert operation.get("security") == ([{"key": []}] if route.scope else None)
        for status in ("403", "405", "500"):
            content = operation["responses"][status]["content"]
            assert content == {"application/json": {"schema": {"$ref": "#/components/schemas/Message"}}}
        assert f"`{route.method} {route.path}`" in (DOCS / "integrations.md").read_text()


@pytest.mark.parametrize("kind", FORMS)
async def test_every_format_of_the_list_has_the_shape_that_is_told(served: Served, kind: str):
    """By the type that it is sent with: a JSON value is no text, and a text is no JSON value."""
    served.operations.fill(3)
    async with served.client() as session, session.get("/v1/blocklist", params={"format": kind}) as answer:
        body, media = await answer.text(), answer.content_type
    told = DOCUMENT["paths"]["/v1/blocklist"]["get"]["responses"]["200"]["content"][media]["schema"]
    value = json.loads(body) if media.endswith("json") and media != NDJSON else body

    jsonschema.validate(value, {**told, "components": DOCUMENT["components"]})


# --- the words for users -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_is_in_the_manual(route: Route):
    """docs/api.md names each path with its method."""
    manual = (DOCS / "api.md").read_text()

    assert f"`{route.method} {route.path}`" in manual or route.name == "openapi"
