"""Builds the firewall that the configuration asks for, as the node sees it."""

from p2pfw.errors import ConfigError
from p2pfw.firewall.adapter import KernelFirewall
from p2pfw.firewall.dryrun import DryRunFirewall
from p2pfw.firewall.enforcer.remote import Connect, RemoteKernel
from p2pfw.firewall.place import Place
from p2pfw.ports import Clock, Firewall


def make_firewall(backend: str, place: Place, clock: Clock, connect: Connect) -> Firewall:
    """The node's: "ipset" asks the enforcer that `connect` leads to, "dryrun" nobody. Does nothing yet."""
    if backend == "dryrun":
        return DryRunFirewall(clock, place.max_entries)
    if backend != "ipset":
        raise ConfigError(f"backend {backend!r} is unknown", hint="ipset or dryrun")
    return KernelFirewall(RemoteKernel(connect, place.max_entries, clock.now))
