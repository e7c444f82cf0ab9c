"""TOML to frozen values: what the operator wants this node to be, checked before anything is touched.

    load(path, flags=...)        the configuration, or everything that is wrong with it, with file and line
    socket_path(path)            where the node's API is: all that a client command needs
    read_allow(config)           the whitelist of the configuration and its files
    check_reloadable(old, new)   what takes effect at once, what waits for a restart
    effective, json_schema, render_default   `config show`, `config schema`, `init`

Names are imported when they are first used: a client command pays for the few lines that find the socket, and not for
the model.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2pfw.config.allowing import Allowed, read_allow
    from p2pfw.config.loading import load, read_feed
    from p2pfw.config.locating import socket_path
    from p2pfw.config.model import (
        Adopt,
        Api,
        Backend,
        Config,
        Discovery,
        Enforcer,
        Feed,
        Format,
        Listen,
        Mode,
        Node,
        Peer,
        Policy,
        Rfw,
        Setting,
    )
    from p2pfw.config.place import Place, config_path
    from p2pfw.config.readers import Endpoint
    from p2pfw.config.reloading import Changes, check_reloadable
    from p2pfw.config.show import effective, json_schema
    from p2pfw.config.template import render_default

__all__ = [
    "Adopt",
    "Allowed",
    "Api",
    "Backend",
    "Changes",
    "Config",
    "Discovery",
    "Endpoint",
    "Enforcer",
    "Feed",
    "Format",
    "Listen",
    "Mode",
    "Node",
    "Peer",
    "Place",
    "Policy",
    "Rfw",
    "Setting",
    "check_reloadable",
    "config_path",
    "effective",
    "json_schema",
    "load",
    "read_allow",
    "read_feed",
    "render_default",
    "socket_path",
]

_MODULES = {
    "Allowed": "allowing",
    "Changes": "reloading",
    "Endpoint": "readers",
    "Place": "place",
    "check_reloadable": "reloading",
    "config_path": "place",
    "effective": "show",
    "json_schema": "show",
    "load": "loading",
    "read_feed": "loading",
    "read_allow": "allowing",
    "render_default": "template",
    "socket_path": "locating",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _MODULES.get(name, "model")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
