"""What if: an owner with another trust, from what is stored; nothing changes (`p2pfw peer try`)."""

from typing import Final

from p2pfw import schema
from p2pfw.app.domain import Domain
from p2pfw.app.pace import Pace
from p2pfw.app.peerbook import PeerBook
from p2pfw.core.policy import Policy
from p2pfw.core.prefix import PrefixKey, covers, key_text
from p2pfw.core.trust import TrustTable, parse_trust
from p2pfw.core.verdict import Decision, Reason
from p2pfw.errors import NotAcceptableError
from p2pfw.ports import Clock, Machine

MOST_SHOWN: Final = 20


class Trying:
    """The question, and its answer."""

    def __init__(self, domain: Domain, book: PeerBook, clock: Clock, machine: Machine) -> None:
        self._domain, self._book, self._clock, self._machine = domain, book, clock, machine

    async def trust(self, peer_id: str, text: str) -> schema.TryAnswer:
        """See operations.Operations.try_trust."""
        owner, worth = self._book.owner_of(peer_id), parse_trust(text)
        if owner == self._domain.me.owner:
            raise NotAcceptableError("this is the own fleet, which needs no trust", field="id")
        trust = self._domain.trust.imagined(owner, worth)
        policy = self._policy(trust)
        now, pace = self._clock.now(), Pace(self._clock)
        affected = {owner, *self._domain.trust.vouches.by(owner)}
        adopted: list[PrefixKey] = []
        dropped: list[PrefixKey] = []
        for key in self._domain.ledger.keys_of_owners(affected, now):
            await pace.step()
            word = self._domain.adoption.verdict(key)
            before = word is not None and word.decision is Decision.ADOPT
            scored = word is not None and before and word.reason in (Reason.OK, Reason.LOCAL)
            verdict = policy.judge(key, self._domain.statements(key, now), now, adopted_before=scored)
            if (verdict.decision is Decision.ADOPT) != before:
                (dropped if before else adopted).append(key)
        usage = self._domain.adoption.allowances.limits_of(trust.most(owner))
        return schema.TryAnswer(
            owner=self._book.name_of(owner),
            trust_now=self._domain.trust.most(owner),
            trust=worth,
            adopted=len(adopted),
            dropped=len(dropped),
            adopts=[key_text(key) for key in sorted(adopted)[:MOST_SHOWN]],
            drops=[key_text(key) for key in sorted(dropped)[:MOST_SHOWN]],
            prefixes_limit=usage[0],
            rate_limit=usage[1],
            clients=self._hit(adopted),
        )

    def _policy(self, trust: TrustTable) -> Policy:
        real = self._domain.policy
        return Policy(
            own_node=real.own_node,
            own_owner=real.own_owner,
            trust=trust,
            whitelist=real.whitelist,
            protected=real.protected,
            allow_private=real.allow_private,
        )

    def _hit(self, adopted: list[PrefixKey]) -> list[schema.Hit]:
        """Who is connected to this machine now and would be cut off."""
        hosts = set(adopted)
        found = []
        for client in self._machine.clients():
            blocked = (
                client.key if client.key in hosts else next((one for one in adopted if covers(one, client.key)), None)
            )
            if blocked is not None:
                found.append(schema.Hit(address=key_text(client.key), what=client.reason, prefix=key_text(blocked)))
        return found[:MOST_SHOWN]
