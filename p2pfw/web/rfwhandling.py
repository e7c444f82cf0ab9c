"""From a request of rfw's to what is done here, and to the answer that rfw's clients expect.

`drop/input/any` is an operator's block of this node, `accept/input/any` an entry of the whitelist, and everything else
a rule of this machine alone. Putting in what is there and taking out what is not are successes; a duplicate extends.
Codes and the word ERROR are rfw's; bodies are JSON. Who asks has been settled before (rfwaccess).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from p2pfw import schema
from p2pfw.config import Rfw as Settings
from p2pfw.core.localrule import Chain
from p2pfw.core.prefix import Prefix, PrefixKey
from p2pfw.core.whitelist import COMMAND
from p2pfw.errors import ConflictError, FirewallError, InputError, NotFoundError
from p2pfw.formats.rfw import Command, Directives, Help, Listing, Ordered, parse_path, parse_query
from p2pfw.operations import Caller, Operations, RuleOperations
from p2pfw.ports import Clock
from p2pfw.web.rfwlisting import Row, Rules, row_of

REASON: Final = "rfw"
"""Of blocks and whitelist entries that came this way: whoever asks why finds it."""
USAGE: Final = {
    "GET": ["/list", *(f"/list/{chain.value.lower()}" for chain in Chain)],
    "PUT, DELETE": [
        "/{drop,accept,reject}/{input,output}/IFACE/IP[/MASK]",
        "/{drop,accept,reject}/forward/IFACE/IP[/MASK][/IFACE2[/IP2[/MASK2]]]",
    ],
    "query": ["expire=N[s|m|h|d]", "wait=true"],
}


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change."""

    modify: str
    rule: Row
    expire: str = ""
    """Seconds, as asked for; "0" is for ever."""
    state: str
    """recorded: on its way to the kernel. installed, removed: the kernel follows. observed: mode is observe."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, let in. `proven`: with a password."""

    method: str
    path: str
    query: Mapping[str, str]
    caller: Caller
    proven: bool


class Handling:
    """Answers requests."""

    def __init__(self, operations: Operations, rules: RuleOperations, settings: Settings, clock: Clock) -> None:
        self._operations, self._rules, self._settings, self._clock = operations, rules, settings, clock
        self._list = Rules(operations, rules)

    async def answer(self, asked: Asked) -> list[bytes]:
        """The body of a success, in parts. InputError, NodeError."""
        command, directives = parse_path(asked.path), parse_query(asked.query)
        modify = self._modify(asked, command, directives)
        match command:
            case Help():
                return [msgspec.json.encode(USAGE)]
            case Listing(chain):
                return await self._list.listing(chain)
            case Ordered():
                change = self._insert if modify == "insert" else self._delete
                return [msgspec.json.encode(await change(command, directives, asked.caller))]

    def _modify(self, asked: Asked, command: Command, directives: Directives) -> str:
        """insert, delete, or "" for what only reads."""
        if asked.method != "GET":
            if not isinstance(command, Ordered):
                raise InputError("Unrecognized command.")
            return "insert" if asked.method == "PUT" else "delete"
        if not isinstance(command, Ordered):
            return ""
        if not (self._settings.non_restful and asked.proven):
            raise InputError("Unrecognized command. Non-restful disabled.")
        if not directives.modify:
            raise InputError("Unrecognized command. Non-restful enabled, you need to provide modify parameter.")
        return directives.modify

    # --- putting in ------------------------------------------------------------------------------------------------

    async def _insert(self, ordered: Ordered, directives: Directives, caller: Caller) -> Done:
        seconds = directives.expire if directives.expire is not None else self._settings.default_expire or 0
        if ordered.blocked is not None:
            state = await self._block(ordered.blocked, seconds, caller, wait=directives.wait)
        elif ordered.allowed is not None:
            state = await self._allow(ordered.allowed, seconds, caller)
        else:
            state = await self._put(ordered, seconds, caller, wait=directives.wait)
        return Done(modify="insert", rule=row_of(ordered.rule), expire=str(seconds), state=state)

    async def _block(self, key: PrefixKey, seconds: int, caller: Caller, *, wait: bool) -> str:
        request = schema.BlockRequest(
            prefix=str(Prefix(key)),
            ttl=seconds or "forever",
            reason=REASON,
            local_only=not self._settings.announce,
            wait=wait,
        )
        answer = await self._operations.block(request, caller)
        if answer.not_installed:
            raise _not_followed(answer.not_installed)
        return answer.state

    async def _allow(self, key: PrefixKey, seconds: int, caller: Caller) -> str:
        """In the kernel when it answers, waited for or not."""
        prefix = Prefix(key)
        if not self._stands(prefix, seconds):
            request = schema.AllowRequest(ttl=seconds or "forever", comment=REASON)
            await self._operations.allow(prefix, request, caller)
        return "installed" if self._enforces() else "observed"

    def _stands(self, prefix: Prefix, seconds: int) -> bool:
        """True when a whitelist entry of its own lets this in for as long: a duplicate never shortens."""
        found = self._operations.allow_check(prefix).overlaps
        entry = next((one for one in found if one.prefix == str(prefix) and one.source == COMMAND), None)
        if entry is None or entry.expires is None:
            return entry is not None
        return bool(seconds) and datetime.fromisoformat(entry.expires).timestamp() >= self._clock.now() + seconds

    async def _put(self, ordered: Ordered, seconds: int, caller: Caller, *, wait: bool) -> str:
        until = int(self._clock.now()) + seconds if seconds else 0
        problem = await self._rules.put_rule(ordered.rule, until, caller, wait=wait)
        if not self._enforces():
            return "observed"
        if problem:
            raise _not_followed(problem)
        return "installed" if wait else "recorded"

    # --- taking out ------------------------------------------------------------------------------------------------

    async def _delete(self, ordered: Ordered, directives: Directives, caller: Caller) -> Done:
        state, note = "removed", ""
        try:
            if ordered.blocked is not None:
                note = await self._unblock(Prefix(ordered.blocked), caller)
            elif ordered.allowed is not None:
                await self._operations.disallow(Prefix(ordered.allowed), caller)
            else:
                state, note = await self._drop(ordered, caller, wait=directives.wait)
        except NotFoundError:
            note = "there was none"
        return Done(modify="delete", rule=row_of(ordered.rule), state=state, note=note)

    async def _drop(self, ordered: Ordered, caller: Caller, *, wait: bool) -> tuple[str, str]:
        """(state, note)."""
        problem = await self._rules.drop_rule(ordered.rule, caller, wait=wait)
        if problem is None:
            return "removed", "there was none"
        if problem and self._enforces():
            raise _still_there(problem)
        return "removed" if wait else "recorded", ""

    async def _unblock(self, prefix: Prefix, caller: Caller) -> str:
        """What is announced is taken back from the fleet, what was not from this machine."""
        scope = "owner" if self._settings.announce else "own"
        answer = await self._operations.unblock(prefix, scope, caller)
        if answer.not_removed:
            raise _still_there(answer.not_removed)
        others = ", ".join(answer.still_blocked_by)
        return f"still blocked by {others}" if others else ""

    def _enforces(self) -> bool:
        return self._operations.status().mode == "enforce"


def error_text(error: InputError) -> str:
    """In rfw's words where it had some."""
    if isinstance(error, ConflictError):
        return f"Ignoring the request conflicting with the whitelist: {error}"
    return str(error)


def _still_there(problem: str) -> FirewallError:
    return FirewallError(f"taken out, but the kernel may still have it: {problem}")


def _not_followed(problem: str) -> FirewallError:
    return FirewallError(f"kept, but the kernel does not have it yet: {problem}")
