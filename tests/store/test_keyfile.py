"""docs/protocol.md 7.5: a secret key on disk is whole, private, for one purpose, or not used."""

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from p2pfw.core.identity import SigningKey
from p2pfw.core.idtext import encode_id
from p2pfw.errors import InputError, KeyFileError
from p2pfw.store import keyfile
from p2pfw.store.keyfile import KdfCost, Purpose, is_protected, new_seed, read_key, read_public, write_key

SEED = bytes(range(32))
PUBLIC = SigningKey(SEED).public_key
# The least that libsodium allows, so that the tests are quick.
CHEAP = KdfCost(ops=1, memory=8_192)


@pytest.fixture
def path(tmp_path) -> Path:
    """Where a key goes: in a directory that does not exist yet."""
    return tmp_path / "keys" / "node.key"


@pytest.fixture
def written(path) -> Path:
    """A good key file of a node."""
    write_key(path, SEED, Purpose.NODE)
    return path


def change(path: Path, old: str, new: str) -> None:
    """Edit a key file the way somebody would who also puts the checksum right."""
    text = path.read_text().partition("check: ")[0]
    assert old in text
    text = text.replace(old, new)
    path.write_text(f"{text}check: {keyfile._check(text)}\n")


def refused(path: Path, match: str, purpose: Purpose = Purpose.NODE, **options: str) -> None:
    """Reading fails with our error, which names the file and says this."""
    with pytest.raises(KeyFileError, match=match) as error:
        read_key(path, purpose, **options)
    assert str(path) in str(error.value)


class TestWriting:
    """A file that is complete on disk when the call returns, or none."""

    def test_what_was_written_is_read_back(self, path):
        """The same key, and its public half without the secret."""
        assert write_key(path, SEED, Purpose.OWNER).public_key == PUBLIC
        assert read_key(path, Purpose.OWNER).public_key == PUBLIC
        assert read_public(path, Purpose.OWNER) == PUBLIC
        assert not is_protected(path, Purpose.OWNER)

    def test_the_file_is_the_text_that_is_documented(self, written):
        """Frozen: a file of today is read by every later version."""
        assert written.read_text() == (
            "P2PFW-SECRET-KEY v1\n"
            "purpose: node\n"
            f"public: {encode_id(PUBLIC)}\n"
            "kdf: none\n"
            "data: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
            "check: db09e1097ecad70c\n"
        )

    def test_file_and_directory_are_closed_to_others_whatever_the_umask(self, path):
        """0700 and 0600."""
        before = os.umask(0)
        try:
            write_key(path, SEED, Purpose.NODE)
        finally:
            os.umask(before)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_nothing_is_ever_overwritten(self, written):
        """A key that is lost cannot be made again."""
        before = written.read_bytes()

        with pytest.raises(KeyFileError, match="never overwritten"):
            write_key(written, bytes(32), Purpose.NODE)
        assert written.read_bytes() == before

    @pytest.mark.parametrize("target", ["elsewhere", "/dev/null"])
    def test_a_link_in_the_files_place_is_not_followed(self, path, target):
        """Dangling or not: the secret would land where the link points."""
        path.parent.mkdir(mode=0o700)
        path.symlink_to(target)

        with pytest.raises(KeyFileError):
            write_key(path, SEED, Purpose.NODE)
        assert not (path.parent / "elsewhere").exists()

    def test_an_open_directory_is_refused_before_anything_is_written(self, path):
        """With what to type."""
        path.parent.mkdir(mode=0o700)
        path.parent.chmod(0o750)

        with pytest.raises(KeyFileError, match=f"chmod 700 {path.parent}"):
            write_key(path, SEED, Purpose.NODE)
        assert not path.exists()

    def test_a_directory_that_cannot_be_made_is_said(self, tmp_path):
        """Here a file stands in its place."""
        (tmp_path / "keys").write_text("")

        with pytest.raises(KeyFileError, match="cannot be used as a directory"):
            write_key(tmp_path / "keys" / "node.key", SEED, Purpose.NODE)

    def test_a_name_that_cannot_be_created_is_said(self, tmp_path):
        """Longer than file names may be."""
        tmp_path.chmod(0o700)

        with pytest.raises(KeyFileError, match="cannot be made"):
            write_key(tmp_path / ("x" * 300), SEED, Purpose.NODE)

    @pytest.mark.parametrize("failing", ["file", "directory"])
    def test_a_disk_that_fails_leaves_no_half_key(self, path, monkeypatch, failing):
        """Neither when the file cannot be synced, nor its name."""
        sync = os.fsync

        def fsync(descriptor: int) -> None:
            if stat.S_ISDIR(os.fstat(descriptor).st_mode) == (failing == "directory"):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(KeyFileError, match="No space left"):
            write_key(path, SEED, Purpose.NODE)
        assert not path.exists()

    def test_file_and_name_are_synced_before_it_returns(self, path, monkeypatch):
        """A node id that was printed must exist after a power loss."""
        synced = []
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(stat.S_IFMT(os.fstat(fd).st_mode)))
        write_key(path, SEED, Purpose.NODE)

        assert synced == [stat.S_IFREG, stat.S_IFDIR]

    def test_a_short_seed_makes_no_file(self, path):
        """Nor a directory."""
        with pytest.raises(InputError):
            write_key(path, SEED[:31], Purpose.NODE)
        assert not path.parent.exists()

    def test_seeds_are_of_the_operating_system(self):
        """32 bytes, never the same."""
        assert len({new_seed() for _ in range(50)}) == 50
        assert len(new_seed()) == 32


