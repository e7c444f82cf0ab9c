"""Node and enforcer as the users of their units: no root, the rights and the system calls that the units leave them.

Nobody here runs systemd; setpriv gives each process what its unit says, and strace answers EPERM to every system call
that the units' filters refuse, so that one which is needed after all is found here and not on a server.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from p2pfw.cli.service import ENFORCER_UNIT, UNIT, unit_files
from p2pfw.host.capabilities import FIREWALL, mask
from p2pfw.local.credentials import GROUP
from tests.e2e.fleet import until
from tests.netns import Probe, root_lab_or_skip

NODE, ENFORCER, GROUP_ID = 64_001, 64_002, 64_000
BAD = "203.0.113.9"
MACHINE = f"""
mount -t tmpfs -o mode=755 none /run
mkdir -m 750 /run/p2pfw /run/p2pfw-enforcer
mkdir -m 700 /run/state
chown {NODE}:{GROUP_ID} /run/p2pfw /run/state
chown {ENFORCER}:{GROUP_ID} /run/p2pfw-enforcer
for name in passwd group; do cp /etc/$name /run/$name; done
echo 'p2pfw:x:{NODE}:{GROUP_ID}::/:/bin/false' >> /run/passwd
echo 'p2pfw-enforcer:x:{ENFORCER}:{GROUP_ID}::/:/bin/false' >> /run/passwd
echo '{GROUP}:x:{GROUP_ID}:' >> /run/group
for name in passwd group; do mount --bind /run/$name /etc/$name; done
"""
# An interpreter below a home directory that others cannot enter is shown to these users there, read only.
READABLE = """
mkdir -p /run/shown && mount --bind "$1" /run/shown
mount -t tmpfs -o mode=755 none "$2"
mkdir -p "$1" && mount --move /run/shown "$1"
"""


@pytest.fixture
def lab():
    """Two hosts; the first is the server."""
    with root_lab_or_skip() as made:
        yield made


@pytest.fixture
def server(lab):
    """A machine with both users and their directories."""
    host = lab.host("server")
    host.run(["sh", "-ec", MACHINE])
    prefix = Path(sys.base_prefix).resolve()
    for folder in reversed(prefix.parents):
        if not folder.stat().st_mode & 0o001:
            host.run(["sh", "-ec", READABLE, "sh", str(prefix), str(folder)])
            break
    return host


def filtered():
    """What the units' filters refuse, by system call."""
    listed = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True
    ).stdout
    sets = dict(re.findall(r"^(@\S+)\n((?:    .*\n?)+)", listed, re.MULTILINE))

    def calls(name):
        for word in (line.strip() for line in sets[name].splitlines()):
            if word.startswith("@"):
                yield from calls(word)
            elif word and not word.startswith("#"):
                yield word

    refused = re.findall(r"^SystemCallFilter=~(.*)$", unit_files("p2pfw")[UNIT], re.MULTILINE)
    assert refused == re.findall(r"^SystemCallFilter=~(.*)$", unit_files("p2pfw")[ENFORCER_UNIT], re.MULTILINE)
    return sorted({call for name in refused[0].split() for call in calls(name)})


def as_user(user, capabilities, log):
    """A command prefix: this user, these rights, and the filter."""
    kept = "".join(f",+{one.name.lower()}" for one in sorted(capabilities))
    calls = ",".join(f"?{call}" for call in filtered())
    return [
        *("setpriv", "--reuid", str(user), "--regid", str(GROUP_ID), "--clear-groups", "--no-new-privs"),
        *(f"--inh-caps=-all{kept}", f"--ambient-caps=-all{kept}", f"--bounding-set=-all{kept}"),
        *("strace", "-f", "-qq", "-o", log, "-e", f"trace={calls}", "-e", f"inject={calls}:error=EPERM"),
    ]


def sets_of(process):
    """(user, effective, bounding) of the p2pfw below a strace."""
    facts = dict(
        line.split(":\t") for line in Path(f"/proc/{traced(process)}/status").read_text().splitlines() if ":\t" in line
    )
    return int(facts["Uid"].split()[0]), int(facts["CapEff"], 16), int(facts["CapBnd"], 16)


