"""A fake node on a socket, and the command line in this process."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from p2pfw.cli.app import run
from tests.cli.fake_node import FakeNode
from tests.cli.samples import NOW


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


P2pfw = Callable[..., Done]


@pytest.fixture
def node(socket_dir: Path) -> Iterator[FakeNode]:
    """A node that answers what the test says."""
    with FakeNode(socket_dir / "api.sock") as fake:
        yield fake


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> P2pfw:
    """The command line, with no node to talk to unless flags name one."""
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    for name in ("P2PFW_CONFIG", "SSH_CONNECTION", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)

    def call(*argv: str, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfd.readouterr()
        code = run(list(argv))
        captured = capfd.readouterr()
        return Done(code, captured.out, captured.err)

    return call


@pytest.fixture
def p2pfw(node: FakeNode, offline: P2pfw) -> P2pfw:
    """The command line, talking to the fake node."""

    def call(*argv: str, stdin: bytes = b"") -> Done:
        return offline("--socket", str(node.path), *argv, stdin=stdin)

    return call
