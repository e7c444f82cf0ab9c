"""enforcer: the process that holds the rights over the firewall. Started by the node, or by systemd as its own service.

Imports neither the network nor the database; gives up all rights but CAP_NET_ADMIN and CAP_NET_RAW before it listens.
"""

import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from p2pfw.cli.exits import CommandError, Exit
from p2pfw.cli.invocation import Invocation, Leaf

if TYPE_CHECKING:
    from p2pfw.config import Config
    from p2pfw.firewall.enforcer.doors import Door
    from p2pfw.firewall.enforcer.serving import Desk
    from p2pfw.host.supervisor import Supervisor


@click.command(cls=Leaf)
@click.option(
    "--listen",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Unix socket where the node finds it (its enforcer.socket); by default enforcer.socket.",
)
@click.option("--fd", type=click.IntRange(min=3), hidden=True, help="One end of a pair, from the node that started it.")
@click.pass_obj
def enforcer(invocation: Invocation, listen: Path | None, fd: int | None) -> int:
    """Hold the rights over the firewall for a node that holds none; runs until it is told to stop."""
    from p2pfw.cli.logs import set_up
    from p2pfw.firewall.enforcer.spawning import supervise
    from p2pfw.host.capabilities import FIREWALL, keep_only

    set_up(verbose=invocation.verbose)
    if fd is not None:
        keep_only(FIREWALL)
        return supervise(lambda: _work(invocation.load(), _pair(fd)))
    config = invocation.load()
    door = _socket(config, listen)
    keep_only(FIREWALL)
    _work(config, door)
    return Exit.OK


def _pair(fd: int) -> "Door":
    from p2pfw.firewall.enforcer.doors import HandedOver

    return HandedOver(socket.socket(fileno=fd))


def _socket(config: "Config", listen: Path | None) -> "Door":
    from p2pfw.firewall.enforcer.doors import UnixDoor

    path = listen or config.enforcer.socket
    if path is None:
        raise CommandError(
            "where is it to listen?", code=Exit.USAGE, hint="--listen PATH, or enforcer.socket in the configuration"
        )
    return UnixDoor(path)


def _work(config: "Config", door: "Door") -> None:
    """Serve until no connection comes any more."""
    from p2pfw.firewall.enforcer.doors import open_house
    from p2pfw.firewall.enforcer.serving import Desk
    from p2pfw.firewall.place import Place, make_kernel
    from p2pfw.host.clock import SteadyClock
    from p2pfw.host.supervisor import READY, Supervisor
    from p2pfw.host.surroundings import Surroundings

    of, clock, machine = config.enforcer, SteadyClock(), Surroundings()
    place = Place(set_prefix=of.set_prefix, hook=of.hook, max_entries=of.max_entries)
    desk = Desk(make_kernel(place, clock), of.max_entries, clock, lambda: [one.key for one in machine.hard()])
    supervisor = Supervisor()
    supervisor.tell(READY)
    if supervisor.watchdog:
        threading.Thread(target=_reassure, args=(supervisor, desk), name="watchdog", daemon=True).start()
    open_house(door, desk)


def _reassure(supervisor: "Supervisor", desk: "Desk") -> None:
    from p2pfw.host.supervisor import ALIVE

    while True:
        if desk.is_well():
            supervisor.tell(ALIVE)
        time.sleep(supervisor.watchdog / 3)
