"""Markup, terminal escapes and other traps in every text that a client can send: refused, or harmless where it shows.

The fields are enumerated from the route table and the schema: a new one is tried by itself.
"""

import copy
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
import pytest
from yarl import URL

from p2pfw.web.routes import ROUTES, Route
from tests.web.serving import ADMIN, Served
from tests.web.test_access import BODIES

ESCAPES = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "a\rb",
    "a\nb",
    "\x00",
    "\x7f",
    "\x9b31m",
    "\u202egnp.exe",
    "\u2028",
    "\u200b",
]
MARKUP = "<img src=x onerror=alert(1)>'\"--></script>"
WITH_BODY = [route for route in ROUTES if route.body is not None]


def texts(body: dict, schema: dict, types: dict, *place: str | int) -> Iterator[tuple[str | int, ...]]:
    """Places of all texts that a body of this schema may have."""
    for name, field in schema.get("properties", {}).items():
        yield from _places(field, types, (*place, name))


def _places(field: dict, types: dict, place: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    for option in field.get("anyOf", [field]):
        if option.get("type") == "string":
            yield place
        elif option.get("type") == "array":
            yield from _places(option["items"], types, (*place, 0))
        elif option.get("type") == "object":
            yield (*place, "key")


def put(body: dict, place: tuple[str | int, ...], value: str) -> dict:
    """The body with this text there."""
    changed = copy.deepcopy(body)
    name, *rest = place
    if not rest:
        changed[name] = value
    elif rest == [0]:
        changed[name] = [value]
    else:
        changed[name] = {value: 0.5}
    return changed


def fields() -> list[tuple[Route, tuple[str | int, ...]]]:
    """Every text field of every body."""
    found = []
    for route in WITH_BODY:
        (shape,), types = msgspec.json.schema_components([route.body], ref_template="{name}")
        schema = types[shape["$ref"]] if "$ref" in shape else shape
        found += [(route, place) for place in dict.fromkeys(texts({}, schema, types))]
    return found


FIELDS = fields()


async def send(served: Served, session: aiohttp.ClientSession, route: Route, body: object) -> "Shown":
    """A request with that body."""
    path = route.path.replace("{prefix}", "203.0.113.9").replace("{id}", "juno")
    async with session.request(route.method, f"{served.url}{path}", json=body, headers=ADMIN) as answer:
        return Shown(answer, (await answer.read()).decode())


class Shown(NamedTuple):
    """An answer, read."""

    answer: aiohttp.ClientResponse
    text: str

    def is_harmless(self, sent: str) -> bool:
        """Nothing that a browser or terminal would act on: no HTML, not sniffed, no control characters."""
        return (
            self.answer.content_type != "text/html"
            and self.answer.headers["X-Content-Type-Options"] == "nosniff"
            and not any(char in self.text for char in sent if not char.isprintable() and char != "\n")
            and all(value.isprintable() for value in self.answer.headers.values())
        )


def test_fields_are_found_in_every_body_that_has_texts():
    """The enumeration sees prefixes, reasons, comments, ids, tokens, addresses, and the keys of tables."""
    names = {place[0] for _, place in FIELDS}

    assert {"prefix", "prefixes", "reason", "comment", "ttl", "id", "token", "name", "addresses"} <= names
    assert len(FIELDS) > 20


@pytest.mark.parametrize(
    ("route", "place"), FIELDS, ids=lambda one: one.name if isinstance(one, Route) else str(one[0])
)
async def test_no_text_of_a_body_reaches_a_terminal_as_it_is(served: Served, route: Route, place: tuple):
    """What cannot be printed is refused, and the refusal does not repeat it; markup is data."""
    async with served.client() as session:
        for text in ESCAPES:
            shown = await send(served, session, route, put(BODIES.get(route.name) or {}, place, text))
            assert shown.answer.status in (400, 404, 409, 422), text
            assert shown.is_harmless(text)
        shown = await send(served, session, route, put(BODIES.get(route.name) or {}, place, MARKUP))
        assert shown.is_harmless(MARKUP)


@pytest.mark.parametrize("route", [one for one in ROUTES if one.name != "events"], ids=lambda route: route.name)
async def test_no_path_or_query_reaches_a_terminal_as_it_is(served: Served, route: Route):
    """Arguments and parameters too."""
    hole = route.path.replace("{prefix}", "{id}")
    async with served.client() as session:
        for text in [*ESCAPES, MARKUP]:
            path = hole.replace("{id}", quote(text, safe=""))
            usual = hole.replace("{id}", "203.0.113.9")
            asked = [f"{usual}?{urlencode({name: text})}" for name in route.query] + [path] * ("{id}" in hole)
            for target in asked:
                url = URL(f"{served.url}{target}", encoded=True)
                async with session.request(route.method, url, headers=ADMIN) as answer:
                    assert Shown(answer, (await answer.read()).decode()).is_harmless(text), target