class TestFileSystem:
    """A file that others could have read, changed or put there is not used."""

    @pytest.mark.parametrize("mode", [0o600, 0o400])
    def test_private_modes_are_good(self, written, mode):
        """Writable or not."""
        written.chmod(mode)

        assert read_key(written, Purpose.NODE).public_key == PUBLIC

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o700, 0o620, 0o602, 0o440, 0o4600, 0o000])
    def test_every_other_mode_is_refused_with_the_remedy(self, written, mode):
        """Every bit for group and others, and bits that no key file has."""
        written.chmod(mode)

        refused(written, "cannot be read|chmod 600")

    @pytest.mark.parametrize("mode", [0o750, 0o705, 0o770, 0o701, 0o777])
    def test_a_directory_open_to_others_is_refused_with_the_remedy(self, written, mode):
        """Who may list or change it may have swapped the file."""
        written.parent.chmod(mode)

        with pytest.raises(KeyFileError, match=f"chmod 700 {written.parent}"):
            read_key(written, Purpose.NODE)

    def test_a_symbolic_link_is_refused(self, written):
        """What it points to may change."""
        link = written.with_name("link.key")
        link.symlink_to(written)

        refused(link, "symbolic link")

    def test_a_second_name_is_refused(self, written):
        """Somebody keeps a copy that changes with this one."""
        os.link(written, written.with_name("other.key"))

        refused(written, "2 names")

    def test_a_missing_file_is_said(self, written):
        """With the system's own words."""
        refused(written.with_name("missing.key"), "No such file")

    def test_a_fifo_does_not_hang_the_start(self, written):
        """It is opened without waiting for a writer, and refused."""
        written.unlink()
        os.mkfifo(written, 0o600)

        refused(written, "not a regular file")

    def test_a_disk_that_fails_while_reading_is_said(self, written, monkeypatch):
        """With the system's own words, and no descriptor left open."""
        before = len(os.listdir("/proc/self/fd"))

        def read(_descriptor: int, _length: int) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "read", read)
        refused(written, "Input/output error")
        assert len(os.listdir("/proc/self/fd")) == before

    def test_a_directory_in_its_place_is_refused(self, written):
        """Likewise."""
        written.unlink()
        written.mkdir()

        refused(written, "not a regular file")

    def test_a_file_of_another_user_is_refused(self, written, monkeypatch):
        """He can change it at any time."""
        me = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)

        refused(written, f"another user; run: chown {me + 1}")

    def test_a_directory_of_another_user_is_refused(self, path, monkeypatch):
        """Unless it is root's."""
        path.parent.mkdir(mode=0o700)
        monkeypatch.setattr(os, "geteuid", lambda: 12_345)
        if path.parent.stat().st_uid == 0:
            os.chown(path.parent, 54_321, -1)

        with pytest.raises(KeyFileError, match="chown 12345"):
            write_key(path, SEED, Purpose.NODE)

    @pytest.mark.parametrize("mode", [0o400, 0o440, 0o600])
    def test_systemds_credentials_are_good(self, written, monkeypatch, mode):
        """In their own directory the access list shows as the group's bits, and the directory is systemd's."""
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(written.parent))
        written.chmod(mode)
        written.parent.chmod(0o550)

        assert read_key(written, Purpose.NODE).public_key == PUBLIC

    @pytest.mark.parametrize("mode", [0o444, 0o640, 0o460])
    def test_credentials_open_to_others_are_refused_too(self, written, monkeypatch, mode):
        """That is not how systemd makes them."""
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(written.parent))
        written.chmod(mode)

        refused(written, "chmod 600")

    def test_credentials_may_be_roots_and_nobody_elses(self, written, monkeypatch):
        """A service reads them as its own user."""
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(written.parent))
        owner = written.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

        if owner == 0:
            assert read_key(written, Purpose.NODE).public_key == PUBLIC
        else:
            refused(written, "another user")

    def test_elsewhere_the_rules_stay_strict(self, written, monkeypatch, tmp_path):
        """The variable relaxes its own directory only."""
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        written.chmod(0o440)

        refused(written, "chmod 600")


