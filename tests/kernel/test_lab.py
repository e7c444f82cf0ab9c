"""The lab does what the tests that stand on it believe: real hosts, real packets, its own firewall, and no trace."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from p2pfw.demo import namespaces
from p2pfw.demo.lab import Lab
from p2pfw.demo.namespaces import LabError
from p2pfw.errors import MissingProgramError
from tests.netns import ARRIVAL_SECONDS, Probe, lab_or_skip

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534


def test_hosts_reach_one_another(lab: Lab):
    """Two hosts with default addresses exchange datagrams over IPv4 and IPv6."""
    victim, friend = lab.host("victim"), lab.host("friend")

    with Probe(victim, friend) as probe:
        assert probe.arrives(friend, friend.address)
        assert probe.arrives(friend, friend.address6)


def test_any_address_is_reachable(lab: Lab):
    """A host in no common subnet talks to the others and gets answers: an attacker may have any address."""
    victim, attacker = lab.host("victim"), lab.host("attacker", "203.0.113.9/32", "2001:db8:bad::9/128")
    listener = victim.socket(socket.AF_INET, socket.SOCK_STREAM)
    client = attacker.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener, client:
        listener.bind((victim.address, 80))
        listener.listen()
        client.settimeout(ARRIVAL_SECONDS)
        client.connect((victim.address, 80))
        connection, (address, _) = listener.accept()
        connection.close()

    assert address == "203.0.113.9"


def test_many_addresses_are_added_at_once(lab: Lab):
    """A host may speak from hundreds of addresses; each of them arrives as itself."""
    victim, attacker = lab.host("victim"), lab.host("attacker", "203.0.113.1/32")
    attacker.add_addresses([f"198.51.{net}.{last}/32" for net in range(4) for last in range(1, 101)])

    with Probe(victim, attacker) as probe:
        assert probe.arrives(attacker, "198.51.0.1")
        assert probe.arrives(attacker, "198.51.3.100")


def test_a_drop_on_one_host_holds_there_and_nowhere_else(lab: Lab):
    """An ipset behind one DROP rule drops the listed source on that host only, and changes no other firewall."""
    victim, other, attacker = lab.host("victim"), lab.host("other"), lab.host("attacker", "203.0.113.9/32")
    with Probe(victim, other) as at_victim, Probe(other, victim) as at_other:
        assert at_victim.arrives(attacker)
        victim.run(["ipset", "restore"], text="create blocked hash:net timeout 600\nadd blocked 203.0.113.0/24\n")
        match = ["-m", "set", "--match-set", "blocked", "src"]
        victim.run(["iptables", "-w", "5", "-t", "raw", "-I", "PREROUTING", *match, "-j", "DROP"])

        assert not at_victim.arrives(attacker)
        assert at_victim.arrives(other)
        assert at_other.arrives(attacker)
    assert other.run(["ipset", "list", "-n"]).stdout == ""
    assert "DROP" not in other.run(["iptables", "-t", "raw", "-S"]).stdout


def test_the_machine_is_left_alone(lab: Lab):
    """No host shares the network namespace or the /run of whoever made the lab, and root outside is not root inside."""
    host = lab.host("host")
    marker = Path("/run") / host.run(["sh", "-c", "touch /run/only-here && echo only-here"]).stdout.strip()

    assert host.namespace.net_id != os.readlink("/proc/self/ns/net")
    assert not marker.exists()
    assert lab.root_is_private


def test_each_host_has_its_own_run_folder(lab: Lab):
    """Programs with a fixed path in /run do not meet across hosts."""
    one, other = lab.host("one"), lab.host("other")
    one.run(["touch", "/run/here"])

    assert one.run(["ls", "/run"]).stdout.split() == ["here"]
    assert other.run(["ls", "/run"]).stdout.split() == []


def test_a_cut_cable_is_silence_and_mends(lab: Lab):
    """A cut host loses packets without an error on either side; a mended one gets them again."""
    victim, friend, witness = lab.host("victim"), lab.host("friend"), lab.host("witness")
    with Probe(victim, witness) as probe:
        assert probe.arrives(friend)
        friend.cut()
        assert not probe.arrives(friend)
        friend.mend()
        assert probe.arrives(friend)


def test_a_started_program_is_itself(lab: Lab):
    """The pid is the program's own: a signal to it is its end, and its exit status is told."""
    host = lab.host("host")
    program = host.popen(["sleep", "1000"])
    os.kill(program.pid, signal.SIGKILL)

    assert program.wait(ARRIVAL_SECONDS) == -signal.SIGKILL
    assert host.popen(["sh", "-c", "exit 7"]).wait(ARRIVAL_SECONDS) == 7


