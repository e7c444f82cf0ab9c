"""ports.FeedSource over this machine's files and the web."""

import asyncio

from p2pfw.feeds.files import read_file
from p2pfw.feeds.web import Patience, fetch
from p2pfw.ports import FeedPlace, Fetched, NotModified


class FeedReader:
    """Fetches lists. `agent` is what publishers see: honest, so that they can complain to somebody."""

    def __init__(self, agent: str, patience: Patience | None = None) -> None:
        self._agent = agent
        self._patience = patience or Patience()

    async def fetch(self, place: FeedPlace) -> Fetched | NotModified:
        """See ports.FeedSource."""
        if place.file is not None:
            return await asyncio.to_thread(read_file, place.file, place.etag, place.max_bytes)
        return await fetch(place, self._agent, self._patience)
