"""The operator's blocks taken back: this node's own word, and with a pardon the whole fleet's.

Answers who else still has the prefix adopted, for a person expects an unblocked address to get through. What strangers
say is not taken back here: the whitelist is for that.
"""

from p2pfw import schema
from p2pfw.app.announcing import Announcing
from p2pfw.app.explaining import Names, speaker
from p2pfw.app.kit import Kit
from p2pfw.app.marks import FORCE, NOTE
from p2pfw.app.wanted import Mode
from p2pfw.core.announcement import Action
from p2pfw.core.localbook import LocalEntry
from p2pfw.core.prefix import PrefixKey, key_text
from p2pfw.core.statement import Source
from p2pfw.core.verdict import Decision
from p2pfw.errors import NotFoundError
from p2pfw.operations import Caller
from p2pfw.rows import Drop, Intention, LocalRow, Put


class Unblocking:
    """The operator's hand, opened."""

    def __init__(self, kit: Kit, announcing: Announcing, names: Names) -> None:
        self._domain, self._judging, self._enforcing = kit.domain, kit.judging, kit.enforcing
        self._store, self._events, self._announcing, self._names = kit.store, kit.events, announcing, names

    async def unblock(self, key: PrefixKey, scope: str, caller: Caller) -> schema.UnblockAnswer:
        """See operations.Operations.unblock."""
        others = [] if scope == "own" else self._fleet_words(key)
        own = self._is_own(key)
        if not own and not others:
            raise NotFoundError(self._not_ours(key, scope), field="prefix", hint=self._hint(key))
        drops = [Drop(table=LocalRow, identity=(source, key)) for source in ("operator", FORCE, NOTE)]
        standing, local = self._domain.standing.get(key), self._domain.local.get(Source.OPERATOR, key)
        await self._announcing.retract([key], *drops, pardon=max(others) if others else None)
        await self._forget(key, standing, local)
        self._judging.dirty([key])
        self._events.tell("unblock", prefix=key_text(key), by=caller.name, pardoned=bool(others))
        problem = ""
        if self._enforcing.mode is Mode.ENFORCE:
            problem = await self._enforcing.settle(self._judging.ticket)
        return schema.UnblockAnswer(
            prefix=key_text(key),
            retracted=own,
            pardoned=bool(others),
            still_blocked_by=self._still(key),
            not_removed=problem if self._domain.adoption.until(key) is None else "",
            hint=self._hint(key),
        )

    def _fleet_words(self, key: PrefixKey) -> list[int]:
        """When other nodes of the own fleet made their live statements on it."""
        statements = self._domain.ledger.statements(key, self._domain.now())
        me = self._domain.me
        ours = [one for one in statements if one.owner == me.owner and one.origin != me.node]
        return [one.stated for one in ours if one.action is Action.BLOCK]

    def _is_own(self, key: PrefixKey) -> bool:
        """True when there is a word of this node's own to take back: announced, waiting, meant, or local."""
        domain = self._domain
        known = key in domain.standing or key in self._announcing.waiting
        announced = domain.own_end(key) is not None and not domain.repeats(key)  # a feed's word comes back
        return known or announced or domain.local_end(key) is not None

    async def _forget(self, key: PrefixKey, standing: Intention | None, local: LocalEntry | None) -> None:
        """What was taken back, and nothing that was given anew while the disk was at it: that is put back there."""
        if standing is not None:
            self._domain.forget_intention(key, standing)
        now = self._domain.local.get(Source.OPERATOR, key)
        if now is not None and now is not local:
            row = LocalRow(
                source=Source.OPERATOR.value,
                key=key,
                until=now.until,
                category=now.category,
                reason=now.reason,
                added=now.added,
            )
            await self._store.commit(Put(row=row))
            return
        self._domain.local.drop(Source.OPERATOR, key)
        if key not in self._announcing.waiting and self._domain.marks.drop(key):
            self._enforcing.allow_changed()

    def _still(self, key: PrefixKey) -> list[str]:
        """Because of whom it, or a prefix around it, is still adopted."""
        names = set()
        for found, word in self._domain.adoption.covering(key):
            if word.decision is not Decision.ADOPT:
                continue
            for testimony in self._domain.explain(found).testimonies:
                if testimony.counted:
                    who = speaker(testimony.statement, self._names)
                    names.add(who if found == key else f"{who} ({key_text(found)})")
        return sorted(names)

    def _not_ours(self, key: PrefixKey, scope: str) -> str:
        whose = "this node" if scope == "own" else "this fleet"
        return f"{key_text(key)} is not blocked by {whose}"

    def _hint(self, key: PrefixKey) -> str:
        if not self._still(key):
            return ""
        return f"p2pfw allow add {key_text(key)} --ttl 1d keeps it open here whatever others say"
