"""Peers on the same LAN, by mDNS (ports.Discovery, protocol 7): says that a node is here, and hears of others.

What is said: a name made up at start, addresses, a port, and the beginning of the network's id; nothing that tells
who this is. What is heard is a rumour: an address to call and no more, from links of this machine only, so many at
the most. Who answers there proves itself in the session, and is refused before it learns our name if it is a stranger.

The library is loaded when discovery runs, and not before. Nothing that goes wrong here ends the node.
"""

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import ifaddr

from p2pfw.core.identity import NetworkId
from p2pfw.errors import InputError
from p2pfw.net.addresses import join_address, split_address
from p2pfw.net.tasks import Tasks

if TYPE_CHECKING:
    from zeroconf import Zeroconf
    from zeroconf.asyncio import AsyncServiceInfo

log = logging.getLogger(__name__)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

SERVICE: Final = "_p2pfw._tcp.local."
NETWORK_KEY: Final = b"network"
_NETWORK_BYTES: Final = 8
MOST: Final = 64
"""Addresses that are remembered, names that are looked up at a time."""
MOST_SAID: Final = 8
"""Own addresses in one announcement: it must fit a packet."""
RESOLVE_MS: Final = 3_000
LOOK_S: Final = 15.0
"""Between two looks at the own interfaces; also the wait before the next attempt after a failure."""
AGAIN_S: Final = 300.0
"""What was given up is called again this often: a LAN that was cut heals without anybody's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One address of this machine, with the network that it is on."""

    name: str
    """Of the interface."""
    at: Interface


def own_links() -> list[Link]:
    """Where this machine can look for others: no loopback, and no link-local IPv6, which no URL can name."""
    found = []
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            text = one.ip if isinstance(one.ip, str) else one.ip[0]
            at = ipaddress.ip_interface(f"{text}/{one.network_prefix}")
            if not (at.is_loopback or (at.version == 6 and at.is_link_local)):
                found.append(Link(name=adapter.name, at=at))
    return found


def network_mark(network: NetworkId) -> bytes:
    """The beginning of a network's id in hex: enough not to call others' nodes, proof of nothing."""
    return network[:_NETWORK_BYTES].hex().encode()


def said_addresses(bound: str, links: Sequence[Link]) -> list[Address]:
    """Where others on the LAN can call a node that listens on `bound` ("host:port"); nowhere when it does not."""
    try:
        host = ipaddress.ip_address(split_address(bound)[0])
    except (InputError, ValueError):
        return []
    own = [link.at.ip for link in links if link.at.version == host.version]
    usable = own if host.is_unspecified else [address for address in own if address == host]
    return usable[:MOST_SAID]


def places_to_look(links: Iterable[Link]) -> list[str]:
    """One address of each interface and family: each costs a socket."""
    return list({(link.name, link.at.version): str(link.at.ip) for link in reversed(list(links))}.values())


def urls_of(addresses: Iterable[str], port: int, links: Sequence[Link], bound: str) -> tuple[str, ...]:
    """What of a rumour may be called: on a link of ours, not ourselves, one address a family.

    Anybody on the LAN can put any address into an answer: one beyond the LAN would make us knock at a stranger's door.
    """
    here = said_addresses(bound, links) if _port(bound) == port else []
    chosen: dict[int, str] = {}
    for address in _parsed(addresses):
        if port > 0 and address not in here and any(_is_on(address, link) for link in links):
            chosen.setdefault(address.version, f"ws://{join_address(str(address), port)}")
    return tuple(chosen[version] for version in sorted(chosen))


def _parsed(addresses: Iterable[str]) -> list[Address]:
    return [ipaddress.ip_address(text.partition("%")[0]) for text in addresses]


def _is_on(address: Address, link: Link) -> bool:
    return address.version == link.at.version and address in link.at.network


def _port(bound: str) -> int:
    try:
        return split_address(bound)[1]
    except InputError:
        return 0