class TestText:
    """A file that is damaged, somebody else's format, or for something else is not used."""

    def test_every_cut_is_noticed(self, written):
        """By one byte or by all."""
        whole = written.read_bytes()

        for length in range(len(whole)):
            written.write_bytes(whole[:length])
            refused(written, "not a key file|cut short")

    def test_every_flip_of_one_bit_is_noticed(self, written):
        """A disk that decays, or a hand that slipped."""
        whole = written.read_bytes()

        for place in range(len(whole)):
            for bit in range(8):
                written.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
                refused(written, "not a key file|cut short")

    def test_what_follows_the_checksum_is_noticed(self, written):
        """Even an empty line."""
        written.write_bytes(written.read_bytes() + b"\n")

        refused(written, "cut short or damaged")

    def test_a_large_file_is_not_read_whole(self, written):
        """A log named by mistake."""
        written.write_bytes(b"P2PFW-SECRET-KEY v1\n" + b"x" * 10_000)

        refused(written, "not a key file")

    def test_a_key_serves_one_purpose(self, written):
        """A node key is never used as an owner's, nor the other way round."""
        refused(written, "of a node, where that of an owner is needed", Purpose.OWNER)
        with pytest.raises(KeyFileError):
            read_public(written, Purpose.OWNER)
        owner = written.with_name("owner.key")
        write_key(owner, SEED, Purpose.OWNER)
        refused(owner, "of an owner, where that of a node is needed")

    @pytest.mark.parametrize(
        "old, new, match",
        [
            ("kdf: none\n", "", "other lines"),
            ("kdf: none\n", "kdf: none\nnote: x\n", "other lines"),
            ("kdf: none\n", "kdf: none\nkdf: none\n", "other lines"),
            ("kdf: none\n", "kdf: none\nfree text\n", "other lines"),
            ("kdf: none", "kdf: scrypt", "does not know"),
            ("kdf: none", "kdf: argon2id ops=999 mem=8192 salt=" + "0" * 32, "does not know"),
            ("kdf: none", "kdf: argon2id ops=1 mem=99999999999 salt=" + "0" * 32, "does not know"),
            ("kdf: none", "kdf: argon2id ops=0 mem=8192 salt=" + "0" * 32, "does not know"),
            ("kdf: none", "kdf: argon2id ops=1 mem=8191 salt=" + "0" * 32, "does not know"),
            ("data: AAEC", "data: AAE!", "not base64"),
            ("data: AAEC", "data: ", "bytes where a key has"),
            ("data: AAEC", "data: AAED", "not that of the public id"),
        ],
    )
    def test_a_whole_file_with_wrong_contents_is_refused(self, written, old, new, match):
        """The checksum fits, the contents do not."""
        change(written, old, new)

        refused(written, match)

    def test_a_public_id_that_is_none_is_our_error(self, written):
        """Whoever asks for the public half alone gets the file's name too."""
        change(written, "public: p2pfw1", "public: q2pfw1")

        with pytest.raises(KeyFileError, match="public id"):
            read_public(written, Purpose.NODE)


class TestPassphrase:
    """Argon2id and secretbox; for keys that leave the machine."""

    @pytest.fixture
    def protected(self, path) -> Path:
        """An owner's key under a passphrase."""
        write_key(path, SEED, Purpose.OWNER, passphrase="pässword", cost=CHEAP)
        return path

    def test_the_right_one_opens_it(self, protected):
        """And the public half needs none."""
        assert read_key(protected, Purpose.OWNER, passphrase="pässword").public_key == PUBLIC
        assert read_public(protected, Purpose.OWNER) == PUBLIC
        assert is_protected(protected, Purpose.OWNER)

    def test_a_wrong_or_missing_one_does_not(self, protected):
        """And the error says which of the two."""
        refused(protected, "not the one", Purpose.OWNER, passphrase="password")
        refused(protected, "none was given", Purpose.OWNER)

    def test_the_seed_is_not_in_the_file(self, protected):
        """In no spelling."""
        text = protected.read_text()

        assert SEED.hex() not in text
        assert "AAECAwQF" not in text
        assert re.search(r"^kdf: argon2id ops=1 mem=8192 salt=[0-9a-f]{32}$", text, re.MULTILINE)

    def test_two_files_of_one_key_have_nothing_in_common(self, protected):
        """Salt and nonce are new each time."""
        other = protected.with_name("other.key")
        write_key(other, SEED, Purpose.OWNER, passphrase="pässword", cost=CHEAP)

        assert protected.read_text().splitlines()[4] != other.read_text().splitlines()[4]

    def test_an_empty_passphrase_is_refused(self, path):
        """It would look protected."""
        with pytest.raises(InputError, match="empty"):
            write_key(path, SEED, Purpose.OWNER, passphrase="", cost=CHEAP)
        assert not path.exists()

    def test_a_guess_costs_a_quarter_of_a_gibibyte_by_default(self, path):
        """The moderate setting of libsodium, and it opens again."""
        write_key(path, SEED, Purpose.OWNER, passphrase="x")

        assert "kdf: argon2id ops=3 mem=268435456 " in path.read_text()
        assert read_key(path, Purpose.OWNER, passphrase="x").public_key == PUBLIC
