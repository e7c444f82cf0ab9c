"""Puts the use cases of one node together, over ports. Which adapters stand behind the ports is node's business."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from p2pfw import schema
from p2pfw.app.advising import Advising
from p2pfw.app.announcing import Announcing
from p2pfw.app.blocking import Blocking
from p2pfw.app.bouncing import Bouncing
from p2pfw.app.chartering import Chartering
from p2pfw.app.counters import Refusals
from p2pfw.app.domain import Domain, Ourself
from p2pfw.app.enforcing import Enforcing
from p2pfw.app.events import Events
from p2pfw.app.explaining import Explaining
from p2pfw.app.feeddesk import FeedDesk
from p2pfw.app.feeding import Feeding
from p2pfw.app.health import Health
from p2pfw.app.household import Household
from p2pfw.app.importing import Importing
from p2pfw.app.invitations import Desk as JoinDesk
from p2pfw.app.invitations import Place
from p2pfw.app.joining import Invitations, Ourselves
from p2pfw.app.judging import Judging
from p2pfw.app.kit import Kit
from p2pfw.app.localrules import LocalRules
from p2pfw.app.measuring import Measuring
from p2pfw.app.measuring import Sources as Counted
from p2pfw.app.mode import Modes
from p2pfw.app.originating import Originator
from p2pfw.app.ownblocks import OwnBlocks
from p2pfw.app.owning import Owning
from p2pfw.app.peerbook import PeerBook
from p2pfw.app.peering import Desk as PeeringDesk
from p2pfw.app.peering import Peering, owner_of
from p2pfw.app.peers import PeerDesk
from p2pfw.app.protecting import Protecting
from p2pfw.app.recording import Recording
from p2pfw.app.renewing import Renewing
from p2pfw.app.repeating import Repeating
from p2pfw.app.scoring import Scoring
from p2pfw.app.tokens import Tokens
from p2pfw.app.trusting import Trusting
from p2pfw.app.trying import Trying
from p2pfw.app.unblocking import Unblocking
from p2pfw.app.views import Card, Sources, Views
from p2pfw.app.vouching import Vouching
from p2pfw.app.wanted import Mode
from p2pfw.app.whitelisting import Whitelisting
from p2pfw.app.witnessing import Witnessing
from p2pfw.config import Config
from p2pfw.core.announcement import Announcement
from p2pfw.core.charter import SignedCharter
from p2pfw.core.gossip.archive import Archive
from p2pfw.core.gossip.events import Moment
from p2pfw.core.gossip.links import Randomness, Settings
from p2pfw.core.gossip.swarm import Gossip
from p2pfw.core.identity import Certificate, NetworkId, NodeId, OwnerId, Signer, network_id
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.protected import Strength
from p2pfw.errors import InputError, PeerError
from p2pfw.ports import FeedSource, Firewall, Machine, Store, WatchedClock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world, as this node has it."""

    store: Store
    firewall: Firewall
    feeds: FeedSource
    machine: Machine
    clock: WatchedClock
    random: Randomness
    memory_bytes: Callable[[], int]
    give_back_memory: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Who this node is. `certificate` None: a key that is its own owner; `owner_key` None: not at hand."""

    node: Signer
    owner_key: Signer | None
    certificate: Certificate | None


@dataclass(slots=True)
class Credentials:
    """ports.Credentials: what this node proves in a handshake. The certificate changes when it is renewed."""

    signer: Signer
    network: NetworkId
    certificate: bytes = b""
    features: int = 0


class Assembly:
    """Everything that one node runs. Attributes are the use cases, by the names of their modules."""

    def __init__(self, config: Config, ports: Ports, keys: Keys, charter: SignedCharter | None = None) -> None:
        self.config, self.ports, self.keys, self.charter = config, ports, keys, charter
        clock, store = ports.clock, ports.store
        network = charter.charter.network_id if charter is not None else network_id(config.node.network)
        self.network_name = charter.charter.network if charter is not None else config.node.network
        node = NodeId(keys.node.public_key)
        owner = OwnerId(keys.certificate.owner if keys.certificate else node)
        self.credentials = Credentials(keys.node, network, keys.certificate.encode() if keys.certificate else b"")
        self.events, self.refusals = Events(clock), Refusals()
        policy = config.policy
        self.domain = Domain(
            Ourself(node=node, owner=owner, network=network),
            clock,
            default_trust=policy.default_trust,
            allow_private=policy.allow_private,
        )
        self.enforcing = Enforcing(
            ports.firewall,
            self.domain.adoption,
            self.allowed_keys,
            clock,
            self.events,
            config.enforcer,
        )
        self.judging = Judging(self.domain.adoption, self.enforcing, clock, self.events)
        self.domain.dirty = self.judging.dirty
        self.judging.proofs = self.domain.proofs
        self.kit = Kit(
            domain=self.domain,
            store=store,
            clock=clock,
            events=self.events,
            judging=self.judging,
            enforcing=self.enforcing,
        )
        self.me = Ourselves(
            node=node,
            owner=owner,
            owner_key=keys.owner_key,
            owner_name=self.network_name,
            network=self.network_name,
            by_name=network == network_id_of(self.network_name),
        )
        self._speak()
        self._meet()
        self._serve()

    def allowed_keys(self) -> list[PrefixKey]:
        """What the kernel's allow sets hold: the whitelist, hard protection, and soft but for what was forced."""
        marks = self.domain.marks
        soft = (key for key in self.protecting.kernel_keys(Strength.SOFT) if not marks.is_opened(key))
        return list({*self.whitelisting.kernel_keys(), *self.protecting.kernel_keys(Strength.HARD), *soft})

    def _speak(self) -> None:
        """This node's own voice."""
        kit, keys = self.kit, self.keys
        self.originator = Originator(keys.node, self.domain.me.network, kit.store, kit.clock, self._said)
        self.announcing = Announcing(self.originator, kit.store, kit.clock, self.domain)
        self.renewing = Renewing(self.originator, self.announcing, kit.store, kit.clock, self.domain)

    def _meet(self) -> None:
        """Peers."""
        kit, domain, ports = self.kit, self.domain, self.ports
        self.book = PeerBook(domain.me.node, domain.directory, domain.trust, kit.clock)
        self.recording = Recording(kit, self.book, self.originator, self.announcing)
        self.gossip = Gossip(
            domain.me.node,
            Archive(domain.intake, domain.ledger, domain.directory),
            lambda: frozenset(domain.trust.owners()) | {domain.me.owner},
            Settings(network=domain.me.network, store_id=ports.store.store_id),
            ports.random,
            Moment(kit.clock.now(), kit.clock.monotonic()),
        )
        self.owning = Owning(self.me, kit, self.originator, self.book)
        self.chartering = Chartering(self.me, kit, self.originator, self.book)
        self.household = Household(self.me, self.config, kit, self.book, self.owning, ports.machine)
        self.invitations = Invitations(self.me, self.household, kit.store, kit.clock, ports.random.randbytes)
        self.tokens = Tokens(kit.store, kit.clock, ports.random.randbytes, self.events)
        desk = PeeringDesk(
            clock=kit.clock,
            events=self.events,
            refusals=self.refusals,
            store_id=ports.store.store_id,
            is_open=self.config.listen.open,
        )
        self.peering = Peering(self.gossip, self.book, domain.directory, self.invitations, self.recording, desk)
        self.recording.ends = self.peering
        self.peers = PeerDesk(kit, self.book, self.peering, self.gossip)
        self.peers.seeds = self.chartering.targets

    def _serve(self) -> None:
        """The operator."""
        kit, config = self.kit, self.config
        self.protecting = Protecting(self.ports.machine, self.domain.protected, kit.clock, self.peer_hosts)
        self.feeding = Feeding(kit, self.ports.feeds, self.ports.random.random)
        self.whitelisting = Whitelisting(kit, self.feeding.recut)
        self.feeding.whitelisted = self.whitelisting.changed
        self.repeating = Repeating(kit, self.feeding, self.announcing, self.originator)
        self.feed_desk = FeedDesk(kit, self.feeding, self.repeating, self.ports.feeds, {0, os.geteuid()})
        self.blocking = Blocking(kit, self.announcing)
        self.ownblocks = OwnBlocks(kit, self.announcing)
        self.bouncing = Bouncing(self.domain)
        self.witnessing = Witnessing(kit, self.book, self.blocking)
        self.rules = LocalRules(kit)
        self.unblocking = Unblocking(kit, self.announcing, self.book)
        self.importing = Importing(kit, self.announcing, self.originator, self.blocking)
        self.modes = Modes(self.enforcing, kit.store, kit.clock, Mode(config.enforcer.mode.value))
        place = Place(
            name=config.node.name,
            addresses=self.household.addresses,
            is_named=lambda peer: self.book.get(peer) is not None,
        )
        self.joining = JoinDesk(self.me, kit, self.invitations, self.peering, place)
        self.health = Health(domain=self.domain, enforcing=self.enforcing, memory_bytes=self.ports.memory_bytes)
        self.health.complaints += [
            self.feeding.lines,
            self.repeating.lines,
            self.chartering.lines,
            self.peers.trial_lines,
            self._surge_lines,
        ]
        self._tell(kit)

    def _tell(self, kit: Kit) -> None:
        """What the operator is shown."""
        config, started = self.config, kit.clock.now()
        card = Card(
            name=config.node.name,
            network=self.network_name,
            started=started,
            instance=self.ports.random.randbytes(6).hex(),
        )
        sources = Sources(
            modes=self.modes,
            peering=self.peering,
            names=self.book,
            refusals=self.refusals,
            health=self.health,
            rules=self.rules,
        )
        self.views = Views(kit, card, sources)
        self.views.configured = lambda: len(list(self.book.all()))
        counted = Counted(
            gossip=self.gossip,
            recording=self.recording,
            peering=self.peering,
            peers=self.peers,
            feeding=self.feeding,
        )
        self.measuring = Measuring(kit, counted)
        self.explaining = Explaining(self.domain, self.book, self.enforcing, config.enforcer.set_prefix)
        self.advising = Advising(self.domain, self.book, kit.clock)
        self.trusting = Trusting(
            witnessing=self.witnessing,
            vouching=Vouching(self.me, kit, self.originator, self.book),
            trying=Trying(self.domain, self.book, kit.clock, self.ports.machine),
            scoring=Scoring(self.domain, self.book, kit.clock),
            chartering=self.chartering,
            owning=self.owning,
        )

    def _surge_lines(self) -> Iterator[schema.HealthLine]:
        """Whose prefixes wait because a limit is used up."""
        allowances, now = self.domain.adoption.allowances, self.kit.clock.now()
        for voice in list(allowances.users()) if allowances.held else ():
            usage, name = allowances.usage(voice, now), self.book.name_of(voice)
            if usage.surges:
                text = f"{name} tried to add {usage.asked:,} prefixes in 10 min; {usage.held:,} are held"
                remedy = f"p2pfw peer show {name}; p2pfw peer distrust {name}, if it is an attack"
                yield schema.HealthLine(level="warning", code="surge", text=text, remedy=remedy)
            elif usage.held:
                text = f"{usage.held:,} prefixes of {name} wait for its limits"
                yield schema.HealthLine(level="info", code="limits", text=text, remedy=f"p2pfw peer show {name}")

    def peer_hosts(self) -> list[str]:
        """Addresses of named and fleet peers, as named and as connected; of no stranger that a hub let in."""
        dialled = [host_of(url) for url, _ in self.book.dialled()]
        known = (one for one in self.peering.sessions if self.book.knows(one.node, owner_of(one)))
        return [*dialled, *(session.address for session in known)]

    def _said(self, one: Announcement) -> None:
        """This node announced something: it is on disk; record it here and hand it on."""
        self.measuring.own += 1
        try:
            outcome = self.domain.record_own(one)
        except PeerError as error:  # what is said was checked for before; on disk it does no harm
            log.error("this node's own word does not count", extra={"error": str(error), "reason": error.reason})
            return
        if outcome is not None:
            self.judging.dirty(outcome.dirty)
            self.recording.follow_own(outcome)
        self.peering.published([one])


def network_id_of(name: str) -> NetworkId | None:
    """The id of a network by its name; None where the name is one that only a charter can give."""
    try:
        return network_id(name)
    except InputError:
        return None


def host_of(url: str) -> str:
    """The host part of a peer's URL."""
    return urlsplit(url).hostname or ""
