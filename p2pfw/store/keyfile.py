"""Secret keys on disk: one key a file, text, for one purpose (docs/protocol.md 7.5).

    P2PFW-SECRET-KEY v1
    purpose: node
    public: p2pfw1...
    kdf: none                                    or: argon2id ops=3 mem=268435456 salt=...
    data: ...                                    base64 of the seed, or of nonce + box around it
    check: ...                                   BLAKE2b-64 of all lines before, in hex

The first line is what secret scanners look for. A file that others could have read or put there is not used, and the
error says what to type. Nothing here repairs modes or owners: whether the key is still secret is the operator's call.
A passphrase protects a key that is copied or backed up; a daemon that stores one beside its key gains nothing by it.
"""

import base64
import binascii
import errno
import os
import re
import stat
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final

import nacl.exceptions
import nacl.pwhash
import nacl.secret
import nacl.utils

from p2pfw.core.identity import KEY_BYTES, SigningKey
from p2pfw.core.idtext import decode_id, encode_id
from p2pfw.errors import InputError, KeyFileError

MAGIC: Final = "P2PFW-SECRET-KEY v1"
MAX_BYTES: Final = 4_096
"""More than any key file has; a device or a log that is named by mistake is not read into memory."""
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
"""Set by systemd for services with LoadCredential=: files there are 0400 or 0440, and may be root's."""

_SALT_BYTES: Final = nacl.pwhash.argon2id.SALTBYTES
_MAX_OPS: Final = 16
_MAX_MEMORY: Final = 1 << 30
_NAMES: Final = ("purpose", "public", "kdf", "data")
_KDF: Final = re.compile(r"argon2id ops=([0-9]{1,3}) mem=([0-9]{1,11}) salt=([0-9a-f]{32})")
_KEY_MODES: Final = frozenset({0o600, 0o400})
_CREDENTIAL_MODES: Final = frozenset({0o600, 0o400, 0o440})


class Purpose(StrEnum):
    """What a key is for. A file of one purpose is never used for another."""

    NODE = "node"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class KdfCost:
    """Work and memory (bytes) that one guess at a passphrase costs."""

    ops: int = nacl.pwhash.argon2id.OPSLIMIT_MODERATE
    memory: int = nacl.pwhash.argon2id.MEMLIMIT_MODERATE


MODERATE: Final = KdfCost()
"""About 0.3 s and 256 MiB."""


def new_seed() -> bytes:
    """32 bytes from the operating system, through libsodium."""
    return nacl.utils.random(KEY_BYTES)


def write_key(
    path: Path, seed: bytes, purpose: Purpose, *, passphrase: str | None = None, cost: KdfCost = MODERATE
) -> SigningKey:
    """Make the file, 0600, in a directory that is made 0700 where missing; synced when this returns.

    KeyFileError: it exists already (nothing is ever overwritten), the directory is open to others, or the disk failed;
    a file that was begun is removed again.
    """
    key = SigningKey(seed)
    lines = [
        MAGIC,
        f"purpose: {Purpose(purpose)}",
        f"public: {encode_id(key.public_key)}",
        *(_plain(seed) if passphrase is None else _protected(seed, passphrase, cost)),
    ]
    text = "".join(f"{line}\n" for line in lines)
    _make_directory(path.parent)
    _create(path, f"{text}check: {_check(text)}\n".encode())
    return key


def read_key(path: Path, purpose: Purpose, *, passphrase: str | None = None) -> SigningKey:
    """The key in the file. KeyFileError, with what to do about it, unless it is whole, private and of this purpose."""
    fields = _read_fields(path, purpose)
    key = SigningKey(_seed(path, fields, passphrase))
    if encode_id(key.public_key) != fields["public"]:
        raise KeyFileError(f"{path}: the key is not that of the public id in the file; restore it from a backup")
    return key


def read_public(path: Path, purpose: Purpose) -> bytes:
    """The public key that the file is for, without opening the secret part: for keys that a passphrase protects."""
    try:
        return decode_id(_read_fields(path, purpose)["public"])
    except InputError as error:
        raise KeyFileError(f"{path}: the public id in the file is none: {error.problem}") from None


def is_protected(path: Path, purpose: Purpose) -> bool:
    """True when the file needs a passphrase."""
    return _read_fields(path, purpose)["kdf"] != "none"


# ---------------------------------------------------------------- the file system


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_directory(directory)
    except OSError as error:
        raise KeyFileError(f"{directory}: cannot be used as a directory for keys: {error.strerror}") from None


def _check_directory(directory: Path) -> None:
    found = directory.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{directory}: belongs to another user; run: chown {os.geteuid()} {directory}")
    if found.st_mode & 0o077:
        raise KeyFileError(f"{directory}: open to other users; run: chmod 700 {directory}")


