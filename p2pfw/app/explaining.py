"""Answers `why`: the policy's explanation in the operator's words, for any prefix whatever.

One source for CLI, API and dashboard. What decides about an address is the longest adopted prefix that covers it; where
none does, the prefix itself, and then the longest known one around it. Computes no verdicts: those are the policy's.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple, Protocol

from p2pfw import schema
from p2pfw.app.domain import Domain
from p2pfw.core.adoption import Word
from p2pfw.core.explain import Explanation, Flip, Testimony, Turn
from p2pfw.core.forbidden import Obstacles
from p2pfw.core.identity import OwnerId
from p2pfw.core.idtext import encode_id
from p2pfw.core.prefix import PrefixKey, is_v6, key_length, key_text
from p2pfw.core.protected import ProtectedRange
from p2pfw.core.statement import Source, Statement
from p2pfw.core.times import ending, rfc3339
from p2pfw.core.verdict import Decision, Reason, Verdict
from p2pfw.core.voices import KEEP
from p2pfw.core.whitelist import WhitelistEntry
from p2pfw.errors import FirewallError

MOST_RELATED: Final = 20
"""Overlapping prefixes shown at the most."""


class Names(Protocol):
    """Names of keys."""

    @property
    def own_owner(self) -> OwnerId:
        """Whose fleet this node is of."""
        ...

    def name_of(self, key: bytes) -> str:
        """The operator's name for it, else the short id."""
        ...


class Kernel(Protocol):
    """What the kernel says."""

    @property
    def enforcing(self) -> bool:
        """True when the kernel holds the rule and what is adopted."""
        ...

    def holds(self, key: int) -> bool:
        """True when the kernel has this adopted prefix, as far as was acknowledged and checked."""
        ...

    async def counters(self, key: int) -> tuple[int, int] | None:
        """(packets, bytes) of an entry, None when the kernel does not hold it. FirewallError."""
        ...


class _Subject(NamedTuple):
    """What was asked for, the known prefix that decides about it, and every known one that covers it, longest first."""

    asked: PrefixKey
    matched: PrefixKey | None
    around: Sequence[tuple[PrefixKey, Word]]


