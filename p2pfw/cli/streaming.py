"""`p2pfw block -`: a detector writes addresses, for hours; each is blocked as it comes, in storms many at a time.

One loop without threads. The first address of a quiet while goes at once; what comes within the next fifth of a second
goes together. While the node does not answer, what was read waits (bounded: then nothing more is read, and the
pipe's writer waits), and it is asked again with growing pauses. A line that is wrong, or refused, is said and left out;
nothing of it stops the rest.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from p2pfw.cli.backlog import MOST_WAITING, Backlog, Sent
from p2pfw.cli.exits import CommandError, Exit, of_answer
from p2pfw.cli.invocation import Invocation
from p2pfw.cli.orders import LANGUAGES, MAX_LINE, Language, Lines, Order, Verb
from p2pfw.cli.printer import Form
from p2pfw.cli.quick import DEFAULT_TIMEOUT
from p2pfw.client.exchange import Answer, quoted
from p2pfw.core.duration import parse_ttl
from p2pfw.errors import InputError

GROUP: Final = 1_024
"""Prefixes of one request: an announcement holds no more."""
SPACING: Final = 0.2
"""Seconds between two requests: at most five announcements a second, however long a storm lasts."""
BACKOFF: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a node that does not answer is asked again; the last one repeats."""
PIECE: Final = 65_536
REPEAT: Final = 0.1
"""Part of the ttl within which an address that comes again is not sent again: a storm of one address is one block."""
LONGEST_REPEAT: Final = 3_600.0
RENEWED: Final = 0.5
"""Part of the ttl after which what sshguard did not release is said again."""
FOREVER: Final = 30 * 86_400.0
"""Seconds to reckon with for a ttl without end."""
MOST_SAID: Final = 1_024
SAID_AGAIN: Final = 3_600.0
"""Seconds until the same complaint about the same address is worth another line."""
_LATER: Final = frozenset({408, 429, 502, 503, 504, 507})
_FATAL: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the command line said about every address. `ttl` in seconds."""

    body: Mapping[str, object]
    ttl: float
    language: Language
    renew: bool


def terms_of(said: Mapping[str, object], language: str) -> Terms:
    """InputError when the ttl is none: said before anything is read."""
    seconds = parse_ttl(str(said["ttl"]), field="ttl")
    ttl = FOREVER if seconds is None else float(seconds)
    return Terms(body=said, ttl=ttl, language=LANGUAGES[language], renew=language == "sshguard")


@dataclass(slots=True)
class Stream:
    """Standard input on its way to the node."""

    invocation: Invocation
    terms: Terms
    source: int
    clock: Callable[[], float] = time.monotonic
    backlog: Backlog = field(default_factory=Backlog)
    sent: Sent = field(default_factory=Sent)
    wrong: int = 0
    blocked: int = 0
    released: int = 0
    _lines: Lines = field(default_factory=Lines)
    _said: dict[str, float] = field(default_factory=dict)
    _due: float = float("-inf")
    _failures: int = 0
    _ended: float | None = None
    _told_full: bool = False

    def run(self) -> int:
        """Until the input ends, or SIGTERM; then what is left is sent. The exit code."""
        with _terminable() as told:
            while self._ended is None or self.backlog:
                self._read(told)
                self._renew()
                if self.backlog and self.clock() >= self._due:
                    self._send()
        self.invocation.printer.say(f"{self.blocked} blocked, {self.released} released, {self.wrong} refused")
        return Exit.NO if self.wrong else Exit.OK

    # --- reading ---------------------------------------------------------------------------------------------------

    def _read(self, told: int) -> None:
        """Wait for input or for the next thing to do, whichever is first."""
        fds = [told] if self.backlog.is_full else [told, self.source]
        ready = select.select(fds if self._ended is None else [], [], [], self._patience())[0]
        if told in ready:
            self._end()
        elif self.source in ready:
            self._take(os.read(self.source, PIECE))

    def _patience(self) -> float | None:
        """Seconds until there is something to do without any input; None: there is nothing."""
        if self.backlog:
            return max(0.0, self._due - self.clock())
        oldest = self.sent.oldest() if self.terms.renew else None
        return None if oldest is None else max(0.0, oldest + self.terms.ttl * RENEWED - self.clock())

    def _take(self, piece: bytes) -> None:
        for number, text in self._lines.feed(piece):
            try:
                self._ask(number, text)
            except InputError as error:
                self._complain(f"line {number}: {error.problem}", error.problem, error.hint)
        if not piece:
            self._end()
        if self.backlog.is_full and not self._told_full:
            self._told_full = True
            self.invocation.printer.warn(f"p2pfw: {MOST_WAITING} prefixes wait: nothing more is read until fewer do")

    def _ask(self, number: int, text: str | None) -> None:
        if text is None:
            raise InputError(f"it is longer than {MAX_LINE} bytes", field="line")
        order = self.terms.language(text, number)
        if order is None:
            return
        if order.verb is Verb.FLUSH:
            for prefix in {*self.sent.all(), *self.backlog.prefixes()}:
                self.backlog.put(Order(Verb.RELEASE, prefix, number))
        elif order.verb is not Verb.BLOCK or not self._is_repeated(order.prefix):
            self.backlog.put(order)

    def _is_repeated(self, prefix: str) -> bool:
        pause = min(LONGEST_REPEAT, self.terms.ttl * REPEAT)
        return not self.terms.renew and self.sent.since(prefix, self.clock() - pause)

    def _renew(self) -> None:
        """sshguard says once what it blocks until it releases it: say it again before it ends here."""
        if self.terms.renew and self._ended is None:
            for prefix in self.sent.before(self.clock() - self.terms.ttl * RENEWED):
                self.sent.put(prefix, self.clock())
                self.backlog.put(Order(Verb.RENEW, prefix, 0))

    def _end(self) -> None:
        self._ended = self.clock()
        self._due = min(self._due, self._ended) if not self._failures else self._due

    # --- sending ---------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        group = self.backlog.first(GROUP)
        try:
            self._carry_out(group)
        except CommandError as error:
            self._unanswered(error)
            return
        if self._failures:
            self.invocation.printer.warn("p2pfw: the node answers again")
        self._failures = 0
        self._told_full = self._told_full and self.backlog.is_full
        self._due = self.clock() + (0.0 if len(group) == GROUP or self._ended is not None else SPACING)

    def _carry_out(self, group: Sequence[Order]) -> None:
        if group[0].verb is Verb.RELEASE:
            for order in group:
                self._release(order)
        else:
            self._block(group)

    def _block(self, group: Sequence[Order]) -> None:
        """All in one request; where that is refused, by halves, until what is refused stands alone."""
        texts = [order.prefix for order in group]
        detected = bool(self.terms.body.get("detected")) and group[0].verb is Verb.BLOCK
        body = {**self.terms.body, "prefixes": texts, "detected": detected}
        answer = self._call("POST", "/v1/blocks", body)
        if answer.status < 300:
            self._done(group, answer)
        elif len(group) == 1:
            self._refused(group[0], answer)
        else:
            half = len(group) // 2
            self._block(group[:half])
            self._block(group[half:])

    def _done(self, group: Sequence[Order], answer: Answer) -> None:
        now = self.clock()
        for order in group:
            self.backlog.done(order)
            self.sent.put(order.prefix, now)
        self.blocked += len(group)
        if not self.invocation.as_json(answer.body, "block") and self.invocation.form is Form.PLAIN:
            from p2pfw.cli.show import changes

            changes.block(self.invocation.printer, answer.body)

    def _release(self, order: Order) -> None:
        answer = self._call("DELETE", f"/v1/blocks/{quoted(order.prefix)}?scope=own")
        if answer.status >= 300 and answer.status != 404:  # 404: it has ended by its own time already
            self._refused(order, answer)
            return
        self.backlog.done(order)
        self.sent.forget(order.prefix)
        self.released += 1

    def _call(self, method: str, target: str, body: object = None) -> Answer:
        """Any answer about what was asked. CommandError: none, or one that has nothing to do with it."""
        answer = self.invocation.try_call(method, target, body)
        if answer.status in _LATER:
            problem = of_answer(answer.status, answer.body)
            raise CommandError(problem.problem, code=Exit.UNREACHABLE, hint=problem.hint)
        if answer.status in _FATAL:
            raise of_answer(answer.status, answer.body)
        return answer

    def _unanswered(self, error: CommandError) -> None:
        """Once more, later; the end for whoever may not ask, and for a stream that is over and found nobody."""
        patience = self.invocation.timeout or DEFAULT_TIMEOUT
        over = self._ended is not None and self.clock() - self._ended >= patience
        if over or error.code not in (Exit.UNREACHABLE, Exit.TIMEOUT):
            left = f"{error.problem}; {len(self.backlog)} prefixes were not sent"
            raise CommandError(left, code=error.code, hint=error.hint)
        if not self._failures:
            self.invocation.printer.warn(f"p2pfw: {error.problem}; what comes waits, and is tried again")
        self._due = self.clock() + BACKOFF[min(self._failures, len(BACKOFF) - 1)]
        self._failures += 1

    # --- complaining -------------------------------------------------------------------------------------------------

    def _refused(self, order: Order, answer: Answer) -> None:
        self.backlog.done(order)
        error = of_answer(answer.status, answer.body)
        where = f"line {order.line}" if order.line else order.prefix
        self._complain(f"{where}: {error.problem}", error.problem, error.hint)

    def _complain(self, text: str, key: str, hint: str) -> None:
        """One line; the same about the same address not again within the hour."""
        self.wrong += 1
        now = self.clock()
        if now - self._said.get(key, float("-inf")) < SAID_AGAIN:
            return
        if len(self._said) >= MOST_SAID:
            self._said.pop(next(iter(self._said)))
        self._said[key] = now
        self.invocation.printer.warn(f"p2pfw: {text}" + (f" ({hint})" if hint else ""))


def stream(invocation: Invocation, said: Mapping[str, object], language: str) -> int:
    """The command."""
    terms = terms_of(said, language)
    invocation.socket_path()  # a configuration that is not there is said at once
    return Stream(invocation, terms, sys.stdin.fileno()).run()


@contextmanager
def _terminable() -> Iterator[int]:
    """A file descriptor that can be read once SIGTERM has come: then what was read is still sent."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        for one in (reading, writing):
            with suppress(OSError):
                os.close(one)
