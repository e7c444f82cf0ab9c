"""Programs that fail, hang or lie, no rights, and kill -9: nothing lost, state told, and back when it can be."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from p2pfw.core.prefix import v4_key
from p2pfw.demo.lab import Lab
from p2pfw.errors import FirewallError, PrivilegeError
from p2pfw.firewall import ipset
from p2pfw.firewall.kernel import Kernel
from tests.kernel import firewall_driver
from tests.kernel.firewalls import Box, key, soon, until

OLD = {v4_key((30 << 24) + at, 32): soon() for at in range(2_000)}
NEW = {v4_key((31 << 24) + at, 32): soon() for at in range(2_000)}


@pytest.fixture
def box(lab: Lab, tmp_path: Path) -> Box:
    """The protected host."""
    return Box(lab.host("victim"), tmp_path)


@pytest.fixture
def kernel(box: Box) -> Kernel:
    """Enforcing OLD."""
    made = box.kernel()
    made.start()
    made.allow(frozenset({key("10.0.0.0/8")}))
    made.replace(OLD)
    made.enforce()
    return made


@pytest.mark.parametrize("lines", [0, 1, 2, 700, 2_001, 2_002, 2_003, 2_004])
def test_an_ipset_that_fails_half_way_leaves_whole_sets(box: Box, kernel: Kernel, lines: int):
    """Its input cut after any number of lines, exit code 1: old or new, an error, and all well once it works again."""
    box.replace_program("ipset", f'[ "$1" = restore ] || exec $REAL "$@"\nhead -n {lines} | $REAL "$@"; exit 1')
    broken = box.kernel()
    with pytest.raises(FirewallError, match="ipset restore -exist: exit code 1"):
        broken.replace(NEW)
    box.restore_program("ipset")

    assert kernel.membership().keys() in (OLD.keys(), NEW.keys())
    assert kernel.check(len(OLD), 0).enforcing
    kernel.replace(NEW)
    assert kernel.membership().keys() == NEW.keys()
    assert not [name for name in box.sets() if name.endswith("-new")]


def test_an_ipset_that_hangs_is_given_up(box: Box, kernel: Kernel, monkeypatch: pytest.MonkeyPatch):
    """Nothing waits for ever; the next try works."""
    monkeypatch.setattr(ipset, "_BASE_SECONDS", 1.0)
    box.replace_program("ipset", '[ "$1" = restore ] || exec $REAL "$@"\nexec sleep 600')
    hanging = box.kernel()
    with pytest.raises(FirewallError, match=r"ipset restore -exist: no end after"):
        hanging.replace({key("9.9.9.9"): soon()})
    box.restore_program("ipset")
    kernel.replace({key("9.9.9.9"): soon()})

    assert kernel.membership().keys() == {key("9.9.9.9")}


@pytest.mark.parametrize("program", ["ipset", "iptables-save", "ip6tables-save"])
def test_a_program_that_prints_garbage_changes_nothing(box: Box, kernel: Kernel, program: str):
    """Exit code 0 and noise: an error, not an empty kernel to be filled."""
    rules = box.rules()
    box.replace_program(program, "head -c 3000 /dev/urandom")
    garbled = box.kernel()
    look = garbled.membership if program == "ipset" else lambda: garbled.check(len(OLD), 0)
    with pytest.raises(FirewallError, match="printed what it never prints"):
        look()
    box.restore_program(program)

    assert box.rules() == rules
    assert kernel.membership().keys() == OLD.keys()


def test_an_iptables_that_fails_is_told_until_it_works(box: Box, kernel: Kernel):
    """The rule is gone and cannot be put back: every check says so, and the first one that can heals."""
    box.replace_program("iptables-restore", "echo 'iptables-restore: no memory' >&2; exit 1")
    box.sh("iptables -w 5 -t raw -F")
    failing = box.kernel()
    failing.allow(frozenset({key("10.0.0.0/8")}))
    for _ in range(2):
        with pytest.raises(FirewallError, match="no memory"):
            failing.enforce()
    box.restore_program("iptables-restore")

    assert kernel.check(len(OLD), 0).repaired == ("rule missing in raw/PREROUTING (IPv4)",)
    assert kernel.check(len(OLD), 0).enforcing


def test_a_held_lock_is_waited_for_and_told(box: Box, kernel: Kernel):
    """The legacy variant's lock, held for longer than the wait: an error; healed when it is free."""
    box.choose("legacy")
    slow = box.kernel()
    slow.start()
    slow.allow(frozenset())
    with box.host.popen(["flock", "/run/xtables.lock", "cat"], stdin=subprocess.PIPE) as holder:
        until(lambda: "0" not in box.sh("flock -n /run/xtables.lock true && echo 0 || true"))
        with pytest.raises(FirewallError, match=r"ip6?tables-restore -w 5 --noflush: exit code 4"):
            slow.enforce()
        holder.stdin.close()
    slow.enforce()

    assert slow.check(len(OLD), 0).enforcing


