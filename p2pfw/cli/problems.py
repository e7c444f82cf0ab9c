"""What the node answers when it does not do something, as the error that ends the command."""

import json

from p2pfw.cli.exits import CommandError, exit_of_status

_MOST_SHOWN = 200


def of_answer(status: int, body: bytes) -> CommandError:
    """From a status that is no success and its body: problem+json (RFC 9457), or whatever else came."""
    problem = _object(body)
    detail = str(problem.get("detail") or problem.get("title") or f"the node answered {status}")
    return CommandError(detail, code=exit_of_status(status), hint=_hint(problem))


def _object(body: bytes) -> dict[str, object]:
    try:
        found: object = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": body[:_MOST_SHOWN].decode(errors="replace").strip()}


def _hint(problem: dict[str, object]) -> str:
    hint, overlap, detail = (str(problem.get(name) or "") for name in ("hint", "overlap", "detail"))
    if overlap and overlap not in detail:
        return f"it overlaps {overlap}" + (f"; {hint}" if hint else "")
    return hint
