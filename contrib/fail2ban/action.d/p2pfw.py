"""fail2ban action for many bans: as p2pfw.conf, but inside fail2ban's own process, without a command for each ban.

    [sshd]
    action = p2pfw.py[category=ssh]

Runs in Debian's Python, which knows nothing of p2pfw: it asks the node over its socket, with what Python brings along.
Decides nothing; README.md says what happens when, and why bans that fail2ban restores are left out.
"""

import http.client
import json
import socket

from fail2ban.server.action import ActionBase

LONGEST = "30d"
"""For bantime = -1: the longest life of an announcement."""
SECONDS = 30.0
"""For the node to answer."""
MOST_REASON = 256


class Node(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        """To the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self._path)


class Action(ActionBase):
    """What fail2ban calls."""

    def __init__(
        self, jail: object, name: str, category: str = "other", socket: str = "/run/p2pfw/api.sock", **_: object
    ) -> None:
        super().__init__(jail, name)
        self._category, self._path = category, socket

    @property
    def _prolongable(self) -> bool:
        """A longer ban of the same address extends its block."""
        return True

    def ban(self, info: dict) -> None:
        """Announce. What is restored from fail2ban's database is announced already."""
        if not info["restored"]:
            self.prolong(info)

    def prolong(self, info: dict) -> None:
        """Announce, or extend."""
        seconds = int(info["bantime"])
        said = {
            "prefix": str(info["ip"]),
            "ttl": f"{seconds}s" if seconds >= 0 else LONGEST,
            "category": self._category,
            "reason": f"fail2ban {self._jail.name}: {info['failures']} failures"[:MOST_REASON],
            "detected": True,
        }
        self._ask("POST", "/v1/blocks", said)

    def unban(self, info: dict) -> None:
        """Retract this node's own word. That it has ended by itself a moment before is no error."""
        self._ask("DELETE", f"/v1/blocks/{info['ip']}?scope=own", fine=(404,))

    def flush(self) -> bool:
        """fail2ban stops: nothing is retracted, it ends by its own time. True: and no unban for each either."""
        return True

    def _ask(self, method: str, target: str, said: "dict | None" = None, fine: tuple = ()) -> None:
        node = Node(self._path)
        try:
            node.request(method, target, json.dumps(said) if said else None, {"Content-Type": "application/json"})
            answer = node.getresponse()
            body = answer.read()
        except OSError as error:
            raise RuntimeError(f"no node answers on {self._path}: {error}") from None
        finally:
            node.close()
        if answer.status >= 300 and answer.status not in fine:
            raise RuntimeError(_problem(answer.status, body))


def _problem(status: int, body: bytes) -> str:
    """What the node said, on one line."""
    try:
        told = json.loads(body)
        return " - ".join(str(told[name]) for name in ("detail", "hint") if told.get(name))
    except (ValueError, AttributeError, TypeError):
        return f"the node answered {status}"
