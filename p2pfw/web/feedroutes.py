"""The routes about feeds; see routes."""

from typing import Final

from p2pfw import schema
from p2pfw.web.access import Scope
from p2pfw.web.route import Route

_ADMIN: Final = Scope.ADMIN

FEED_ROUTES: Final[tuple[Route, ...]] = (
    Route("GET", "/v1/feeds", "feeds", "Every feed and how it stands", schema.FeedList),
    Route(
        "POST",
        "/v1/feeds",
        "add_feed",
        "Add a feed; answers when it was fetched once",
        schema.FeedView,
        schema.FeedRequest,
        scope=_ADMIN,
        status=201,
        refusals=(404, 409, 422, 503, 507),
    ),
    Route("GET", "/v1/feeds/{id}", "feed", "One feed", schema.FeedView, refusals=(404,)),
    Route(
        "POST",
        "/v1/feeds/{id}",
        "refresh_feed",
        "Fetch it now",
        schema.FeedView,
        schema.RefreshRequest,
        scope=_ADMIN,
        refusals=(404, 409, 422, 503, 507),
    ),
    Route(
        "DELETE",
        "/v1/feeds/{id}",
        "remove_feed",
        "Take a run-time feed back, with all that it said",
        scope=_ADMIN,
        status=204,
        refusals=(404, 409, 503, 507),
    ),
    Route(
        "POST",
        "/v1/test-feed",
        "test_feed",
        "Fetch a list and say what would come of it; nothing changes",
        schema.FeedTest,
        schema.FeedRequest,
        scope=_ADMIN,
        refusals=(422, 503),
    ),
)