class Rumours:
    """What was heard: addresses by the name that they came under, `most` of them in all."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._heard: dict[str, tuple[str, ...]] = {}
        self.left_out = 0
        """Addresses for which there was no room since something went away last."""

    def put(self, name: str, urls: tuple[str, ...]) -> bool:
        """What that name stands for now; True when something changed."""
        before = self._heard.pop(name, ())
        room = self._most - sum(map(len, self._heard.values()))
        self.left_out += max(0, len(urls) - room)
        if kept := urls[:room]:
            self._heard[name] = kept
        return kept != before

    def drop(self, name: str) -> bool:
        """It went away; True when it was known."""
        if name not in self._heard:
            return False
        del self._heard[name]
        self.left_out = 0
        return True

    def clear(self) -> bool:
        """Another LAN, perhaps; True when something was known."""
        known = bool(self._heard)
        self._heard.clear()
        self.left_out = 0
        return known

    def urls(self) -> list[str]:
        """Each once, in the order heard."""
        return list(dict.fromkeys(url for urls in self._heard.values() for url in urls))


class LanDiscovery:
    """ports.Discovery by mDNS. `bound`: what this node listens on, "" when it only calls others."""

    def __init__(self, network: NetworkId, bound: str, links: Callable[[], list[Link]] = own_links) -> None:
        self._mark, self._bound, self._own_links = network_mark(network), bound, links
        self._name = f"{secrets.token_hex(6)}.{SERVICE}"
        self._links: list[Link] = []
        self._rumours = Rumours()
        self._resolving: set[str] = set()
        self._failure = ""

    @property
    def problem(self) -> str:
        """What the operator should know; "" while all is well."""
        if self._failure:
            return self._failure
        if self._rumours.left_out:
            return f"more than {MOST} addresses were heard of: the others are not called"
        return ""

    def found(self) -> list[str]:
        """Addresses to call, as ws:// URLs."""
        return self._rumours.urls()

    async def run(self, changed: Callable[[], None]) -> None:
        """Say and hear, for ever; `changed` is called when `found` changed, and now and then."""
        while True:
            self._links = self._own_links()
            try:
                await self._look(changed)
            except Exception as error:  # noqa: BLE001  # a convenience: nothing that a LAN can do may end the node
                self._failure = f"cannot look for peers on the LAN: {str(error) or type(error).__name__}"
                log.warning("discovery failed", extra={"error": str(error)})
            if self._rumours.clear():
                changed()
            if self._failure:
                await asyncio.sleep(LOOK_S)

    async def _look(self, changed: Callable[[], None]) -> None:
        """Until this machine's addresses are others."""
        from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf  # noqa: PLC0415  # 3 MB that few nodes need

        places = places_to_look(self._links)
        if not places:
            raise OSError("no network interface has an address")
        async with AsyncExitStack() as stack:
            here = await stack.enter_async_context(AsyncZeroconf(interfaces=places))
            tasks = Tasks()
            stack.push_async_callback(tasks.stop, 0)
            heard = self._hearer(tasks, changed)
            await stack.enter_async_context(AsyncServiceBrowser(here.zeroconf, SERVICE, handlers=[heard]))
            if addresses := said_addresses(self._bound, self._links):
                await (await here.async_register_service(self._service(addresses)))
            self._failure = ""
            log.info("looking for peers on the LAN", extra={"places": places, "said": [str(one) for one in addresses]})
            await self._stay(changed)

    async def _stay(self, changed: Callable[[], None]) -> None:
        looks = 0
        while self._own_links() == self._links:
            await asyncio.sleep(LOOK_S)
            looks += 1
            if looks % int(AGAIN_S / LOOK_S) == 0:
                changed()

    def _service(self, addresses: Sequence[Address]) -> "AsyncServiceInfo":
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415  # as above

        return AsyncServiceInfo(
            SERVICE,
            self._name,
            port=_port(self._bound),
            addresses=[address.packed for address in addresses],
            properties={NETWORK_KEY: self._mark},
            server=self._name.replace(SERVICE, "local."),  # else the library would say this machine's name
        )

    def _hearer(self, tasks: Tasks, changed: Callable[[], None]) -> Callable[..., None]:
        from zeroconf import ServiceStateChange  # noqa: PLC0415  # as above

        def heard(*, zeroconf: "Zeroconf", name: str, state_change: ServiceStateChange, **_: str) -> None:
            if name == self._name:
                return
            if state_change is ServiceStateChange.Removed:
                self._resolving.discard(name)
                if self._rumours.drop(name):
                    changed()
            elif name not in self._resolving and len(self._resolving) < MOST:
                self._resolving.add(name)
                tasks.detach(self._resolve(zeroconf, name, changed))

        return heard

    async def _resolve(self, zeroconf: "Zeroconf", name: str, changed: Callable[[], None]) -> None:
        from zeroconf.asyncio import AsyncServiceInfo  # noqa: PLC0415  # as above

        info = AsyncServiceInfo(SERVICE, name)
        try:
            answered = await info.async_request(zeroconf, RESOLVE_MS)
            if not answered or name not in self._resolving:  # it said goodbye meanwhile
                return
        finally:
            self._resolving.discard(name)
        urls: tuple[str, ...] = ()
        if info.properties.get(NETWORK_KEY) == self._mark:
            urls = urls_of(info.parsed_addresses(), info.port or 0, self._links, self._bound)
        if self._rumours.put(name, urls):
            log.info("heard of a peer", extra={"urls": urls})
            changed()
