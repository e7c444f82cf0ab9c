"""Certificates that TLS clients accept, and files that keep their secret."""

import socket
import ssl
import stat
import subprocess
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from p2pfw.errors import InputError, KeyFileError
from p2pfw.store import certificates
from p2pfw.store.certificates import Subject, make_authority, make_server

SUBJECT = Subject.of(["web-1.example.net"], ["127.0.0.1"])


def mode(path):
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def shake_hands(folder, pair, name):
    """A TLS handshake of Python's strict client with a server that has this pair; the certificate as it came."""
    mine, other = socket.socketpair()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=folder / "ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    serving = threading.Thread(target=lambda: server.wrap_socket(other, server_side=True).close())
    serving.start()
    try:
        with client.wrap_socket(mine, server_hostname=name) as connection:
            return connection.getpeercert()
    finally:
        serving.join()
        other.close()


def make_other(folder):
    """The key of another authority in the place of this one's."""
    other = make_authority(folder / "other")
    (folder / "ca.key").write_bytes(other.key.read_bytes())


@pytest.mark.parametrize("name", ["web-1.example.net", "127.0.0.1"])
def test_a_client_that_trusts_the_authority_accepts_the_server(tmp_path, name):
    """By name and by address: both are in subjectAltName, where strict clients look."""
    make_authority(tmp_path)
    pair = make_server(tmp_path, SUBJECT)

    found = shake_hands(tmp_path, pair, name)

    assert set(found["subjectAltName"]) == {("DNS", "web-1.example.net"), ("IP Address", "127.0.0.1")}


def test_openssl_finds_nothing_wrong(tmp_path):
    """Another implementation, at its strictest."""
    make_authority(tmp_path)
    pair = make_server(tmp_path, SUBJECT)
    argv = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", tmp_path / "ca.crt"]

    done = subprocess.run([*argv, pair.certificate], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_keys_are_for_their_owner_alone(tmp_path):
    """And the folder that is made for them; certificates may be read by all."""
    folder = tmp_path / "new" / "ca"
    authority = make_authority(folder)
    server = make_server(folder, SUBJECT)

    assert [mode(one) for one in (folder, authority.key, server.key)] == [0o700, 0o600, 0o600]
    assert [mode(one) for one in (authority.certificate, server.certificate)] == [0o644, 0o644]


def test_lifetimes_are_sensible(tmp_path):
    """The authority outlives what it signs, and clocks may differ by a little."""
    made = [make_authority(tmp_path), make_server(tmp_path, SUBJECT)]

    ca, server = (x509.load_pem_x509_certificate(one.certificate.read_bytes()) for one in made)

    now = datetime.now(UTC)
    assert timedelta(days=3_649) < ca.not_valid_after_utc - now <= timedelta(days=3_650)
    assert timedelta(days=824) < server.not_valid_after_utc - now <= timedelta(days=825)
    assert server.not_valid_before_utc < now - timedelta(minutes=30)
    assert not server.extensions.get_extension_for_oid(ExtensionOID.BASIC_CONSTRAINTS).value.ca


def test_nothing_is_overwritten(tmp_path):
    """Neither the authority nor a server's files; the error names what is in the way."""
    make_authority(tmp_path)
    pair = make_server(tmp_path, SUBJECT)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(KeyFileError, match=r"ca\.key: exists already"):
        make_authority(tmp_path)
    with pytest.raises(KeyFileError, match=f"{pair.key.name}: exists already"):
        make_server(tmp_path, SUBJECT)

    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_certificate_in_the_way_leaves_no_key_behind(tmp_path):
    """Both or neither."""
    (tmp_path / "ca.crt").touch()

    with pytest.raises(KeyFileError, match=r"ca\.crt: exists already"):
        make_authority(tmp_path)

    assert not (tmp_path / "ca.key").exists()


def test_a_link_in_the_keys_place_is_not_followed(tmp_path):
    """Whoever may write into the folder cannot choose where the key goes."""
    (tmp_path / "ca.key").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(KeyFileError, match="exists already"):
        make_authority(tmp_path)

    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "ca.key").unlink(), "p2pfw cert ca makes one"),
        (lambda folder: (folder / "ca.crt").write_text("nonsense"), "damaged"),
        (make_other, "is not the key of"),
    ],
)
def test_an_authority_that_is_not_whole_signs_nothing(tmp_path, spoil, words):
    """The error says what is wrong with it."""
    make_authority(tmp_path)
    spoil(tmp_path)

    with pytest.raises(KeyFileError, match=words):
        make_server(tmp_path, SUBJECT)

    assert sorted(path.suffix for path in tmp_path.glob("web*")) == []


def test_an_authority_that_ends_soon_signs_nothing(tmp_path, monkeypatch):
    """A server certificate that outlives it would fail on the day that it ends."""
    monkeypatch.setattr(certificates, "CA_DAYS", 20)
    make_authority(tmp_path)

    with pytest.raises(KeyFileError, match="ends in"):
        make_server(tmp_path, SUBJECT)


def test_an_address_among_the_names_is_one():
    """As people type it; each once."""
    subject = Subject.of(["Web-1.Example.net", "192.0.2.1", "*.example.net"], ["2001:db8:0::1", "192.0.2.1"])

    assert subject.names == ("web-1.example.net", "*.example.net")
    assert subject.addresses == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize(
    ("names", "addresses", "words"),
    [
        (["no_underscores.example"], [], "is no host name"),
        (["-x.example"], [], "is no host name"),
        (["../../etc/passwd"], [], "is no host name"),
        (["a" * 300], [], "is no host name"),
        (["web.example"], ["web.example"], "is no IP address"),
        ([], [], "1 to 64"),
        ([f"w{number}.example" for number in range(65)], [], "1 to 64"),
    ],
)
def test_what_is_no_name_is_refused(names, addresses, words):
    """Before anything is made; a name is also a file's."""
    with pytest.raises(InputError, match=words):
        Subject.of(names, addresses)