class Explaining:
    """Builds the answer."""

    def __init__(self, domain: Domain, names: Names, kernel: Kernel, set_prefix: str) -> None:
        self._domain, self._names, self._kernel, self._set_prefix = domain, names, kernel, set_prefix

    async def why(self, asked: PrefixKey, *, counters: bool) -> schema.Why:
        """The explanation of the prefix that decides about the asked one. `counters`: read the kernel's, too."""
        around = list(self._domain.adoption.around(asked))
        adopted = (key for key, word in around if word.decision is Decision.ADOPT)
        matched = next(adopted, around[0][0] if around else None)
        explanation = self._domain.explain(matched or asked)
        kernel = await self._kernel_view(matched or asked, counters=counters)
        return self._answer(_Subject(asked, matched, around), explanation, kernel)

    def _answer(self, subject: _Subject, explanation: Explanation, kernel: schema.KernelView) -> schema.Why:
        asked, matched, around = subject
        verdict = explanation.verdict
        blocked = verdict.decision is Decision.ADOPT
        refused = verdict.decision is Decision.REFUSE
        return schema.Why(
            prefix=key_text(asked),
            blocked=blocked,
            dropped=blocked and kernel.installed and self._kernel.enforcing,
            matched=key_text(matched) if matched is not None else None,
            matched_of=len(around),
            verdict=verdict.decision.word if matched is not None or refused else "UNKNOWN",
            reason=verdict.reason.word,
            score=verdict.score if verdict.threshold is not None else None,
            threshold=verdict.threshold,
            voices=verdict.voices if verdict.voices_needed is not None else None,
            voices_needed=verdict.voices_needed,
            since=_since(explanation),
            expires=ending(verdict.until) if verdict.until else None,
            evidence=[self._evidence(one, PrefixKey(explanation.key)) for one in explanation.testimonies],
            flips=[self._flip(one, explanation) for one in explanation.flips],
            overlap=obstacle_text(explanation.obstacles),
            whitelist_sources=explanation.whitelist_sources,
            whitelist_ranges=explanation.whitelist_ranges,
            related=self._related(subject),
            kernel=kernel,
            undo=list(self._undo(asked, explanation)),
        )

    def _related(self, subject: _Subject) -> list[schema.Related]:
        """Other known prefixes that cover the asked one, and, for a network, some inside it."""
        asked, matched, known = subject
        around = [(key, word) for key, word in known if key != matched]
        inside: Iterable[tuple[PrefixKey, Word]] = ()
        if key_length(asked) < (128 if is_v6(asked) else 32):
            keys = (key for key in self._domain.overlapping(asked) if key_length(key) > key_length(asked))
            inside = ((key, word) for key in keys if (word := self._domain.adoption.verdict(key)) is not None)
        return [
            schema.Related(prefix=key_text(key), verdict=word.decision.word, reason=word.reason.word)
            for key, word in islice(chain(around, inside), MOST_RELATED)
        ]

    def _evidence(self, testimony: Testimony, key: PrefixKey) -> schema.Evidence:
        said = testimony.statement
        return schema.Evidence(
            source=said.source.value,
            origin=encode_id(said.origin) if said.origin else "",
            owner=encode_id(said.owner) if said.owner else "",
            name=speaker(testimony.statement, self._names),
            action=said.action.name,
            category=said.category.name.lower(),  # type: ignore[arg-type]  # the names of Category are the literals
            confidence=said.confidence,
            trust=round(testimony.support / said.confidence, 4) if said.confidence else 0.0,
            trust_from=self._trust_from(testimony),
            support=testimony.support,
            counted=testimony.counted,
            not_counted="" if testimony.counted else testimony.uncounted.word if testimony.uncounted else "too-wide",
            signed=rfc3339(said.created) if said.created else None,
            expires=ending(said.expires),
            note=self._note(testimony, key),
        )

    def _trust_from(self, testimony: Testimony) -> str:
        """How the trust came about, with the name of who vouches."""
        owner = testimony.statement.owner
        worth = self._domain.trust.worth(owner) if owner else None
        if worth is None or worth.sponsor == owner or testimony.statement.source is not Source.SIGNED:
            return testimony.trust_origin
        return f"{testimony.trust_origin} by {self._names.name_of(worth.sponsor)}"

    def _note(self, testimony: Testimony, key: PrefixKey) -> str:
        said = testimony.statement
        if said.source is Source.OPERATOR:
            return said.name
        return self._domain.marks.note(key) if said.origin == self._domain.me.node else ""

    def _flip(self, flip: Flip, explanation: Explanation) -> str:
        match flip.turn:
            case Turn.WORDS_END:
                names = " and ".join(dict.fromkeys(self._word_of(one) for one in flip.who))
                one = len(flip.who) == 1
                scored = explanation.verdict.reason in (Reason.OK, Reason.LOCAL)
                rest = _after(flip.after, KEEP if scored else 0.0)
                if explanation.verdict.reason is Reason.OK:
                    return f"{names} {'retracts' if one else 'retract'} ({rest})"
                return f"{names} {'is' if one else 'are'} taken back ({rest})"
            case Turn.SUPPORT_COMES:
                score = f"score {explanation.verdict.score:.2f}, needs {explanation.verdict.threshold or 0:.2f}"
                return f"{_voices(flip.voices)} with support {flip.support:.2f} ({score})"
            case Turn.SAID_AGAIN:
                return f"{self._word_of(flip.who[0])} says it again: the lease is over"
            case Turn.RANGE_GOES:
                way = f"{obstacle_text(explanation.obstacles)} no longer stands in the way"
                return f"{way} (then {flip.after.decision.word} {flip.after.reason.word})"
            case Turn.OPERATOR_SAYS:
                return f"p2pfw block {key_text(PrefixKey(explanation.key))}: only this operator may go so wide"

    def _word_of(self, said: Statement) -> str:
        """Who would have to say otherwise."""
        if said.source is Source.OPERATOR or said.origin == self._domain.me.node:
            return "this operator's word"
        if said.source is Source.SIGNED and said.fleet and said.owner == self._domain.me.owner:
            return "the fleet's word"
        if said.source is Source.FEED:
            return "the feed's word"
        return speaker(said, self._names)

    def _undo(self, asked: PrefixKey, explanation: Explanation) -> Iterable[str]:
        prefix = _short(asked)
        verdict = explanation.verdict
        if verdict.reason is Reason.WHITELIST and explanation.obstacles.whitelist is not None:
            entry = explanation.obstacles.whitelist
            yield f"p2pfw allow remove {key_text(entry.key)}" if entry.source == "command" else f"edit {entry.source}"
        if verdict.decision is not Decision.ADOPT:
            return
        if verdict.reason in (Reason.OPERATOR, Reason.FLEET):
            yield f"p2pfw unblock {_short(PrefixKey(explanation.key))}"
        yield f"p2pfw allow add {prefix} --ttl 1d"
        for testimony in explanation.testimonies:
            said = testimony.statement
            if testimony.counted and said.source is Source.SIGNED and said.owner and verdict.reason is Reason.OK:
                yield f"p2pfw peer trust {self._names.name_of(said.owner)} 0.2"
                return

    async def _kernel_view(self, key: PrefixKey, *, counters: bool) -> schema.KernelView:
        name = f"{self._set_prefix}-block{6 if is_v6(key) else 4}"
        if not counters:
            held = self._kernel.holds(key)
            return schema.KernelView(installed=held, set=name if held else "")
        try:
            read = await self._kernel.counters(key)
        except FirewallError as error:
            return schema.KernelView(installed=False, error=str(error))
        if read is None:
            return schema.KernelView(installed=False)
        return schema.KernelView(installed=True, set=name, packets=read[0], bytes=read[1])