def test_both_run_as_their_users_and_a_block_is_dropped(lab, server):
    """No right but the enforcer's two, none of the calls that are filtered, and real packets stop."""
    attacker, witness = lab.host("attacker", f"{BAD}/32"), lab.host("witness")
    config = "/run/p2pfw.toml"
    text = '[node]\nstate_dir = "/run/state"\n[api]\nhttp = ""\n[enforcer]\nmode = "enforce"\n'
    text = text.replace("[api]", '[api]\nsocket = "/run/p2pfw/api.sock"')
    program = [sys.executable, "-m", "p2pfw", "-c", config]
    server.run(["sh", "-ec", 'cat > "$1"; chmod 644 "$1"', "sh", config], text=text)
    as_node = as_user(NODE, [], "/run/state/strace")
    server.run([*as_node, *program, "init"])
    with contextlib.ExitStack() as stack:
        at = "/run/p2pfw-enforcer"
        enforcer = server.popen(
            [*as_user(ENFORCER, FIREWALL, f"{at}/strace"), *program, "enforcer", "--listen", f"{at}/enforcer.sock"]
        )
        stack.callback(ended, enforcer)
        environment = {"PATH": "/usr/bin:/bin", "P2PFW_ENFORCER__SOCKET": f"{at}/enforcer.sock"}
        node = server.popen([*as_node, *program, "run"], env=environment)
        stack.callback(ended, node)
        asking = [sys.executable, "-m", "p2pfw", "--json", "-c", config]
        until(lambda: '"enforcing":true' in server.run([*asking, "status"], check=False).stdout.replace(" ", ""))
        probe = stack.enter_context(Probe(server, witness))
        assert probe.arrives(attacker, BAD)
        server.run([*program, "block", BAD])

        until(lambda: not probe.arrives(attacker, BAD))
        assert sets_of(enforcer) == (ENFORCER, mask(FIREWALL), mask(FIREWALL))
        assert sets_of(node) == (NODE, 0, 0)
    for log in ("/run/p2pfw-enforcer/strace", "/run/state/strace"):
        assert refused_in(server.run(["cat", log]).stdout) <= {"chown"}


MEMBER, FOREIGN = 64_003, 64_004


def as_somebody(user, *groups):
    """A command prefix: this user, in these groups only, without a right."""
    many = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return ["setpriv", "--reuid", str(user), "--regid", str(user), *many, "--inh-caps=-all", "--bounding-set=-all"]


def test_only_root_the_node_and_its_group_command_it(server):
    """By the socket's mode; and where somebody loosened that, by who the kernel says is at the other end."""
    config, socket = "/run/p2pfw.toml", "/run/p2pfw/api.sock"
    text = f'[node]\nstate_dir = "/run/state"\n[api]\nhttp = ""\nsocket = "{socket}"\n[enforcer]\nbackend = "dryrun"\n'
    server.run(["sh", "-ec", 'cat > "$1"; chmod 644 "$1"', "sh", config], text=text)
    program = [sys.executable, "-m", "p2pfw", "-c", config]
    as_node = as_somebody(NODE, GROUP_ID)
    server.run([*as_node, *program, "init"])
    node = server.popen([*as_node, *program, "run"])

    def told(who, *words):
        return server.run([*who, *program, *words], check=False)

    try:
        until(lambda: told(as_node, "status").returncode == 0)
        assert server.run(["stat", "-c", "%a %u %g", socket]).stdout.split() == ["660", str(NODE), str(GROUP_ID)]
        for who in ([], as_node, as_somebody(MEMBER, GROUP_ID)):
            assert told(who, "block", BAD).returncode == 0
        shut = told(as_somebody(FOREIGN), "block", BAD)
        server.run(["chmod", "777", "/run/p2pfw", socket])
        refused = [told(as_somebody(FOREIGN), *words) for words in (["block", BAD], ["status"], ["token", "list"])]

        assert (shut.returncode, "group p2pfw" in shut.stderr) == (5, True)
        assert [one.returncode for one in refused] == [5, 5, 5]
        assert "this user may not use the node's socket" in refused[0].stderr
    finally:
        node.terminate()
        node.wait(30)


def refused_in(text):
    """The calls that the filter answered."""
    return set(re.findall(r"\b(\w+)\([^\n]*\(INJECTED\)", text))


def traced(process):
    """The process below a strace."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def ended(process):
    """End what a strace runs; it follows. The strace itself hears no signal."""
    os.kill(traced(process), signal.SIGTERM)
    process.wait(30)
