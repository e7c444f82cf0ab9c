"""p2pfw.store.directory: the state directory is private, or it is not used."""

import os

import pytest

from p2pfw.errors import StoreError
from p2pfw.store import directory


def test_missing_directory_is_made_private(tmp_path):
    """0700 whatever the umask, with what leads to it."""
    state = tmp_path / "var" / "lib" / "p2pfw"
    before = os.umask(0)
    try:
        directory.prepare(state)
    finally:
        os.umask(before)

    assert state.stat().st_mode & 0o777 == 0o700


def test_private_directory_is_used_as_it_is(tmp_path):
    """Preparing twice changes nothing."""
    state = tmp_path / "state"
    directory.prepare(state)
    (state / "node.key").write_text("x")
    directory.prepare(state)

    assert (state / "node.key").read_text() == "x"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o777])
def test_directory_that_others_can_enter_is_refused_with_the_command_that_helps(tmp_path, mode):
    """A wrong mode is reported, never repaired silently."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)

    with pytest.raises(StoreError, match="chmod 700"):
        directory.prepare(state)
    assert state.stat().st_mode & 0o777 == mode


def test_file_in_place_of_the_directory_is_refused(tmp_path):
    """Said as what it is."""
    (tmp_path / "state").write_text("")

    with pytest.raises(StoreError, match="not a directory"):
        directory.prepare(tmp_path / "state")


def test_directory_that_cannot_be_made_is_an_error_of_the_store(tmp_path):
    """The text names the directory and the reason."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match=r"cannot make the state directory .*(Not a directory|File exists)"):
        directory.prepare(tmp_path / "file" / "state")


def test_directory_of_another_user_is_refused_for_a_user(tmp_path, monkeypatch):
    """Root may look after the node's directory; a user may not use somebody else's."""
    state = tmp_path / "state"
    directory.prepare(state)
    owner = state.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(StoreError, match="belongs to user"):
        directory.prepare(state)


def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path, monkeypatch):
    """`sudo p2pfw restore` must not leave files that the node's own user cannot read."""
    given = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid, follow_symlinks: given.append((path, uid, gid)))
    found = tmp_path.stat()
    directory.own_like(tmp_path / "new", tmp_path)

    assert given == [(tmp_path / "new", found.st_uid, found.st_gid)]
