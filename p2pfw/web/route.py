"""What a route is; see routes for all of them."""

from dataclasses import dataclass
from types import UnionType
from typing import Final

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
    answer: type | UnionType | None = None
    body: type | None = None
    scope: Scope = Scope.READ
    status: int = 200
    query: tuple[str, ...] = ()
    media: tuple[str, ...] = (JSON,)
    refusals: tuple[int, ...] = ()
