"""protocol 1.4: what is accepted, what is refused, for which reason, and in which order."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pfw.core.announcement import (
    FUTURE,
    MAX_ENTRIES,
    MAX_LIFETIME,
    Action,
    Announcement,
    Checkpoint,
    Kind,
    RawAnnouncement,
    build_certificate,
    build_checkpoint,
    build_entries,
    build_other,
    build_revocation,
    certificate_of,
    check_body,
    check_signature,
    check_time,
    checkpoint_of,
    lifetime,
    parse,
    records,
    revocation_of,
)
from p2pfw.core.header import Header, announcement_id, content_hash
from p2pfw.core.identity import network_id, revoke
from p2pfw.errors import (
    BodyHashError,
    CertificateError,
    ExpiredError,
    FutureError,
    LifetimeError,
    MalformedError,
    NotCanonicalError,
    PeerError,
    SignatureError,
    WrongNetworkError,
)
from tests.core.making import (
    DAY,
    NETWORK,
    NOW,
    accept,
    batches,
    block,
    certificate,
    flips,
    hosts,
    key,
    node_id,
    signed,
    stamp,
)


def forged(announcement: Announcement, *, body: bytes | None = None, by: int = 1, **fields: object) -> RawAnnouncement:
    """The announcement with another body or header fields, rightly hashed and rightly signed by key `by`."""
    body = announcement.raw.body if body is None else body
    header = replace(announcement.header, body_len=len(body), body_hash=content_hash(body), **fields)
    encoded = header.encode()
    return RawAnnouncement(encoded, key(by).sign("p2pfw/announcement/1", encoded), body)


@given(batch=batches)
@settings(max_examples=50)
def test_what_was_built_is_accepted_and_says_the_same(batch):
    """Round trip of entries through the exact bytes that travel."""
    built = build_entries(key(1), stamp(), batch, basis=5)

    assert accept(built.raw) == built
    assert sorted(e.key for e in batch) == [k for k, *_ in records(built)]
    assert built.expires == NOW + max(e.ttl for e in batch)


def test_an_announcement_shows_its_headers_facts():
    """Origin, kind, order and times without going through the header."""
    built = signed([block("203.0.113.9", ttl=60)])

    assert (built.kind, built.origin, built.order) == (Kind.ENTRIES, node_id(1), (NOW * 1000, 1))
    assert (built.created, built.expires) == (NOW, NOW + 60)


def test_the_id_is_of_the_header_alone():
    """Another signature over the same header would be the same announcement, so that an id cannot be varied."""
    built = signed(hosts(3))

    assert parse(RawAnnouncement(built.raw.header, bytes(64), built.raw.body)).id == built.id
    assert built.id == announcement_id(built.raw.header)


def test_a_full_announcement_is_accepted_and_within_its_sizes():
    """1,024 entries of IPv6 take 24 KiB."""
    built = signed([block(f"2001:db8:{i:x}::/64", ttl=60 + i) for i in range(MAX_ENTRIES)])

    assert len(list(records(accept(built.raw)))) == MAX_ENTRIES
    assert len(built.raw.body) == 24_576


def test_every_flip_of_one_bit_is_refused():
    """Header, signature and body of a mixed announcement, one bit at a time."""
    raw = signed([block("203.0.113.9"), block("198.51.100.0/24", action=Action.RETRACT), block("2001:db8::/48")]).raw
    accept(raw)

    for changed in (
        *(RawAnnouncement(header, raw.signature, raw.body) for header in flips(raw.header)),
        *(RawAnnouncement(raw.header, signature, raw.body) for signature in flips(raw.signature)),
        *(RawAnnouncement(raw.header, raw.signature, body) for body in flips(raw.body)),
    ):
        with pytest.raises(PeerError):
            accept(changed)


@given(data=st.data())
@settings(max_examples=60)
def test_cut_and_lengthened_parts_are_refused(data):
    """Any part, by any number of bytes."""
    raw = signed(hosts(2)).raw
    part = data.draw(st.sampled_from(["header", "signature", "body"]))
    whole = getattr(raw, part)
    cut = data.draw(st.integers(0, len(whole) - 1))
    changed = data.draw(st.sampled_from([whole[:cut], whole + whole[: cut + 1], whole[cut + 1 :]]))

    with pytest.raises(PeerError):
        accept(replace(raw, **{part: changed}))


@given(header=st.binary(max_size=300), signature=st.binary(max_size=70), body=st.binary(max_size=100))
def test_random_bytes_raise_nothing_but_a_peers_error(header, signature, body):
    """Whatever arrives."""
    with pytest.raises(PeerError):
        accept(RawAnnouncement(header, signature, body))


def test_sizes_are_refused_before_anything_is_decoded():
    """257 bytes of header, 63 of signature, 32,769 of body: none is looked into."""
    raw = signed(hosts(1)).raw

    for changed in (
        replace(raw, header=bytes(257)),
        replace(raw, signature=bytes(63)),
        replace(raw, body=bytes(32_769)),
    ):
        with pytest.raises(MalformedError, match="of a size that none has"):
            parse(changed)


def test_a_body_of_another_length_than_the_header_says_is_malformed():
    """Before any hash is computed."""
    with pytest.raises(MalformedError, match="where the header says"):
        parse(replace(signed(hosts(1)).raw, body=bytes(11)))


class TestTime:
    """protocol 1.4, step 3."""

    header: Header = signed(hosts(1, ttl=60)).header

    def test_another_network_is_refused(self):
        """Announcements do not cross networks."""
        with pytest.raises(WrongNetworkError):
            check_time(self.header, network_id("other"), NOW)

    def test_it_lives_until_the_second_of_its_expiry(self):
        """Exclusive."""
        check_time(self.header, NETWORK, NOW + 59.999)

        with pytest.raises(ExpiredError):
            check_time(self.header, NETWORK, NOW + 60)

    @pytest.mark.parametrize("field", ["created_ms", "epoch"])
    def test_created_and_epoch_may_be_two_minutes_ahead_and_no_more(self, field):
        """Clocks differ; a date in the future would win every comparison of order."""
        at_limit = {field: (NOW + FUTURE) * 1000}
        expires = {"expires": NOW + FUTURE + 60}
        check_time(replace(self.header, **at_limit, **expires), NETWORK, NOW)

        with pytest.raises(FutureError):
            check_time(replace(self.header, **{field: at_limit[field] + 1}, **expires), NETWORK, NOW)

    @pytest.mark.parametrize("kind", [*Kind, 99])
    def test_no_kind_lives_longer_than_its_limit(self, kind):
        """From creation to expiry; where the owner's clock dates the end, it may be ahead of the origin's."""
        header = self.header if kind in (0, 1) else replace(self.header, n4=0, body_len=0, kind=kind)
        ahead = FUTURE if kind in (Kind.CERTIFICATE, Kind.REVOCATION, Kind.VOUCH) else 0
        at_limit = replace(header, kind=kind, expires=NOW + lifetime(kind) + ahead)
        check_time(at_limit, NETWORK, NOW)

        with pytest.raises(LifetimeError, match=f"lives {lifetime(kind) + ahead + 1} s, of at most"):
            check_time(replace(at_limit, expires=at_limit.expires + 1), NETWORK, NOW)

    def test_an_end_before_the_creation_is_no_lifetime(self):
        """Even where it would not have expired yet."""
        header = replace(self.header, created_ms=(NOW + 100) * 1000, expires=NOW + 100)

        with pytest.raises(LifetimeError):
            check_time(header, NETWORK, NOW)


class TestSignature:
    """protocol 1.4, step 5."""

    def test_only_the_origins_signature_counts(self):
        """A header that is signed by somebody else is forged, however well."""
        built = signed(hosts(1))

        with pytest.raises(SignatureError):
            check_signature(parse(forged(built, by=2)))

    def test_a_signature_of_another_context_does_not_count(self):
        """What was signed as a certificate is no announcement."""
        built = signed(hosts(1))
        other = key(1).sign("p2pfw/certificate/1", built.raw.header)

        with pytest.raises(SignatureError):
            check_signature(parse(replace(built.raw, signature=other)))

    def test_it_does_not_depend_on_the_body(self):
        """The header alone is verifiable: the signature is good, the body is not."""
        built = signed(hosts(1))
        swapped = parse(replace(built.raw, body=signed(hosts(1, ttl=61)).raw.body))
        check_signature(swapped)

        with pytest.raises(BodyHashError):
            check_body(swapped)


class TestEntries:
    """Rightly signed, and still refused: the body breaks a rule of 1.1 or 1.2."""

    built = signed([block("203.0.113.9", ttl=60), block("203.0.113.10", ttl=90)])

    def refused(self, error: type[PeerError], raw: RawAnnouncement) -> None:
        announcement = parse(raw)
        check_signature(announcement)

        with pytest.raises(error):
            check_body(announcement)

    def test_unsorted_records(self):
        """A body has one order."""
        body = self.built.raw.body
        self.refused(NotCanonicalError, forged(self.built, body=body[12:] + body[:12]))

    def test_a_pardon_among_entries(self):
        """PARDON travels in announcements of its own kind."""
        pardon = build_entries(key(1), stamp(), [block("203.0.113.9", action=Action.PARDON)], kind=Kind.PARDON)
        self.refused(MalformedError, forged(pardon, kind=Kind.ENTRIES))

    def test_a_block_among_pardons(self):
        """And carries nothing else."""
        self.refused(MalformedError, forged(self.built, kind=Kind.PARDON))

    @pytest.mark.parametrize("expires", [NOW + 89, NOW + 91, NOW + MAX_LIFETIME])
    def test_an_expiry_that_is_not_the_latest_entrys(self, expires):
        """The header's expiry follows from the body, so that it cannot be varied."""
        self.refused(NotCanonicalError, forged(self.built, expires=expires))

    def test_an_entry_that_lives_too_long_with_its_age(self):
        """age + ttl ≤ 30 days, although the header's own lifetime is short."""
        body = self.built.raw.body
        aged = body[:8] + MAX_LIFETIME.to_bytes(3) + body[11:]
        self.refused(LifetimeError, forged(self.built, body=aged))