def _create(path: Path, content: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path}: exists already, and a key is never overwritten; move it away first") from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be made: {error.strerror}") from None
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(path.parent)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise KeyFileError(f"{path}: cannot be written: {error.strerror}") from None


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    try:
        # Opened first, then judged by descriptor. Not blocking: a FIFO in the file's place must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise KeyFileError(f"{path}: is a symbolic link; name the file itself, or copy it here") from None
        remedy = f"; whoever runs p2pfw must own it: chown, chmod 600 {path}" if error.errno == errno.EACCES else ""
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}{remedy}") from None
    try:
        _check_file(path, os.fstat(descriptor))
        return os.read(descriptor, MAX_BYTES + 1)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)


def _check_file(path: Path, found: os.stat_result) -> None:
    credential = _is_credential(path)
    if not stat.S_ISREG(found.st_mode):
        raise KeyFileError(f"{path}: is not a regular file")
    if found.st_nlink != 1:
        raise KeyFileError(f"{path}: has {found.st_nlink} names (hard links); copy it, and remove the others")
    if found.st_uid != os.geteuid() and not (credential and found.st_uid == 0):
        raise KeyFileError(f"{path}: belongs to another user; run: chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) not in (_CREDENTIAL_MODES if credential else _KEY_MODES):
        raise KeyFileError(
            f"{path}: has mode {stat.S_IMODE(found.st_mode):04o}, so others may have read or changed it; "
            f"run: chmod 600 {path} (or make a new key, if somebody did)"
        )
    if not credential:
        _check_directory(path.parent)


def _is_credential(path: Path) -> bool:
    directory = os.environ.get(CREDENTIALS)
    return directory is not None and path.parent == Path(directory)


# ---------------------------------------------------------------- the text


def _read_fields(path: Path, purpose: Purpose) -> dict[str, str]:
    content = _read(path)
    if len(content) > MAX_BYTES or not content.startswith(f"{MAGIC}\n".encode()):
        raise KeyFileError(f"{path}: is not a key file of this program (its first line is not {MAGIC!r})")
    text, found, check = content.decode("ascii", "replace").partition("check: ")
    if not found or check != f"{_check(text)}\n":
        raise KeyFileError(f"{path}: is cut short or damaged (its checksum does not fit); restore it from a backup")
    lines = [line.partition(": ") for line in text.splitlines()[1:]]
    if tuple(name for name, _, _ in lines) != _NAMES:
        raise KeyFileError(f"{path}: has other lines than a key file of this version")
    fields = {name: value for name, _, value in lines}
    if fields["purpose"] != Purpose(purpose):
        raise KeyFileError(
            f"{path}: is the key of a{_article(fields['purpose'])}, where that of a{_article(purpose)} is needed"
        )
    return fields


def _article(purpose: str) -> str:
    return f"n {purpose}" if purpose[:1] in "aeio" else f" {purpose}"


def _check(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _plain(seed: bytes) -> tuple[str, str]:
    return "kdf: none", f"data: {base64.b64encode(seed).decode()}"


def _protected(seed: bytes, passphrase: str, cost: KdfCost) -> tuple[str, str]:
    if not passphrase:
        raise InputError("an empty passphrase protects nothing", field="passphrase", hint="leave it out altogether")
    salt = nacl.utils.random(_SALT_BYTES)
    box = nacl.secret.SecretBox(_stretch(passphrase, cost, salt)).encrypt(seed)
    return (
        f"kdf: argon2id ops={cost.ops} mem={cost.memory} salt={salt.hex()}",
        f"data: {base64.b64encode(box).decode()}",
    )


def _stretch(passphrase: str, cost: KdfCost, salt: bytes) -> bytes:
    size = nacl.secret.SecretBox.KEY_SIZE
    return nacl.pwhash.argon2id.kdf(size, passphrase.encode(), salt, opslimit=cost.ops, memlimit=cost.memory)


def _seed(path: Path, fields: dict[str, str], passphrase: str | None) -> bytes:
    try:
        data = base64.b64decode(fields["data"], validate=True)
        seed = data if fields["kdf"] == "none" else _open(path, fields["kdf"], data, passphrase)
    except binascii.Error:
        raise KeyFileError(f"{path}: its data is not base64") from None
    if len(seed) != KEY_BYTES:
        raise KeyFileError(f"{path}: holds {len(seed)} bytes where a key has {KEY_BYTES}")
    return seed


def _open(path: Path, kdf: str, data: bytes, passphrase: str | None) -> bytes:
    stated = _KDF.fullmatch(kdf)
    # A file made by somebody else must not choose how much memory and time this machine spends.
    if stated is None or not (1 <= int(stated[1]) <= _MAX_OPS and 8_192 <= int(stated[2]) <= _MAX_MEMORY):
        raise KeyFileError(f"{path}: is protected in a way that this version does not know: {kdf[:40]!r}")
    if passphrase is None:
        raise KeyFileError(f"{path}: is protected by a passphrase, and none was given")
    cost = KdfCost(ops=int(stated[1]), memory=int(stated[2]))
    try:
        return nacl.secret.SecretBox(_stretch(passphrase, cost, bytes.fromhex(stated[3]))).decrypt(data)
    except nacl.exceptions.CryptoError:
        raise KeyFileError(f"{path}: the passphrase is not the one that protects it") from None
