"""The configuration as values: every key with its default, its unit and why the default is what it is.

Frozen; what is in here has been checked. Times are seconds, prefixes are keys, trust is a number. A list that is empty
and a text that is empty mean "none". Where things come from is `load`'s business, what follows from them is the node's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

from p2pfw.config import readers
from p2pfw.config.keys import many, must, one, table
from p2pfw.config.readers import Endpoint
from p2pfw.core.prefix import PrefixKey
from p2pfw.core.records import Category

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Mode(Enum):
    """What follows from a verdict."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


class Backend(Enum):
    """What stands for the kernel."""

    IPSET = "ipset"
    DRYRUN = "dryrun"


class Adopt(Enum):
    """What a feed's word is worth."""

    DIRECT = "direct"
    VOICE = "voice"


class Format(Enum):
    """Shapes of feeds (docs/integrations.md)."""

    PLAIN = "plain"
    SPAMHAUS = "spamhaus"
    DSHIELD = "dshield"
    ABUSEIPDB = "abuseipdb"
    WARNINGLIST = "warninglist"
    CROWDSEC = "crowdsec"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """[node]: who this is and where it keeps what it knows."""

    name: str = one(readers.NAME, "Shown to peers and people; no identity.", default="node", derived="the host name")
    network: str = one(readers.NETWORK, "Announcements and sessions never cross networks.", default="p2pfw")
    state_dir: Path = one(
        readers.PATH,
        "Keys and database, mode 0700; one node a directory.",
        default="/var/lib/p2pfw",
        derived="/var/lib/p2pfw for root, else $XDG_STATE_HOME/p2pfw (~/.local/state/p2pfw)",
    )
    key_file: Path = one(
        readers.PATH, "The node's key, mode 0600.", default="/var/lib/p2pfw/node.key", derived="node.key in state_dir"
    )
    owner_key_file: Path | None = one(
        readers.OPTIONAL_PATH, "The owner's key: only where invitations and renewals are made.", default=""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """[listen]: how peers reach this node."""

    peer: Endpoint | None = one(
        readers.ENDPOINT,
        'Where peers may connect, like 0.0.0.0:7787; "" is outbound only, which needs no open port.',
        default="",
    )
    advertise: tuple[str, ...] = many(
        readers.URL_PEER, "Addresses told to peers, as seen from outside; none are told by default.", default=()
    )
    open: bool = one(
        readers.FLAG, "true: a public hub, strangers may connect. They still count for nothing.", default=False
    )
    trusted_proxies: tuple[PrefixKey, ...] = many(
        readers.PREFIX,
        "Reverse proxies whose X-Forwarded-For is believed when connections are limited by address.",
        default=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfw:
    """[api.rfw]: the rfw-compatible API (docs/integrations.md)."""

    enabled: bool = one(readers.FLAG, "Serve it: rfw's clients need no change.", default=False)
    listen: Endpoint | None = one(
        readers.ENDPOINT, 'HTTPS with Basic authentication; rfw\'s own port. "" is off.', default="0.0.0.0:7393"
    )
    local_listen: Endpoint | None = one(
        readers.ENDPOINT, 'HTTP for programs on this machine; rfw\'s own port. "" is off.', default="127.0.0.1:7390"
    )
    local_auth: bool = one(readers.FLAG, "Ask for Basic authentication on local_listen too.", default=False)
    username: str = one(readers.NAME, "For Basic authentication.", default="rfw")
    password_hash: str = one(readers.TEXT, "Argon2id, made by p2pfw token rfw-password.", default="", secret=True)
    clients: tuple[PrefixKey, ...] = many(
        readers.PREFIX, "Who may call listen; a list of its own, not the whitelist. Nobody by default.", default=()
    )
    default_expire: int | None = one(
        readers.TTL, "How long a block without expire lasts; nobody lifts what was forgotten.", default="24h"
    )
    non_restful: bool = one(
        readers.FLAG, "Accept changes by GET with ?modify=, as old clients send them.", default=False
    )
    announce: bool = one(readers.FLAG, "Announce blocks to peers like any other of this node.", default=True)
    tls_cert: Path | None = one(readers.OPTIONAL_PATH, 'Certificate for listen; "" is that of [api].', default="")
    tls_key: Path | None = one(readers.OPTIONAL_PATH, "Its key.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """[api]: how the operator and local clients reach this node."""

    socket: Path = one(
        readers.SOCKET,
        "Unix socket, mode 0660; root and the group p2pfw are administrators, without a token.",
        default="/run/p2pfw/api.sock",
        derived="/run/p2pfw/api.sock for root, else $XDG_RUNTIME_DIR/p2pfw/api.sock, else api.sock in state_dir",
    )
    http: Endpoint | None = one(
        readers.ENDPOINT, 'HTTP: reads from loopback need no token, all else does. "" is off.', default="127.0.0.1:7788"
    )
    tls_cert: Path | None = one(readers.OPTIONAL_PATH, "With tls_key: HTTPS on http.", default="")
    tls_key: Path | None = one(readers.OPTIONAL_PATH, "With tls_cert.", default="")
    require_token: bool = one(
        readers.FLAG, "Ask for a token from loopback too (machines with other users).", default=False
    )
    hosts: tuple[str, ...] = many(
        readers.HOST,
        "Host names that requests may carry beside IP addresses and localhost (DNS rebinding).",
        default=(),
    )
    rfw: Rfw = field(default_factory=Rfw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcer:
    """[enforcer]: what is done to the kernel, and how."""

    mode: Mode = one(
        readers.choice(Mode),
        "observe: everything is decided and nothing dropped; what p2pfw enforce last said wins over this.",
        default="observe",
    )
    backend: Backend = one(
        readers.choice(Backend), "dryrun: as if there were a kernel, for trying things without rights.", default="ipset"
    )
    socket: Path | None = one(
        readers.OPTIONAL_PATH,
        'Unix socket of a p2pfw enforcer that runs by itself (systemd); "": the node starts one.',
        default="",
    )
    set_prefix: str = one(
        readers.SET_PREFIX,
        "Begins the names of our sets and the comment of our rules; two nodes on a host need two.",
        default="p2pfw",
    )
    hook: tuple[str, ...] = many(
        readers.HOOK,
        "Where the DROP rule stands: before connection tracking and before DNAT.",
        default=("raw/PREROUTING",),
    )
    max_entries: int = one(
        readers.whole(1_024, 16_777_216),
        "Most entries a set may grow to; about 63 bytes of kernel memory each.",
        default=1_048_576,
    )
    audit_interval: int = one(
        readers.duration(5, DAY),
        "Between full comparisons of membership; rules and headers are checked every second anyway.",
        default="60s",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """[policy]: what may be blocked, and whom to believe by default."""

    default_trust: float = one(
        readers.TRUST, "For a peer without trust of its own: three of them block a host.", default="trio"
    )
    allow: tuple[PrefixKey, ...] = many(
        readers.PREFIX, "The whitelist: never blocked, nor anything that contains it.", default=(), adds_up=True
    )
    allow_files: tuple[str, ...] = many(
        readers.PATTERN,
        "Files with one prefix a line, # begins a comment.",
        default=("/etc/p2pfw/allow.d/*.txt",),
        derived="allow.d/*.txt beside the configuration file",
        adds_up=True,
    )
    allow_private: bool = one(
        readers.FLAG, "true: private addresses may be blocked; by default nobody can cut a LAN off.", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """[[peer]]: an owner or a node that the operator named."""

    id: bytes = must(readers.ID, "A node's or an owner's id; trust goes to the owner.")
    name: str = one(readers.OPTIONAL_NAME, "What to call it.", default="")
    trust: float = one(readers.TRUST, "Given to its owner.", default="trio", derived="policy.default_trust")
    trust_for: Mapping[Category, float] = table(readers.TRUST, "Other trust for some categories.")
    addresses: tuple[str, ...] = many(readers.URL_PEER, "Where to call it; none: it calls us.", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """[discovery]: how peers are found."""

    mdns: bool = one(
        readers.FLAG, "Look for nodes on the LAN; identity is proven by the session all the same.", default=False
    )
    charter: Path | None = one(
        readers.OPTIONAL_PATH, "A charter: members, seeds and the network; comes before node.network.", default=""
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """[webhook]: whom to tell what happens, by HTTP."""

    url: str = one(readers.WEBHOOK_URL, 'Where events are posted; "" is off.', default="")
    events: tuple[str, ...] = many(
        readers.EVENT,
        'Kinds of events (p2pfw events); "*" is all, which are many in a storm.',
        default=("mode", "enforcement-failed", "drift-again", "feed-failed", "peer-fault", "revoked"),
    )
    secret_file: Path | None = one(
        readers.OPTIONAL_PATH, 'A file, mode 0600, with the secret that signs each request; "": unsigned.', default=""
    )
    timeout: int = one(readers.duration(1, 60), "For an answer; the node does not wait for it.", default="10s")
    queue: int = one(
        readers.whole(1, 100_000), "Events that may wait; beyond, the oldest are dropped and counted.", default=1_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """[feed.NAME]: a list that this operator chose."""

    name: str
    url: str = one(readers.OPTIONAL_URL, "Where it is fetched; or file.", default="")
    file: Path | None = one(readers.OPTIONAL_PATH, "Where it lies; or url.", default="")
    format: Format = one(
        readers.choice(Format), "How it is written; a warninglist goes on the whitelist.", default="plain"
    )
    adopt: Adopt = one(
        readers.choice(Adopt), "direct: blocked at once, within limits; voice: one voice.", default="direct"
    )
    trust: float = one(readers.TRUST, 'With adopt = "voice": what the voice is worth.', default="pair")
    category: Category = one(readers.CATEGORY, "What its entries are about.", default="other")
    refresh: int = one(
        readers.duration(5 * MINUTE, 30 * DAY),
        "Between fetches; publishers ban who comes more often than hourly.",
        default="6h",
    )
    minimum: int = one(
        readers.whole(0, 10_000_000), 'Fewer entries are an accident: an error page is also "200 OK".', default=10
    )
    max_change: float = one(
        readers.fraction(), "Share of entries that one refresh may change; 1.0 takes any change.", default=0.3
    )
    max_age: int = one(
        readers.duration(HOUR, 365 * DAY),
        "Older by its own date it counts no more; health says so before.",
        default="7d",
    )
    max_bytes: int = one(
        readers.whole(1_024, 1 << 30), "Reading stops there; the largest lists have 10 MB.", default=33_554_432
    )
    key_file: Path | None = one(
        readers.OPTIONAL_PATH, "A file with the API key, for feeds that ask for one.", default=""
    )
    ca_file: Path | None = one(
        readers.OPTIONAL_PATH,
        "PEM: the only authorities that may have signed the publisher's certificate; the system's by default.",
        default="",
    )
    announce: bool = one(
        readers.FLAG, "Announce what is adopted of it to peers; read the publisher's terms.", default=False
    )


SECTIONS: Final[Mapping[str, type]] = {
    "node": Node,
    "listen": Listen,
    "api": Api,
    "api.rfw": Rfw,
    "enforcer": Enforcer,
    "policy": Policy,
    "discovery": Discovery,
    "webhook": Webhook,
}
"""Sections that there is one of. [[peer]] and [feed.NAME] there may be many of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One key as it came: "enforcer.mode", its value as written, and from where ("file:line", "environment ...")."""

    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that the operator said, or left at its default."""

    node: Node = field(default_factory=Node)
    listen: Listen = field(default_factory=Listen)
    api: Api = field(default_factory=Api)
    enforcer: Enforcer = field(default_factory=Enforcer)
    policy: Policy = field(default_factory=Policy)
    peers: tuple[Peer, ...] = ()
    discovery: Discovery = field(default_factory=Discovery)
    webhook: Webhook = field(default_factory=Webhook)
    feeds: tuple[Feed, ...] = ()
    files: tuple[Path, ...] = ()
    """What was read, in order; empty: there is no file."""
    settings: tuple[Setting, ...] = ()
    """Every key with where it came from."""
    warnings: tuple[str, ...] = ()
    """What is allowed and probably not meant."""