def test_without_rights_it_says_which(box: Box):
    """No capability: an error that names them; nothing is touched."""
    box.without_rights = True
    with pytest.raises(PrivilegeError, match="CAP_NET_ADMIN and CAP_NET_RAW"):
        box.kernel().start()

    assert box.sets() == []


def test_a_full_set_grows(box: Box):
    """Found too small (made for less): a bigger one is swapped in, entries and ends kept."""
    small = box.kernel(room=100)
    small.allow(frozenset())
    small.replace({v4_key((30 << 24) + at, 32): soon() for at in range(100)})
    short = small.apply({key("9.9.9.9"): soon()}, [])
    grown = box.kernel(room=5_000)
    grown.apply({v4_key((31 << 24) + at, 32): soon() for at in range(2_000)}, [])
    held = grown.membership()

    assert short.no_room == {key("9.9.9.9")}
    assert len(held) == 2_100
    assert all(abs(end - soon()) < 60 for end in held.values())


def test_the_best_are_kept_in_a_full_set(box: Box):
    """Real "Hash is full" never happens: what does not fit is not sent."""
    kernel = box.kernel(room=1_000)
    kernel.allow(frozenset())
    kernel.replace(OLD)
    kernel.enforce()
    kernel.apply(dict(list(NEW.items())[:5]) | dict(list(OLD.items())[:5]), list(OLD)[5:8])
    report = kernel.check(len(OLD), 0)

    assert kernel.membership().keys() == {*list(OLD)[:5], *list(OLD)[8:1_000], *list(NEW)[:3]}
    assert (report.entries4, report.enforcing) == (1_000, True)


@pytest.mark.slow
def test_kill_9_leaves_the_old_set_or_the_new_one_whole(lab: Lab, box: Box):
    """At 20 random instants of endless replacing; then a start cleans, and finds rule and sets in place."""
    whole = [frozenset(firewall_driver.batch(number)) for number in (0, 1)]
    found = set()
    left_over = 0
    for _ in range(20):
        with box.host.popen([sys.executable, "-m", "tests.kernel.firewall_driver"], stdout=subprocess.PIPE) as driver:
            assert driver.stdout.readline() == b"going\n"
            time.sleep(random.uniform(0, 0.1))
            driver.kill()
        until(lambda: not lab.processes())
        left_over += any(name.endswith("-new") for name in box.sets())
        kernel = box.kernel(room=9_999)
        kernel.start()
        held = frozenset(kernel.membership())
        assert held in whole
        found.add(whole.index(held))
        assert kernel.check(firewall_driver.ENTRIES, 0).enforcing
        assert box.sets() == ["p2pfw-allow4", "p2pfw-allow6", "p2pfw-block4", "p2pfw-block6"]

    assert left_over, "no kill came while a set was being filled: the test proved nothing"


def test_a_load_beside_bare_ipset(box: Box, capsys: pytest.CaptureFixture[str]):
    """100,000 entries through us and through `ipset restore` of a file: printed, no limit on this machine's mood."""
    rng = random.Random(1)
    entries = {v4_key(rng.getrandbits(32), 32): soon() for _ in range(100_000)}
    lines = "".join(
        f"add bare {a >> 24}.{a >> 16 & 255}.{a >> 8 & 255}.{a & 255} timeout 3600\n" for a in (k >> 8 for k in entries)
    )
    (box.folder / "bare").write_text(
        "create bare hash:net family inet hashsize 65536 maxelem 1048576 timeout 0 counters\n" + lines
    )
    kernel = box.kernel()
    kernel.allow(frozenset())
    ours, bare = [], []
    for _ in range(3):
        started = time.perf_counter()
        kernel.replace(entries)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        box.host.run(["ipset", "restore", "-file", str(box.folder / "bare")])
        bare.append(time.perf_counter() - started)
        box.sh("ipset destroy bare")
    with capsys.disabled():
        sys.stdout.write(f"\n100,000 entries: ours {min(ours):.2f} s, bare ipset restore {min(bare):.2f} s\n")

    assert kernel.membership().keys() == entries.keys()