def speaker(said: Statement, names: Names) -> str:
    """Who says it, in the operator's words: a node of the own fleet by its own name, others by their owner's."""
    if said.source is Source.SIGNED and said.origin is not None:
        return names.name_of(said.origin if said.owner in (None, names.own_owner) else said.owner)
    if said.source is Source.SIGHTING:
        return "this machine"
    return f"feed {said.name}" if said.source is not Source.OPERATOR else "this node"


def obstacle_text(obstacles: Obstacles) -> str:
    """The range that stands in the way, with what it is; "" when nothing overlaps."""
    found = obstacles.hard or obstacles.soft or obstacles.peer or obstacles.whitelist or obstacles.private
    if found is None:
        return ""
    if isinstance(found, WhitelistEntry):
        comment = f", {found.comment}" if found.comment else ""
        return f"{key_text(found.key)} (whitelist: {found.source}{comment})"
    if isinstance(found, ProtectedRange):
        return f"{key_text(found.key)} (protected, {found.strength.value}: {found.reason})"
    return f"{key_text(found.key)} ({found.name})"


def _since(explanation: Explanation) -> str | None:
    if explanation.verdict.decision is not Decision.ADOPT:
        return None
    said = [one.statement.created for one in explanation.testimonies if one.counted and one.statement.created]
    return rfc3339(min(said)) if said else None


def _after(verdict: Verdict, keep: float) -> str:
    """What would be left, and what is missing then; `keep`: by how much less than the threshold would do."""
    if verdict.threshold is None:
        return f"then {verdict.decision.word} {verdict.reason.word}"
    if verdict.voices and verdict.score >= verdict.threshold:
        return f"{verdict.voices} of {verdict.voices_needed} voices"
    return f"{verdict.score:.2f} < {verdict.threshold - keep:.2f}"


def _voices(count: int) -> str:
    return "one more voice" if count == 1 else f"{count} more voices"


def _short(key: PrefixKey) -> str:
    """As an operator types it: a host without its length."""
    text = key_text(key)
    return text.partition("/")[0] if key_length(key) == (128 if is_v6(key) else 32) else text