class TestOwnersWords:
    """Kinds 2 and 3: what an owner signed, and the consent of the node."""

    def test_a_certificate_travels_under_its_own_nodes_header(self):
        """That header is the consent."""
        built = build_certificate(key(1), stamp(), certificate())

        assert certificate_of(accept(built.raw)) == certificate()
        assert built.expires == certificate().not_after + 30 * DAY

    def test_a_certificate_under_anothers_header_is_refused(self):
        """Else a stranger could certify a node, pardon its blocks, and inherit the trust given to it."""
        stranger = build_other(
            key(2), stamp(), Kind.CERTIFICATE, certificate().encode(), certificate().not_after + 30 * DAY
        )

        with pytest.raises(CertificateError):
            accept(stranger.raw)

    def test_a_certificate_that_its_owner_did_not_sign_is_refused(self):
        """The header's signature is good; the certificate's is not."""
        forgery = replace(certificate(), signature=certificate(owner=101).signature)

        with pytest.raises(SignatureError):
            accept(build_certificate(key(1), stamp(), forgery).raw)

    def test_a_certificates_header_expires_thirty_days_after_it(self):
        """One certificate, one expiry."""
        wrong = build_other(key(1), stamp(), Kind.CERTIFICATE, certificate().encode(), certificate().not_after)

        with pytest.raises(NotCanonicalError):
            accept(wrong.raw)

    def test_a_revocation_travels_under_any_nodes_header(self):
        """What an owner signed counts whoever carries it."""
        revocation = revoke(key(100), node=node_id(1), created=NOW)

        assert revocation_of(accept(build_revocation(key(7), stamp(), revocation).raw)) == revocation

    def test_a_revocation_that_its_owner_did_not_sign_is_refused(self):
        """Nobody revokes another's node."""
        forgery = replace(revoke(key(101), node=node_id(1), created=NOW), owner=certificate().owner)

        with pytest.raises(SignatureError):
            accept(build_revocation(key(7), stamp(), forgery).raw)

    def test_a_revocations_header_expires_with_it(self):
        """It cannot be cut short by the node that carries it."""
        body = revoke(key(100), node=node_id(1), created=NOW).encode()

        with pytest.raises(NotCanonicalError):
            accept(build_other(key(7), stamp(), Kind.REVOCATION, body, NOW + DAY).raw)

    @pytest.mark.parametrize("kind", [Kind.CERTIFICATE, Kind.REVOCATION, Kind.CHECKPOINT])
    def test_garbage_in_a_known_kind_is_refused(self, kind):
        """Signed garbage is garbage."""
        with pytest.raises(MalformedError):
            accept(build_other(key(1), stamp(), kind, b"garbage", NOW + 60).raw)


