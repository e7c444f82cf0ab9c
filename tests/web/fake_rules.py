"""Local rules in memory: implements operations.RuleOperations, without chains, disk or kernel."""

from dataclasses import replace

from p2pfw.core.localrule import LocalRule
from p2pfw.core.prefix import overlaps
from p2pfw.errors import ConflictError
from p2pfw.operations import Caller, RuleView


class FakeRules:
    """Implements RuleOperations. `protected`: what no rule may touch; `unfollowed`: why the kernel does not follow."""

    def __init__(self) -> None:
        self.rules: dict[LocalRule, RuleView] = {}
        self.protected: set[int] = set()
        self.unfollowed = ""
        self.waited: list[bool] = []
        self.callers: list[Caller] = []

    async def put_rule(self, rule: LocalRule, until: int, caller: Caller, *, wait: bool = False) -> str:
        self.callers.append(caller)
        self.waited.append(wait)
        for key in (rule.source, rule.destination):
            if key is not None and any(overlaps(key, one) for one in self.protected):
                raise ConflictError("it is protected", overlap="192.0.2.1/32")
        standing = self.rules.get(rule)
        if standing is not None:
            self.rules[rule] = replace(
                standing, until=0 if 0 in (until, standing.until) else max(until, standing.until)
            )
        else:
            self.rules = {rule: RuleView(rule=rule, until=until, installed=not self.unfollowed), **self.rules}
        return self.unfollowed if wait else ""

    async def drop_rule(self, rule: LocalRule, caller: Caller, *, wait: bool = False) -> str | None:
        self.callers.append(caller)
        self.waited.append(wait)
        if self.rules.pop(rule, None) is None:
            return None
        return self.unfollowed if wait else ""

    async def local_rules(self) -> list[RuleView]:
        return list(self.rules.values())
