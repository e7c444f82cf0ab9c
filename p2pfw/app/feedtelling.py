"""What the operator is told of feeds: events and log lines when something happens, health lines while it holds.

Each trouble is told once, with its remedy, and so is its end. Decides nothing; see feeding.
"""

import logging
from collections.abc import Iterator
from typing import Final

from p2pfw import schema
from p2pfw.app.events import Events
from p2pfw.app.feedlists import Subscription, Trouble
from p2pfw.core.duration import short_duration

log = logging.getLogger(__name__)

ENDING: Final = 4
"""Health says so when less than one part of so many is left of max_age."""


class FeedTelling:
    """Events and log lines."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def taken_in(self, one: Subscription, before: int) -> None:
        """A new list counts; the old one had so many entries."""
        left_out = ", ".join(f"{count} left out: {why}" for why, count in sorted(one.dropped.items()))
        name, entries, cut = one.feed.name, len(one.listed), one.listed.carved
        self._events.tell("feed", reason=left_out, feed=name, entries=entries, before=before, cut=cut)
        facts = {"feed": name, "entries": entries, "before": before, "cut": cut, "left_out": dict(one.dropped)}
        log.info("feed taken in", extra=facts)

    def attempted(self, one: Subscription, trouble: Trouble | None) -> None:
        """Each trouble once, and that it is over."""
        if trouble is not None and trouble != one.trouble:
            self._events.tell("feed-failed", reason=trouble.text, feed=one.feed.name)
            log.error("feed not taken in", extra={"feed": one.feed.name, "error": trouble.text})
        elif trouble is None and one.trouble is not None:
            self._events.tell("feed-recovered", feed=one.feed.name)
            log.info("feed recovered", extra={"feed": one.feed.name})


def health_of(one: Subscription, now: int, monotonic: float) -> Iterator[schema.HealthLine]:
    """What is wrong with it now, and whether its entries still count."""
    name = one.feed.name
    counts = now < one.until
    if one.trouble is not None:
        held = f"the {len(one.listed)} entries of {short_duration(now - one.fetched)} ago still count"
        text = f"feed {name}: {one.trouble.text}; {held if counts else 'nothing of it is blocked'}"
        wait = short_duration(max(1.0, one.when - monotonic))
        remedy = one.trouble.remedy or f"it is tried again in {wait}"
        level = "warning" if counts else "error"
        yield schema.HealthLine(level=level, code=one.trouble.code, text=text, remedy=remedy)  # type: ignore[arg-type]  # the two words above
    elif one.fetched and one.until - now < one.feed.max_age / ENDING:
        end = f"it counts no more in {short_duration(one.until - now)}" if counts else "it counts no more"
        text = f"feed {name}: its content is {short_duration(now - one.date)} old by its own date; {end}"
        remedy = f"its publisher may have stopped; raise feed.{name}.max_age if it rarely changes"
        level = "warning" if counts else "error"
        yield schema.HealthLine(level=level, code="feed-stale", text=text, remedy=remedy)  # type: ignore[arg-type]  # as above
