"""The routes about owners, vouches and charters; see routes."""

from typing import Final

from p2pfw import schema
from p2pfw.web.access import Scope
from p2pfw.web.route import Route

_ADMIN: Final = Scope.ADMIN

TRUST_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        "POST",
        "/v1/forgive",
        "forgive",
        "What was seen of an owner counts no more",
        schema.TextAnswer,
        schema.ForgiveRequest,
        scope=_ADMIN,
        refusals=(404, 503, 507),
    ),
    Route(
        "POST",
        "/v1/try",
        "try_trust",
        "What another trust would adopt and drop; nothing changes",
        schema.TryAnswer,
        schema.TryRequest,
        scope=_ADMIN,
        refusals=(404, 422),
    ),
    Route("GET", "/v1/scorecards", "scorecards", "What each owner's statements were worth here", schema.Scorecards),
    Route(
        "GET",
        "/v1/scorecards/{id}",
        "scorecard",
        "What one owner's statements were worth here",
        schema.Scorecards,
        refusals=(404,),
    ),
    Route("GET", "/v1/vouches", "vouches", "Who vouches for whom", schema.VouchList),
    Route(
        "POST",
        "/v1/vouches",
        "vouch",
        "Vouch for another owner",
        schema.TextAnswer,
        schema.VouchRequest,
        scope=_ADMIN,
        status=201,
        refusals=(404, 409, 422, 503, 507),
    ),
    Route(
        "DELETE",
        "/v1/vouches/{id}",
        "unvouch",
        "Take a vouch back",
        schema.TextAnswer,
        scope=_ADMIN,
        refusals=(404, 422, 503, 507),
    ),
    Route("GET", "/v1/charter", "charter", "Members, and what may change them", schema.CharterView, refusals=(404,)),
    Route(
        "POST",
        "/v1/charter",
        "submit_charter",
        "A version or proposal, with its signatures",
        schema.CharterView,
        schema.CharterRequest,
        scope=_ADMIN,
        refusals=(404, 409, 422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/charter/sign",
        "sign_charter",
        "Sign a proposal with the owner's key",
        schema.CharterView,
        schema.CharterSign,
        scope=_ADMIN,
        refusals=(404, 409, 422, 503, 507),
    ),
    Route(
        "POST",
        "/v1/owner/succeed",
        "succeed",
        "This owner takes another key, signed by both",
        schema.OwnerAnswer,
        schema.SuccessionRequest,
        scope=_ADMIN,
        refusals=(422, 503, 507),
    ),
)
