"""A real Docker Engine with a published port, and real packets to it from outside, hook by hook."""

import select
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from p2pfw.demo.lab import Host, Lab
from p2pfw.firewall.kernel import Kernel
from tests.kernel.engine import Engine, engine_or_skip
from tests.kernel.firewalls import Box, key, soon, until
from tests.netns import ARRIVAL_SECONDS, root_lab_or_skip

ATTACKER, PORT = "203.0.113.9", 8080
PUBLISHED = ("tcp 8080 to 172.30.0.2:80",)


@pytest.fixture(scope="module")
def roots() -> Iterator[Lab]:
    """A network whose root is the machine's own."""
    with root_lab_or_skip() as made:
        yield made


@pytest.fixture(scope="module")
def box(roots: Lab) -> Iterator[Box]:
    """The host of the engine."""
    folder = Path(tempfile.mkdtemp(prefix="dk"))
    (folder / "bin").mkdir()
    made = Box(roots.host("victim"), folder / "bin")
    made.choose("nft")
    roots.host("attacker", f"{ATTACKER}/32")
    roots.host("witness")
    yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def engine(box: Box) -> Iterator[Engine]:
    """Running, with a web server published."""
    made = engine_or_skip(box.host, box.folder.parent / "d", str(box.folder))
    try:
        made.start()
        made.publish(PORT)
        box.sh("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter")
        yield made
    finally:
        made.close()


@pytest.fixture
def attacked(roots: Lab, box: Box, engine: Engine) -> Iterator["Attacked"]:
    """The published port, as the attacker and somebody else see it; our rules go at the end."""
    made = Attacked(roots.hosts["attacker"], roots.hosts["witness"], box)
    until(made.serves)
    assert made.is_open()
    yield made
    for kernel in made.kernels:
        kernel.release()


class Attacked:
    """Connections to the published port."""

    def __init__(self, attacker: Host, witness: Host, box: Box) -> None:
        self._attacker, self._witness, self._box = attacker, witness, box
        self.kernels: list[Kernel] = []

    def blocked_by(self, *hooks: str) -> Kernel:
        """Block the attacker with these hooks."""
        kernel = self._box.kernel(hooks=hooks)
        kernel.start()
        kernel.allow(frozenset())
        kernel.replace({key(ATTACKER): soon()})
        kernel.enforce()
        self.kernels.append(kernel)
        return kernel

    def serves(self) -> bool:
        """True when somebody else gets an answer from the container."""
        with self._witness.socket(socket.AF_INET, socket.SOCK_STREAM) as good:
            good.settimeout(ARRIVAL_SECONDS)
            try:
                good.connect((self._box.host.address, PORT))
                good.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
                return good.recv(100).startswith(b"HTTP/1")
            except ConnectionError:
                return False

    def is_open(self) -> bool:
        """True when the attacker's first packet came through, by two whole exchanges of somebody else after it.

        Where the answer is still not there after these, it was dropped; that none comes late is seen at the end.
        """
        with self._attacker.socket(socket.AF_INET, socket.SOCK_STREAM) as bad:
            bad.setblocking(False)
            bad.connect_ex((self._box.host.address, PORT))
            assert self.serves()
            assert self.serves()
            return bool(select.select([], [bad], [], 0)[1])


@pytest.mark.parametrize(
    "hooks",
    [["raw/PREROUTING"], ["filter/DOCKER-USER"], ["filter/FORWARD"], ["filter/INPUT", "filter/DOCKER-USER"]],
    ids=" ".join,
)
def test_a_published_port_is_shut(attacked: Attacked, hooks: list[str]):
    """And nothing is reported as open."""
    kernel = attacked.blocked_by(*hooks)

    assert not attacked.is_open()
    assert kernel.survey().open_ports == ()


def test_input_alone_leaves_it_open_and_says_so(attacked: Attacked):
    """Redirected packets never come by INPUT: the survey, which the doctor prints, names the port."""
    kernel = attacked.blocked_by("filter/INPUT")

    assert kernel.check(1, 0).enforcing
    assert attacked.is_open()
    assert kernel.survey().open_ports == PUBLISHED


@pytest.mark.parametrize("hooks", [["raw/PREROUTING"], ["filter/DOCKER-USER"]], ids=" ".join)
def test_a_restart_of_the_engine_opens_nothing(attacked: Attacked, engine: Engine, hooks: list[str]):
    """Docker rewrites its chains when it starts; after the next look the rule stands first and drops again."""
    kernel = attacked.blocked_by(*hooks)
    engine.stop()
    engine.start()
    until(engine.runs)
    until(attacked.serves)
    kernel.check(1, 0)
    after = kernel.check(1, 0)

    assert after.repaired == ()
    assert not any("IPv4" in hook for hook in after.waiting)
    assert not attacked.is_open()


def test_the_rule_comes_with_the_chain_of_a_new_engine(attacked: Attacked, engine: Engine, box: Box):
    """All of the filter table gone, ours too: waited for, and there at the first look after the engine made it."""
    kernel = attacked.blocked_by("filter/DOCKER-USER")
    engine.stop()
    box.sh("for t in iptables ip6tables; do $t -w 5 -F; $t -w 5 -X; done")
    gone = kernel.check(1, 0)
    engine.start()
    until(engine.runs)
    until(attacked.serves)
    kernel.check(1, 0)

    assert "filter/DOCKER-USER (IPv4)" in gone.waiting
    assert box.sh("iptables -w 5 -S DOCKER-USER").splitlines()[1].count("p2pfw:p2pfw") == 1
    assert not attacked.is_open()
