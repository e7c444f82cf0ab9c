"""A charter that exists is canonical, within its limits, and cannot be forked by two minorities."""

import pytest

from p2pfw.core.canonical import pack
from p2pfw.core.charter import MAX_LIFE, Charter, Member, Seed, SignedCharter, members_of
from p2pfw.core.identity import NodeId, network_id
from p2pfw.errors import CharterError, MalformedError, NotCanonicalError, PeerError, SignatureError
from tests.core.making import DAY, NOW, flips, key, node_id, owner_id


def members(*numbers, trust=250):
    """Owners by number."""
    return members_of(Member(owner=owner_id(n), name=f"m{n}", trust=trust) for n in numbers)


def charter(*numbers, need=2, **fields):
    """A first version, unless the fields say otherwise."""
    given = {
        "network": "example",
        "changes_need": need,
        "created": NOW,
        "valid_until": NOW + 300 * DAY,
        "members": members(*numbers or (1, 2, 3)),
        "seeds": (Seed(node=node_id(9), address="ws://seed.example:7787"),),
    }
    return Charter(**{**given, **fields})


def signed(of, *numbers):
    """With the signatures of these owners."""
    made = SignedCharter(charter=of, signatures={})
    for n in numbers:
        made = made.signed_by(key(n))
    return made


def test_what_was_encoded_decodes_to_the_same():
    """With members, seeds and signatures."""
    one = signed(charter(), 1, 2)

    again = SignedCharter.decode(one.encode())

    assert again == one
    assert again.charter.hash == one.charter.hash
    again.check_signatures()


def test_the_network_id_is_the_hash_of_version_1_or_what_it_names():
    """A network that began by name keeps its id."""
    by_hash, by_name = charter(), charter(founded=network_id("example"))
    later = charter(number=2, previous=by_hash.hash, founded=by_hash.network_id)

    assert by_hash.network_id == by_hash.hash
    assert by_name.network_id == network_id("example")
    assert later.network_id == by_hash.hash
    assert later.follows(by_hash)
    assert not later.follows(by_name)
    assert not charter(number=3, previous=by_hash.hash, founded=by_hash.hash).follows(by_hash)


@pytest.mark.parametrize(
    "fields",
    [
        {"need": 1},
        {"need": 4},
        {"members": ()},
        {"members": tuple(reversed(members(1, 2, 3)))},
        {"members": members_of([*members(1, 2), Member(owner=owner_id(3), name="m1", trust=0)])},
        {"members": members_of([*members(1, 2), Member(owner=owner_id(2), name="again", trust=0)])},
        {"members": members(*range(1, 130)), "need": 100},
        {"seeds": tuple(Seed(node=node_id(9), address=f"ws://s{n}") for n in range(33))},
        {"seeds": (Seed(node=node_id(9), address="ws://b"), Seed(node=node_id(9), address="ws://a"))},
        {"network": "-"},
        {"network": "a\n"},
        {"number": 0},
        {"number": 2},
        {"previous": bytes(32)},
        {"number": 2, "previous": bytes(31), "founded": bytes(32)},
        {"number": 2, "previous": bytes(32)},
        {"founded": bytes(3)},
        {"valid_until": NOW},
        {"valid_until": NOW + MAX_LIFE + 1},
        {"created": -1},
    ],
)
def test_what_no_network_can_have_cannot_be_built(fields):
    """More than half must agree to a change; everything is sorted, once, and within its limits."""
    with pytest.raises(CharterError):
        charter(**fields)


def test_all_its_limits_together_fit_into_one_announcement():
    """As many members and seeds as may be, and every signature."""
    most = members_of(Member(owner=owner_id(n), name="m" * 61 + f"{n:03}", trust=1) for n in range(1, 129))
    seeds = tuple(sorted(Seed(node=node_id(n), address="wss://" + "a" * 120) for n in range(1, 33)))
    one = signed(charter(members=most, seeds=seeds, need=65), *range(1, 129))

    assert len(one.encode()) <= 32_768


@pytest.mark.parametrize("bad", [{"owner": b"x"}, {"name": "a\x1b[31m"}, {"name": ""}, {"trust": 1001}, {"trust": -1}])
def test_a_member_cannot_be_invalid(bad):
    """Key, a name that no terminal obeys, trust."""
    with pytest.raises(CharterError):
        Member(**{"owner": owner_id(1), "name": "a", "trust": 1, **bad})


@pytest.mark.parametrize("bad", [{"node": b"x"}, {"address": "http://x"}, {"address": "ws://a b"}, {"address": ""}])
def test_a_seed_cannot_be_invalid(bad):
    """Key, and a websocket address."""
    with pytest.raises(CharterError):
        Seed(**{"node": NodeId(bytes(32)), "address": "ws://a", **bad})


def test_no_flipped_bit_keeps_its_signatures():
    """Every bit is signed, or is a signature."""
    accepted = []
    for data in flips(signed(charter(), 1).encode()):
        try:
            SignedCharter.decode(data).check_signatures()
        except PeerError:
            continue
        accepted.append(data)

    assert accepted == []


def test_a_signature_is_its_owners():
    """Who is said to have signed did."""
    one = signed(charter(), 1)
    forged = SignedCharter(charter=one.charter, signatures={owner_id(2): one.signatures[owner_id(1)]})

    with pytest.raises(SignatureError):
        forged.check_signatures()


def test_signatures_have_one_order_and_length():
    """One spelling."""
    one = signed(charter(), 1, 2)
    pairs = [owner + mark for owner, mark in one.signatures.items()]
    encoded = one.charter.encoded

    with pytest.raises(NotCanonicalError):
        SignedCharter.decode(pack([encoded, b"".join(sorted(pairs, reverse=True))]))
    with pytest.raises(MalformedError):
        SignedCharter.decode(pack([encoded, pairs[0][:-1]]))
    with pytest.raises(MalformedError):
        SignedCharter(charter=one.charter, signatures={owner_id(1): b"short"})
    with pytest.raises(CharterError):
        SignedCharter(charter=one.charter, signatures={owner_id(n): bytes(64) for n in range(1, 131)})


def test_bytes_that_no_charter_has():
    """Another form, members that are cut off, text that is none, members in another order."""
    one = charter()
    values = [1, b"example", b"", 1, b"", 2, one.created, one.valid_until]
    member = owner_id(1) + bytes(2) + b"\x02m1"
    other = owner_id(2) + bytes(2) + b"\x02m2"
    cases = [
        [2, *values[1:], member, b""],
        [1, "exämple".encode(), *values[2:], member, b""],
        [*values, member[:-1], b""],
        [*values, member[:34], b""],
        [*values, member, node_id(9)],
    ]
    for case in cases:
        with pytest.raises(MalformedError):
            Charter.decode(pack(case))
    with pytest.raises(CharterError):
        Charter.decode(pack([*values, b"".join(sorted([member, other], reverse=True)), b""]))


def test_enough_members_of_the_version_before_make_a_change():
    """m of n of the version before, whoever the new ones are."""
    first = charter()
    second = charter(4, 5, 6, number=2, previous=first.hash, founded=first.network_id)

    assert [signed(first, *by).is_founded() for by in ((1,), (1, 2), (4, 5, 6))] == [False, True, False]
    assert [signed(second, *by).is_change_of(first) for by in ((4, 5, 6), (1, 4), (1, 3))] == [False, False, True]
    assert not signed(first, 1, 2).is_change_of(second)
    assert signed(second, 1).joined(signed(second, 3)).voices(first) == 2
