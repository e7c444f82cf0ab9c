"""Programs that use a node: `Client` (blocking) and `AsyncClient`, typed, over its socket or over HTTP(S).

    from p2pfw.client import Client

    node = Client()                                     # the socket of this machine's node
    node.block("203.0.113.9", ttl="4h", category="ssh")
    if node.is_blocked("203.0.113.9"): ...

What one can ask is in `requests`, each as a value; both clients send the same. The command line asks through
`exchange`, beneath them. Nothing is imported before it is used: a command must start quickly.
"""

from typing import TYPE_CHECKING

from p2pfw.client.errors import ClientError, DeniedError, LateError, RefusedError, UnreachableError

if TYPE_CHECKING:
    from p2pfw.client.aio import AsyncClient
    from p2pfw.client.blocking import Client

__all__ = ["AsyncClient", "Client", "ClientError", "DeniedError", "LateError", "RefusedError", "UnreachableError"]


def __getattr__(name: str) -> object:
    """The clients themselves, when they are first named."""
    if name == "Client":
        from p2pfw.client.blocking import Client

        return Client
    if name == "AsyncClient":
        from p2pfw.client.aio import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
