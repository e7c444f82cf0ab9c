"""What every use case works with: the core, the disk, the clocks, the loops. Built once, by node."""

from dataclasses import dataclass

from p2pfw.app.domain import Domain
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.judging import Judging
from p2pfw.ports import Clock, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """The common collaborators of the use cases."""

    domain: Domain
    store: Store
    clock: Clock
    events: Events
    judging: Judging
    enforcing: Enforcing
