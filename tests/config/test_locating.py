"""p2pfw.config.locating: the socket, fast, with the same answer as loading everything."""

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import p2pfw.config
from p2pfw.config import load, socket_path
from p2pfw.errors import ConfigError
from tests.config.files import place

lines = st.sampled_from(
    [
        "[api]",
        "[node]",
        "[api.rfw]",
        'socket = "/a/x.sock"',
        'socket = "b.sock"',
        'socket = "~/c.sock"',
        'state_dir = "d"',
        'state_dir = "/e"',
        'name = "x"',
        'api.socket = "f"',
        "[[",
        "socket = 5",
    ]
)
texts = st.lists(lines, max_size=6).map("\n".join)
variables = st.dictionaries(
    st.sampled_from(["P2PFW_API__SOCKET", "P2PFW_NODE__STATE_DIR", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"]),
    st.sampled_from(["/var/x", "rel/y", "~/z"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(texts, texts, variables, st.booleans())
def test_socket_is_the_one_that_loading_gives(tmp_path, main, drop_in, environment, root):
    """Files, drop-ins, environment, defaults of root and of a user: never another answer than the node's."""
    (tmp_path / "conf.d").mkdir(exist_ok=True)
    (tmp_path / "main.toml").write_text(main)
    (tmp_path / "conf.d" / "a.toml").write_text(drop_in)
    here = place(tmp_path, root=root, **environment)
    found = socket_path(tmp_path / "main.toml", here)
    try:
        expected = load(tmp_path / "main.toml", place=here).api.socket
    except ConfigError:
        return

    assert found == expected


@pytest.mark.parametrize("content", [b"not toml [", b"\xff", b"[" * 5_000, b"api = 5", b"[api]\nsocket = 5"])
def test_broken_configuration_is_no_reason_not_to_ask_the_node(tmp_path, content):
    """`p2pfw status` has to say what is wrong; it needs the socket for that."""
    (tmp_path / "main.toml").write_bytes(content)

    assert str(socket_path(tmp_path / "main.toml", place(tmp_path))) == "/run/p2pfw/api.sock"
    assert str(socket_path(tmp_path / "missing.toml", place(tmp_path))) == "/run/p2pfw/api.sock"


def imported_by(code):
    """The modules that a fresh process has after this code. Without coverage, which brings modules of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    command = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split())


def test_asking_for_the_socket_imports_next_to_nothing():
    """Client commands are called in storms: no model, no database, no web server, no cryptography."""
    modules = imported_by("from p2pfw.config import socket_path; socket_path()")

    assert not modules & {"aiohttp", "asyncio", "sqlite3", "nacl", "msgspec", "p2pfw.config.model", "p2pfw.core.prefix"}
    assert "p2pfw.config.locating" in modules


def test_loading_imports_no_server_and_no_database():
    """The whole configuration is pure reading."""
    modules = imported_by("from p2pfw.config import load, effective")

    assert "p2pfw.config.loading" in modules
    assert not modules & {"aiohttp", "asyncio", "sqlite3", "nacl", "difflib", "subprocess"}


def test_every_public_name_can_be_imported():
    """The package imports its names when they are asked for; each must be there."""
    for name in p2pfw.config.__all__:
        assert getattr(p2pfw.config, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = p2pfw.config.nonsense
