"""p2pfw.store.archive: a backup says what it holds, and nothing else is believed."""

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.errors import StoreError
from p2pfw.store import archive
from p2pfw.store.archive import Content, Manifest


def manifest(*files):
    """A manifest of these files."""
    return Manifest(made=1_700_000_000, version="0.1.0", store_id="00" * 16, database_format=1, files=files)


def packed(tmp_path, **contents):
    """A backup with these files."""
    paths = {}
    for name, content in contents.items():
        path = tmp_path / name.replace("_", ".")
        path.write_bytes(content)
        paths[path.name] = path
    made = manifest(*(archive.describe(path) for path in paths.values()))
    target = tmp_path / "backup.tar"
    with target.open("wb") as file:
        archive.write(file, made, paths)
    return target, made


def unpacked(path):
    """All contents, checked."""
    with archive.read(path) as reader:
        contents = {}
        for content in reader.manifest.files:
            target = io.BytesIO()
            reader.copy(content, target)
            contents[content.name] = target.getvalue()
        return contents


def test_files_come_out_as_they_went_in(tmp_path):
    """Bytes and names; an empty file too."""
    target, made = packed(tmp_path, p2pfw_db=b"database" * 1_000, node_key=b"secret", owner_key=b"")

    assert unpacked(target) == {"p2pfw.db": b"database" * 1_000, "node.key": b"secret", "owner.key": b""}
    with archive.read(target) as reader:
        assert reader.manifest == made


def test_an_administrator_can_look_inside(tmp_path):
    """Plain tar; sha256sum --check on the manifest's sum works; every entry is private."""
    target, _ = packed(tmp_path, p2pfw_db=b"database", node_key=b"secret")
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["MANIFEST.json", "MANIFEST.sha256", "p2pfw.db", "node.key"]
        assert {entry.mode for entry in tar.getmembers()} == {0o600}
        assert tar.extractfile("MANIFEST.sha256").read().endswith(b"  MANIFEST.json\n")


@given(st.data())
def test_flipped_byte_is_found_or_changes_nothing(tmp_path_factory, data):
    """Wherever it is: in a file, in the manifest, in a header."""
    tmp_path = tmp_path_factory.mktemp("flip")
    target, _ = packed(tmp_path, p2pfw_db=b"d" * 700, node_key=b"secret")
    content = bytearray(target.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    target.write_bytes(content)
    try:
        found = unpacked(target)
    except StoreError:
        return

    assert found == {"p2pfw.db": b"d" * 700, "node.key": b"secret"}


@given(st.integers(0, 100))
def test_backup_that_is_cut_short_is_no_backup(tmp_path_factory, percent):
    """As a full disk or a broken copy leaves it."""
    tmp_path = tmp_path_factory.mktemp("cut")
    target, _ = packed(tmp_path, p2pfw_db=b"d" * 5_000)
    # What follows the last file is padding.
    content = target.read_bytes()[: 512 * 5 + 5_000]
    target.write_bytes(content[: len(content) * percent // 101])

    with pytest.raises(StoreError, match="backup"):
        unpacked(target)


@given(st.binary(max_size=2_000))
def test_any_file_is_a_backup_or_an_error(tmp_path_factory, content):
    """Whatever somebody names."""
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(content)
    with pytest.raises(StoreError):
        unpacked(path)


@pytest.mark.parametrize(
    "name", ["../p2pfw.db", "/etc/passwd", "p2pfw.db-wal", "a/node.key", ".key", "node.key\n", "", "x" * 80 + ".key"]
)
def test_names_that_lead_elsewhere_cannot_be_in_a_manifest(name):
    """Flat, known names only: nothing is ever written outside the directory."""
    with pytest.raises(StoreError, match="holds no file named"):
        Content(name=name, size=0, sha256="")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_entry_that_is_no_plain_file_is_refused(tmp_path, kind):
    """A link in an archive is how archives write elsewhere."""
    text = manifest(Content(name="p2pfw.db", size=0, sha256="")).encode()
    target = tmp_path / "x.tar"
    with tarfile.open(target, "w") as tar:
        for name, content in (("MANIFEST.json", text), ("MANIFEST.sha256", _sum(text))):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        entry = tarfile.TarInfo("p2pfw.db")
        entry.type, entry.linkname = kind, "/etc/passwd"
        tar.addfile(entry)

    with pytest.raises(StoreError, match="not where it belongs"):
        unpacked(target)


def _sum(text):
    return hashlib.sha256(text).hexdigest().encode()


@pytest.mark.parametrize(
    "text, word",
    [
        (b"{}", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"not json", "cannot be read"),
        (b'{"format": 2}', "has format 2"),
        (b'{"format": 1, "files": 5}', "cannot be read"),
        (b"\xff", "cannot be read"),
    ],
)
def test_manifest_that_cannot_be_read_is_told(text, word):
    """A newer format is told apart from garbage."""
    with pytest.raises(StoreError, match=word):
        Manifest.decode(text)
