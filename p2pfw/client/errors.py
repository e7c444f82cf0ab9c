"""Why a node did not do what it was asked, as whoever asks wants to tell the cases apart.

ClientError
├── UnreachableError    no node answers there, or it broke off
├── DeniedError         this user may not use the socket
├── LateError           not within the time that was given; it may still be done
└── RefusedError        the node answered, and did not do it: status, field, overlap, retry_after
"""

import json
from collections.abc import Mapping

from p2pfw.errors import P2pfwError

_MOST_SHOWN = 200


class ClientError(P2pfwError):
    """Base of all. `problem` is a sentence for people, `hint` what would be right, "" when nobody knows."""

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem} ({hint})" if hint else problem)
        self.problem, self.hint = problem, hint


class UnreachableError(ClientError):
    """No node answers."""


class DeniedError(ClientError):
    """The socket is not for this user."""


class LateError(ClientError):
    """The node did not answer in time."""


class RefusedError(ClientError):
    """The node's answer is no success: a problem of RFC 9457, or whatever else came."""

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        found = _object(body)
        detail = str(found.get("detail") or found.get("title") or f"the node answered {status}")
        self.status = status
        self.field = str(found.get("field") or "")
        """Which field of the request is wrong."""
        self.overlap = str(found.get("overlap") or "")
        """The whitelisted or protected range in the way."""
        index = found.get("index")
        self.index = index if isinstance(index, int) else None
        """Which element of a list is wrong, from 0."""
        after = headers.get("retry-after", "")
        self.retry_after = int(after) if after.isdecimal() else None
        """Seconds after which it makes sense to ask again."""
        super().__init__(detail, self._hint(str(found.get("hint") or ""), detail))

    def _hint(self, hint: str, detail: str) -> str:
        if self.overlap and self.overlap not in detail:
            return f"it overlaps {self.overlap}" + (f"; {hint}" if hint else "")
        return hint


def _object(body: bytes) -> dict[str, object]:
    try:
        found: object = json.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"detail": body[:_MOST_SHOWN].decode(errors="replace").strip()}
