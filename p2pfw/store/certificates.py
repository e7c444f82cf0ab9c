"""A certificate authority of one's own and the server certificates that it signs, as files for TLS and for curl.

For the HTTPS doors of servers that no public authority knows. Names go where clients look for them
(subjectAltName); keys are made 0600 and nothing is ever overwritten. The work is the package `cryptography`'s, which
is imported here and nowhere else: nodes run without it.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from p2pfw.core.prefix import parse_address
from p2pfw.errors import InputError, KeyFileError

CA_DAYS: Final = 3_650
"""Ten years: whoever trusts it has it by hand, and changing it means visiting every client."""
SERVER_DAYS: Final = 825
"""The longest that TLS clients of all kinds accept."""
RENEW_DAYS: Final = 30
"""An authority that ends sooner signs nothing any more."""
SKEW: Final = timedelta(hours=1)
"""Clocks of clients may be behind."""
MAX_NAMES: Final = 64
MAX_NAME: Final = 253
"""Characters of a host name."""

_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Pair:
    """Where a certificate and its key are."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a server certificate is for: host names, and addresses in canonical text."""

    names: tuple[str, ...]
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, names: Sequence[str], addresses: Sequence[str]) -> "Subject":
        """From what was typed; an address among the names is one. InputError."""
        hosts: list[str] = []
        numbers: list[str] = []
        for name in names:
            found = _address(name)
            (hosts if found is None else numbers).append(_name(name) if found is None else found)
        for text in addresses:
            found = _address(text)
            if found is None:
                raise InputError(f"{text[:80]!r} is no IP address", field="address")
            numbers.append(found)
        if not 0 < len(hosts) + len(numbers) <= MAX_NAMES:
            raise InputError(f"a certificate is for 1 to {MAX_NAMES} names and addresses", field="name")
        return cls(names=tuple(dict.fromkeys(hosts)), addresses=tuple(dict.fromkeys(numbers)))

    @property
    def first(self) -> str:
        """What the files are called."""
        return (*self.names, *self.addresses)[0]


def make_authority(folder: Path) -> Pair:
    """ca.crt and ca.key in the folder, which is made 0700 where it is missing. KeyFileError."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = _named(f"p2pfw CA {now:%Y-%m-%d %H:%M:%S}")
    builder = _begun(name, name, key.public_key(), days=CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    _write(pair, key, builder.sign(key, hashes.SHA256()))
    return pair


def make_server(folder: Path, subject: Subject) -> Pair:
    """NAME.crt and NAME.key, signed by the folder's authority. KeyFileError."""
    stem = subject.first.replace("*", "_").replace(":", "-")
    pair = Pair(folder / f"{stem}.crt", folder / f"{stem}.key")
    authority, signer = _read_authority(folder)
    left = (authority.not_valid_after_utc - datetime.now(UTC)).days
    if left < RENEW_DAYS:
        raise KeyFileError(f"{folder / 'ca.crt'}: ends in {left} days; make a new one, and give it to all clients")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _begun(_named(subject.first[:64]), authority.subject, key.public_key(), days=min(SERVER_DAYS, left - 1))
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(authority=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName(_alternatives(subject)), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    _write(pair, key, builder.sign(signer, hashes.SHA256()))
    return pair


# ---------------------------------------------------------------- the certificates


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    """What every certificate has."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(subject: Subject) -> list[x509.GeneralName]:
    names = [x509.DNSName(name) for name in subject.names]
    return [*names, *(x509.IPAddress(ipaddress.ip_address(text)) for text in subject.addresses)]


def _name(text: str) -> str:
    if len(text) > MAX_NAME or _NAME.fullmatch(text) is None:
        raise InputError(f"{text[:80]!r} is no host name", field="name", hint="write it like web-1.example.net")
    return text.lower()


def _address(text: str) -> str | None:
    try:
        parse_address(text)
    except InputError:
        return None
    return str(ipaddress.ip_address(text))


# ---------------------------------------------------------------- the files


def _read_authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    files = Pair(folder / "ca.crt", folder / "ca.key")
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise KeyFileError(f"{error.filename}: there is no authority in {folder}; p2pfw cert ca makes one") from None
    except OSError as error:
        raise KeyFileError(f"{error.filename}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise KeyFileError(f"{folder}: ca.crt or ca.key is damaged, or protected: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise KeyFileError(f"{folder}: ca.key is not the key of ca.crt")
    return certificate, key


def _write(pair: Pair, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    """Both or neither; the key first, so that there is no certificate without one."""
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    try:
        pair.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _create(pair.key, secret, 0o600)
        try:
            _create(pair.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        except OSError:
            pair.key.unlink()
            raise
    except FileExistsError as error:
        raise KeyFileError(f"{error.filename}: exists already, and is never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileError(f"{error.filename}: cannot be written: {error.strerror}") from None


def _create(path: Path, content: bytes, mode: int) -> None:
    """Made by this call, or an error; what was begun and not finished is removed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from None
