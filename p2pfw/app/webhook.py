"""Tells another program what happens: chosen events, posted as JSON to one address, off the path of everything else.

Whoever tells an event waits for nobody: it goes into a bounded queue, and when that is full the oldest give way and are
counted. One task sends what waits, in order, some at a time. What may be taken later is tried again with growing
pauses, what will not be is given up. Both are state (health, metrics): nothing may be missed silently.
"""

import asyncio
import hashlib
import hmac
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.app.assembly import Assembly
from p2pfw.core.idtext import encode_id
from p2pfw.errors import DeliveryError
from p2pfw.ports import Clock, Poster

log = logging.getLogger(__name__)

ALL: Final = "*"
BATCH: Final = 100
"""Events of one request."""
PAUSES: Final = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Seconds before each further attempt; after the last one these events are given up, so that newer ones get through."""
LATER: Final = frozenset({408, 425, 429})
"""Answers that may be another later, beside all of 5xx."""


class Webhook:
    """The queue, and who empties it. `sender`: id and name of this node; `secret` b"": nothing is signed."""

    def __init__(self, poster: Poster, clock: Clock, sender: tuple[str, str], secret: bytes) -> None:
        self._poster, self._clock, self._sender, self._secret = poster, clock, sender, secret
        self._kinds: frozenset[str] = frozenset()
        self._size = 0
        self._queue: deque[schema.Event] = deque()
        self._wake = asyncio.Event()
        self._deliveries = 0
        self.delivered = self.dropped = self.attempts_failed = 0
        self.problem = ""
        self.pauses: Sequence[float] = PAUSES

    def choose(self, kinds: Sequence[str], size: int) -> None:
        """Which events, and how many may wait."""
        self._kinds, self._size = frozenset(kinds), size

    @property
    def waiting(self) -> int:
        """Events that wait."""
        return len(self._queue)

    def counts(self) -> Mapping[str, int]:
        """Since the start, by what became of them."""
        return {"delivered": self.delivered, "dropped": self.dropped, "waiting": self.waiting}

    def offer(self, event: schema.Event) -> None:
        """An event that happened; the caller goes on at once."""
        if event.kind not in self._kinds and ALL not in self._kinds:
            return
        if len(self._queue) >= self._size:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
                await self._deliver(batch)
            self._wake.clear()
            await self._wake.wait()

    async def _deliver(self, batch: Sequence[schema.Event]) -> None:
        self._deliveries += 1
        node, name = self._sender
        told = schema.WebhookPayload(node_id=node, name=name, dropped=self.dropped, events=list(batch))
        body, number = msgspec.json.encode(told), f"{int(self._clock.now())}-{self._deliveries}"
        for pause in (*self.pauses, None):
            problem, again = await self._attempt(body, number)
            if not problem:
                self._succeeded(len(batch))
                return
            self._failed(problem)
            if pause is None or not again:
                break
            await asyncio.sleep(pause)
        self.dropped += len(batch)
        log.error("webhook gave up", extra={"events": len(batch), "error": self.problem})

    async def _attempt(self, body: bytes, number: str) -> tuple[str, bool]:
        """(what is wrong, whether it may be right later); ("", False) when they were taken."""
        try:
            status = await self._poster.post(body, self._headers(body, number))
        except DeliveryError as error:
            return str(error), True
        if 200 <= status < 300:
            return "", False
        moved = ": redirects are not followed, name the new address" if 300 <= status < 400 else ""
        return f"it answers HTTP {status}{moved}", status in LATER or status >= 500

    def _headers(self, body: bytes, number: str) -> dict[str, str]:
        now = str(int(self._clock.now()))
        found = {"Content-Type": "application/json", "X-P2pfw-Delivery": number, "X-P2pfw-Timestamp": now}
        if self._secret:
            signed = hmac.new(self._secret, now.encode() + b"." + body, hashlib.sha256)
            found["X-P2pfw-Signature"] = f"sha256={signed.hexdigest()}"
        return found

    def _succeeded(self, count: int) -> None:
        if self.problem:
            log.info("webhook recovered", extra={"waiting": self.waiting})
        self.delivered, self.problem = self.delivered + count, ""

    def _failed(self, problem: str) -> None:
        """Each trouble is one line."""
        self.attempts_failed += 1
        if problem != self.problem:
            log.warning("webhook failed", extra={"error": problem})
        self.problem = problem

    def lines(self) -> Iterator[schema.HealthLine]:
        """What the operator should know of it."""
        if self.problem:
            text = f"the webhook fails: {self.problem}; {self.waiting} events wait, {self.dropped} were dropped"
            yield schema.HealthLine(level="warning", code="webhook", text=text, remedy="see webhook.url")
        elif self.dropped:
            text = f"{self.dropped} events were never told to the webhook: it was away or too slow"
            remedy = "choose fewer webhook.events, or a larger webhook.queue"
            yield schema.HealthLine(level="info", code="webhook-dropped", text=text, remedy=remedy)


def attach(node: Assembly, poster: Poster, secret: bytes) -> Webhook:
    """A webhook as the configuration wants it: told of every event, shown by health and metrics. Run it."""
    settings = node.config.webhook
    sender = (encode_id(node.domain.me.node), node.config.node.name)
    found = Webhook(poster, node.kit.clock, sender, secret)
    found.choose(settings.events, settings.queue)
    node.events.watchers.append(found.offer)
    node.health.complaints.append(found.lines)
    node.measuring.webhook = found.counts
    return found
