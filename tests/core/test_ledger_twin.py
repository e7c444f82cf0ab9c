"""protocol 1.5: what is known depends on what was said, never on the order in which it came."""

from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import Action, Kind
from p2pfw.core.directory import Directory
from p2pfw.core.identity import OwnerId, Uses
from p2pfw.core.ledger import Ledger
from p2pfw.core.statement import Standing
from tests.core.making import DAY, NOW, block, certificate, node_id, owner_id
from tests.core.saying import HOST, NET6, NEXT, Twin, brief, checkpoint, pardon, prefix, proof, say

PLACES = (HOST, NEXT, NET6)
DRAFTS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 2, 3, 4]),
        st.integers(1, 2),
        st.integers(1, 5),
        st.sampled_from(["entries", "entries", "entries", "pardon", "checkpoint", "proof"]),
        st.dictionaries(
            st.sampled_from(PLACES),
            st.tuples(
                st.sampled_from([Action.BLOCK, Action.BLOCK, Action.RETRACT]),
                st.sampled_from([200, 400, 900]),
                st.integers(0, 120),
            ),
            min_size=1,
        ),
        st.integers(0, 60),
    ),
    min_size=1,
    max_size=12,
)
STRANGER = say(9, block(HOST, ttl=350), by=1, epoch=2)
"""Listed by some checkpoint, and never heard."""


def drafted(drafts):
    """Announcements of whatever was drawn; checkpoints list what their origin said before, proofs what contradicts."""
    said = []
    for number, epoch, seq, kind, entries, later in drafts:
        stamped = {"by": number, "epoch": epoch, "at": NOW - 120 + later}
        mine = [one for one in said if one.origin == node_id(number) and one.kind == Kind.ENTRIES]
        if kind == "entries":
            said.append(
                say(seq, *(block(t, ttl=ttl, age=age, action=a) for t, (a, ttl, age) in entries.items()), **stamped)
            )
        elif kind == "pardon":
            said.append(pardon(seq, *entries, ttl=600, **stamped))
        elif kind == "checkpoint":
            listed = {one.id: one for one in mine[::2] + ([STRANGER] if later % 3 == 0 else [])}
            said.append(checkpoint(seq, listed.values(), before=max(0, seq - later % 2), **stamped))
        else:
            pairs = [(a, b) for a in mine for b in mine if a.order == b.order and a.id != b.id]
            said += [proof(*pairs[0], expires=NOW + 9000)] if pairs else []
    return list({one.id: one for one in said}.values())


def world() -> Directory:
    """Nodes 1 and 2 of one owner, 2 may not pardon; 3 its own; 4 may not announce."""
    directory = Directory()
    directory.learn(certificate(node=1), NOW)
    directory.learn(certificate(node=2, uses=Uses.ANNOUNCE | Uses.FLEET), NOW)
    directory.learn(certificate(node=4, owner=101, uses=Uses.PARDON), NOW)
    return directory


@given(DRAFTS, st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_order_of_arrival_does_not_matter(drafts, random):
    """Any order, some twice, ticks between: the ledger says at every time what the slow twin says (protocol 1.5)."""
    directory, said = world(), drafted(drafts)
    twin, book = Twin(directory), Ledger(directory)
    random.shuffle(said)
    for one in said + said[:3]:
        twin.record(one)
        book.record(one, NOW)
        if random.random() < 0.3:
            book.tick(NOW)

    for now in (NOW, NOW + 100, NOW + 240, NOW + 380, NOW + 700, NOW + 1000):
        book.tick(now)
        for text in PLACES:
            expected = twin.statements(prefix(text), now)
            assert brief(book.statements(prefix(text), now, everything=True)) == expected
            live = {one for one in expected if one[-1] is Standing.LIVE}
            assert brief(book.statements(prefix(text), now)) == live
        owners = {owner_id(100), owner_id(101), *(OwnerId(node_id(by)) for by in (3, 9))}
        assert {one.id for one in book.ids_of(owners, now)} == twin.held(now)
    book.tick(NOW + 31 * DAY + 9000)
    assert book.counts() == (0, 0, 0)
    assert all(book.used(owner) == book.used(OwnerId(bytes(32))) for owner in owners)
    assert book.next_deadline() is None or book.next_deadline() > NOW + 31 * DAY