class TestCheckpoint:
    """Kind 6."""

    held = Checkpoint(epoch=NOW * 1000, seq=5, held=((signed(hosts(1)).id, NOW + 60),))

    def test_a_checkpoint_lives_thirty_days(self):
        """From its creation."""
        built = build_checkpoint(key(1), stamp(seq=6), self.held)

        assert checkpoint_of(accept(built.raw)) == self.held
        assert built.expires == NOW + 30 * DAY

    def test_a_checkpoint_never_voids_what_comes_after_itself(self):
        """Else one header would silence an origin for 30 days."""
        at_itself = build_checkpoint(key(1), stamp(seq=5), self.held)
        accept(at_itself.raw)

        with pytest.raises(MalformedError, match="after itself"):
            accept(forged(at_itself, seq=4))

    def test_a_checkpoint_may_end_sooner(self):
        """Its origin says how long it means it, up to the limit of its kind."""
        assert accept(build_other(key(1), stamp(seq=6), Kind.CHECKPOINT, self.held.encode(), NOW + 60).raw)


@pytest.mark.parametrize("kind", [Kind.EQUIVOCATION, 9, 255])
def test_reserved_and_unknown_kinds_are_carried_unread(kind):
    """Signature and hash are checked, the body is not looked into, and it has no records."""
    built = build_other(key(1), stamp(), kind, b"of a later version", NOW + 60)

    assert accept(built.raw) == built
    assert list(records(built)) == []
    with pytest.raises(BodyHashError):
        accept(replace(built.raw, body=b"of a later versioN"))