def test_programs_run_where_the_caller_is(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Working directory and given variables reach the program; standard input is what was given."""
    monkeypatch.chdir(tmp_path)
    host = lab.host("host")

    assert host.run(["pwd"]).stdout.strip() == str(tmp_path)
    assert host.run(["sh", "-c", "echo $COLOUR"], env={"COLOUR": "blue"}).stdout == "blue\n"
    assert host.run(["cat"], text="said").stdout == "said"


def test_a_failing_program_is_quoted(lab: Lab):
    """What a failing program said is in the error, and `check=False` leaves the judgement to the caller."""
    with pytest.raises(LabError, match="exit status 3: sorry"):
        lab.run(["sh", "-c", "echo sorry >&2; exit 3"])

    assert lab.host("host").run(["sh", "-c", "exit 3"], check=False).returncode == 3


def test_a_host_name_is_used_once(lab: Lab):
    """Two hosts of one name would be one mistake."""
    lab.host("host")

    with pytest.raises(LabError, match="already"):
        lab.host("host")


def test_closing_ends_everything_inside_and_nothing_else():
    """Daemons that left their session and ignore SIGTERM end too; a process outside with the same program goes on."""
    outside = subprocess.Popen(["sleep", "1000"])
    try:
        lab = lab_or_skip()
        host = lab.host("host")
        stubborn = host.popen(
            ["sh", "-c", "trap '' TERM; setsid sleep 1001 >/dev/null & echo up; while :; do wait; done"],
            stdout=subprocess.PIPE,
        )
        with stubborn:
            assert stubborn.stdout.readline() == b"up\n"
            inside = lab.processes()
            lab.close()

        assert stubborn.returncode == -signal.SIGKILL
        assert stubborn.pid in inside
        assert [pid for pid in inside if _runs(pid)] == []
        assert outside.poll() is None
        lab.close()
    finally:
        outside.kill()
        outside.wait()


def test_a_killed_user_leaves_nothing_running():
    """SIGKILL for the process that made a lab ends the holders and the programs: nobody has to tidy up."""
    script = (
        "from p2pfw.demo.lab import Lab\n"
        "lab = Lab(); host = lab.host('host'); program = host.popen(['sleep', '1000'])\n"
        "print(lab._root.holder.pid, host.namespace.holder.pid, program.pid, flush=True)\n"
        "input()\n"
    )
    lab_or_skip().close()
    user = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with user:
        handles = [os.pidfd_open(int(pid)) for pid in user.stdout.readline().split()]
        user.kill()

    assert len(handles) == 3
    for handle in handles:
        assert _ended(handle)
        os.close(handle)


def test_an_unprivileged_user_gets_a_lab():
    """Without root the same lab comes up, with packets and a firewall of its own."""
    script = (
        "import os, socket\n"
        "from p2pfw.demo.lab import Lab\n"
        "assert os.geteuid() != 0\n"
        "with Lab() as lab:\n"
        "    victim, friend = lab.host('victim'), lab.host('friend')\n"
        "    receiver = victim.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    receiver.settimeout(20); receiver.bind((victim.address, 7000))\n"
        "    friend.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hello', (victim.address, 7000))\n"
        "    print(receiver.recv(10))\n"
        "    victim.run(['ipset', 'create', 'mine', 'hash:net'])\n"
        "    victim.run(['iptables', '-t', 'raw', '-I', 'PREROUTING', '-m', 'set', '--match-set', 'mine', 'src',"
        " '-j', 'DROP'])\n"
        "    print(victim.run(['iptables', '-t', 'raw', '-S']).stdout)\n"
    )
    lab_or_skip().close()
    with tempfile.TemporaryDirectory() as folder:
        said = _as_nobody(script, Path(folder))

    assert "b'hello'" in said.stdout, said.stderr
    assert "--match-set mine src -j DROP" in said.stdout


def test_root_does_without_user_namespaces(lab: Lab):
    """Where the system refuses user namespaces, root gets plain ones: as private, though with root's own rights."""
    lab_root = (
        "from p2pfw.demo.lab import Lab\nwith Lab() as lab:\n    lab.host('host')\n    print(lab.root_is_private)\n"
    )
    lab.run(["sh", "-c", "echo 0 > /proc/sys/user/max_user_namespaces"])

    assert lab.run([sys.executable, "-c", lab_root]).stdout == "False\n"


def test_a_refusal_says_what_helps(programs: Path, monkeypatch: pytest.MonkeyPatch):
    """An unprivileged user whom the system refuses namespaces reads why, and that sudo would do."""
    _program(programs, "unshare", "echo 'unshare: Operation not permitted' >&2; exit 1")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(LabError, match=r"refused here: unshare: Operation not permitted\. Use sudo"):
        Lab()


@pytest.mark.parametrize(
    "switch, value, remedy",
    [
        ("apparmor_restrict_unprivileged_userns", "1", "sysctl kernel.apparmor_restrict_unprivileged_userns=0"),
        ("unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
        ("unprivileged_userns_clone", "1", "Use sudo$"),
    ],
)
def test_the_switch_that_refuses_is_named(tmp_path: Path, switch: str, value: str, remedy: str):
    """Ubuntu and Debian have a switch each; the one that stands wrong is named with its right value."""
    (tmp_path / "kernel").mkdir()
    (tmp_path / "kernel" / switch).write_text(value + "\n")

    assert re.search(remedy, namespaces.remedy(tmp_path))


def test_a_lab_that_fails_half_way_leaves_nothing(programs: Path):
    """A bridge that cannot be made (no module, say) is an error that quotes why, and the holder is gone."""
    _program(programs, "ip", "echo 'Error: Unknown device type.' >&2; exit 2")
    before = _children()

    with pytest.raises(LabError, match="Unknown device type"):
        Lab()
    assert _children() == before


def test_a_program_outlives_the_thread_that_started_it(lab: Lab):
    """Only the death of the whole process ends a program, not that of a passing thread."""
    host, started = lab.host("host"), []
    thread = threading.Thread(target=lambda: started.append(host.popen(["cat"], stdin=subprocess.PIPE)))
    thread.start()
    thread.join()
    (program,) = started
    program.communicate(b"still here", timeout=ARRIVAL_SECONDS)

    assert program.returncode == 0


@pytest.mark.parametrize("program, package", [("unshare", "util-linux"), ("ip", "iproute2")])
def test_a_missing_program_names_its_package(
    programs: Path, monkeypatch: pytest.MonkeyPatch, program: str, package: str
):
    """A machine without one of the programs is told the Debian package."""
    (programs / program).unlink(missing_ok=True)
    monkeypatch.setattr(namespaces, "SYSTEM_PATH", str(programs))
    monkeypatch.setenv("PATH", "")

    with pytest.raises(MissingProgramError, match=f"{program} is not installed; Debian package: {package}"):
        Lab()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder at the head of PATH with links to the real programs, to replace one with another."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("unshare", "nsenter", "setpriv", "ip", "sh"):
        found = shutil.which(name, path=namespaces.search_path(os.environ))
        if found is None:
            pytest.skip(f"no {name} on this machine")
        (folder / name).symlink_to(found)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).unlink()
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def _children() -> set[str]:
    """Running children of this process."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def _as_nobody(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script as an unprivileged user, with a copy of what it imports in a place that everybody may read."""
    folder.chmod(0o755)
    for name in ("__init__.py", "errors.py", "demo"):
        source, target = REPOSITORY / "p2pfw" / name, folder / "p2pfw" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    other = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [_python_for_all(other), "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **other,
    )


def _python_for_all(other: dict[str, object]) -> str:
    """An interpreter that this user may start; a private one (in root's home) is of no use to others."""
    enough = (
        "import sys, subprocess; sys.exit(subprocess.call([sys.executable, '-c', '']) or sys.version_info < (3, 11))"
    )
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            if (
                subprocess.run([python, "-c", enough], cwd="/", capture_output=True, check=False, **other).returncode
                == 0
            ):
                return python
        except OSError:
            continue
    pytest.skip("no Python ≥ 3.11 here that an unprivileged user may start")


def _runs(pid: int) -> bool:
    """True for a process that runs; one that ended and waits to be collected by init does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _ended(handle: int) -> bool:
    """True once the process behind a pidfd has ended (a pidfd becomes readable then)."""
    readable, _, _ = select.select([handle], [], [], ARRIVAL_SECONDS)
    return bool(readable)
