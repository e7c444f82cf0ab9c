"""Whom this operator named, with which trust, and where they are: the file's peers and the run-time words on them.

The operator's run-time word wins over the file. Trust is given to owners: a word on a node's id goes to the owner that
the node had when it was given, is pinned to that owner on disk, and never follows a change (identity.md). Knows no
sessions; admission asks it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from p2pfw.core.directory import Directory
from p2pfw.core.identity import NodeId, OwnerId
from p2pfw.core.idtext import decode_id, encode_id, short_id
from p2pfw.core.records import Category
from p2pfw.core.trust import TrustTable
from p2pfw.errors import InputError, NotFoundError
from p2pfw.ports import Clock
from p2pfw.rows import PeerRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One peer as the operator named it. `trust` None: no word on trust (a fleet node); `owner` b"": not pinned yet."""

    id: bytes
    owner: bytes = b""
    name: str = ""
    trust: float | None = None
    trust_for: Mapping[Category, float] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    from_file: bool = False
    distrusted: bool = False


class PeerBook:
    """All named peers; resolves them to owners and fills the trust table."""

    def __init__(self, own: NodeId, directory: Directory, trust: TrustTable, clock: Clock) -> None:
        self._own, self._directory, self._trust, self._clock = own, directory, trust, clock
        self._file: dict[bytes, Named] = {}
        self._rows: dict[bytes, PeerRow] = {}
        self._given: set[OwnerId] = set()
        self.charter_names: Mapping[OwnerId, str] = {}
        """How the charter calls its members; the operator's names come first."""

    # --- what is named ---------------------------------------------------------------------------------------------

    def load_file(self, peers: Iterable[Named]) -> None:
        """The configuration's peers; replaces the former ones."""
        self._file = {peer.id: replace(peer, from_file=True) for peer in peers}

    def load_rows(self, rows: Iterable[PeerRow]) -> None:
        """The run-time words, at start."""
        self._rows = {row.id: row for row in rows}

    def put(self, row: PeerRow) -> None:
        """A new run-time word."""
        self._rows[row.id] = row

    def drop(self, peer: bytes) -> bool:
        """Forget the run-time word; True when there was one."""
        return self._rows.pop(peer, None) is not None

    def row(self, peer: bytes) -> PeerRow | None:
        """The run-time word on exactly this id."""
        return self._rows.get(peer)

    def all(self) -> Iterator[Named]:
        """Every named peer, run-time words laid over the file's."""
        for peer in self._file.keys() | self._rows.keys():
            named = self.get(peer)
            if named is not None:
                yield named

    def get(self, peer: bytes) -> Named | None:
        """The peer of exactly this id."""
        base, row = self._file.get(peer), self._rows.get(peer)
        if row is None:
            return base
        if row.forgotten:
            return None
        return Named(
            id=peer,
            owner=row.owner,
            name=row.name or (base.name if base else ""),
            trust=row.trust if row.trust is not None else (base.trust if base else None),
            trust_for=_categories(row) or (base.trust_for if base else {}),
            addresses=row.addresses or (base.addresses if base else ()),
            from_file=base is not None,
            distrusted=row.distrusted,
        )

    def find(self, text: str) -> bytes:
        """The id that a name or an id in any spelling stands for; NotFoundError, InputError."""
        by_name = [peer.id for peer in self.all() if peer.name == text]
        if len(by_name) == 1:
            return by_name[0]
        if by_name:
            raise InputError(f"{len(by_name)} peers are named {text!r}", field="id", hint="give the id")
        by_charter = [owner for owner, name in self.charter_names.items() if name == text]
        if by_charter:
            return by_charter[0]
        try:
            return decode_id(text)
        except InputError as error:
            if text.lower().startswith("p2pfw1"):
                raise
            raise NotFoundError(f"no peer is named {text!r}", field="id", hint=str(error)) from None

    # --- what follows from it --------------------------------------------------------------------------------------

    def owner_for(self, named: Named) -> OwnerId | None:
        """The owner that the word is given to: pinned, or by certificate; the id itself while nothing else is known."""
        if named.owner:
            return OwnerId(named.owner)
        return self._directory.owner_of(NodeId(named.id), self._clock.now())

    def pins(self, node: NodeId, owner: OwnerId) -> list[PeerRow]:
        """Words on this node's id that are not pinned to an owner yet: the rows that pin them, to be kept."""
        named = self.get(node)
        if named is None or named.owner:
            return []
        row = self._rows.get(node) or PeerRow(id=node, owner=b"", name="", trust=None)
        pinned = replace(row, owner=owner)
        self._rows[node] = pinned
        return [pinned]

    def resolve(self) -> set[OwnerId]:
        """Fill the trust table anew; the owners whose trust or carrying changed."""
        wanted: dict[OwnerId, tuple[float, Mapping[Category, float]]] = {}
        for named in sorted(self.all(), key=lambda one: (one.distrusted, one.id)):
            owner = self.owner_for(named)
            if owner is None or owner == self._trust.own_owner:
                continue
            if named.distrusted:
                wanted[owner] = (0.0, {})
            elif named.trust is not None and _is_lower(named.trust, wanted.get(owner)):
                wanted[owner] = (named.trust, named.trust_for)
        return self._give(wanted)

    def knows(self, node: NodeId, owner: OwnerId | None) -> bool:
        """True when the operator named this node or its owner, or it is of the own fleet (closed admission)."""
        if owner is not None and owner == self._trust.own_owner:
            return True
        owners = {owner, *self._trust.predecessors(owner)} if owner is not None else set()
        named = [(one, self.owner_for(one)) for one in self.all()]
        if any(one.distrusted and (one.id == node or whose in owners) for one, whose in named):
            return False
        by_charter = any(one in self._trust.charter() and self._trust.given(one) is None for one in owners)
        return by_charter or any(one.id in (node, *owners) or whose in owners for one, whose in named)

    @property
    def own_owner(self) -> OwnerId:
        """The owner of this node's fleet."""
        return self._trust.own_owner

    def name_of(self, key: bytes) -> str:
        """The operator's name for a node or an owner, or for the node's owner; the charter's; else the short id."""
        if key == self._own:
            return "this node"
        if key == self.own_owner:
            return "own fleet"
        named = self.get(key)
        if named is not None and named.name:
            return named.name
        keys = {key, *self._trust.predecessors(OwnerId(key))}
        names = sorted({one.name for one in self.all() if one.name and self.owner_for(one) in keys})
        return names[0] if names else self._owners_name(key) or short_id(key)

    def _owners_name(self, key: bytes) -> str:
        """What the operator or the charter calls an owner, or the owner of a node; "" for whom neither names."""
        owner = self._directory.owner_of(NodeId(key), self._clock.now()) or OwnerId(key)
        if owner == self.own_owner:
            return ""
        named = (self.get(one) for one in (owner, *self._trust.predecessors(owner)))
        given = next((one.name for one in named if one is not None and one.name), "")
        return given or self.charter_names.get(OwnerId(key), "") or self.charter_names.get(owner, "")

    def owner_of(self, text: str) -> OwnerId:
        """The owner that a name or an id stands for: of a node, its owner now. NotFoundError, InputError."""
        peer = self.find(text)
        named = self.get(peer)
        owner = self.owner_for(named) if named else self._directory.owner_of(NodeId(peer), self._clock.now())
        return owner or OwnerId(peer)

    def dialled(self) -> Iterator[tuple[str, Named]]:
        """(address, peer) for every address that the operator or an invitation gave."""
        for named in self.all():
            if not named.distrusted and named.id != self._own:
                yield from ((address, named) for address in named.addresses)

    def _give(self, wanted: dict[OwnerId, tuple[float, Mapping[Category, float]]]) -> set[OwnerId]:
        changed = set()
        for owner in self._given - wanted.keys():
            self._trust.forget(owner)
            changed.add(owner)
        for owner, (trust, trust_for) in wanted.items():
            before = self._trust.given(owner)
            if before is None or (before.trust, dict(before.trust_for)) != (trust, dict(trust_for)):
                self._trust.give(owner, trust, trust_for)
                changed.add(owner)
        self._given = set(wanted)
        return changed


def peer_text(key: bytes) -> str:
    """The id as it is shown in answers: whole."""
    return encode_id(key)


def _is_lower(trust: float, held: tuple[float, Mapping[Category, float]] | None) -> bool:
    """Several words on nodes of one owner: the lowest counts, for nobody is trusted more by being named twice."""
    return held is None or trust < held[0]


def _categories(row: PeerRow) -> dict[Category, float]:
    return {Category[name.upper()]: value for name, value in row.trust_for}
