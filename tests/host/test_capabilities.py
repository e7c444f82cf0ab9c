"""What a process may do of what root may, and giving it up: seen on real processes, and in what they start."""

import subprocess
import sys

import pytest

from p2pfw.host.capabilities import FIREWALL, Capability, effective, has, mask
from tests.netns import lab_or_skip

TELL = "grep -E '^(CapEff|CapPrm|CapInh|CapBnd|NoNewPrivs)' /proc/self/status | cut -f2"
SCRIPT = f"""
import subprocess
from p2pfw.host.capabilities import Capability, keep_only
keep_only([Capability(number) for number in %r])
print(subprocess.run(["sh", "-c", {TELL!r}], capture_output=True, text=True, check=True).stdout)
"""


@pytest.fixture(scope="module")
def host():
    """Where this process has every capability, whoever runs the tests."""
    with lab_or_skip() as lab:
        yield lab.host("A")


@pytest.mark.kernel
@pytest.mark.parametrize("kept", [[], sorted(FIREWALL), [Capability.NET_BIND_SERVICE]])
def test_what_is_given_up_is_gone_for_every_program_that_follows(host, kept):
    """Effective, permitted, inheritable and bounding set are what was kept, and no program gains anything."""
    done = host.run([sys.executable, "-c", SCRIPT % [int(one) for one in kept]])
    *sets, no_new = done.stdout.split()

    assert [int(one, 16) for one in sets] == [mask(kept)] * 4
    assert no_new == "1"


@pytest.mark.kernel
def test_what_was_never_had_is_not_kept(host):
    """Asking for it is no error: the programs say later what they lack."""
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-c", SCRIPT % [12, 13]]
    done = host.run(command)

    assert [int(one, 16) for one in done.stdout.split()[:4]] == [0] * 4


def test_the_sets_are_read_from_the_kernel():
    """As bits; of a process that is not there, none."""
    text = subprocess.run(["sh", "-c", TELL], capture_output=True, text=True, check=True).stdout

    assert effective() == int(text.split()[1], 16)
    assert effective(2**22 + 1) == 0
    assert mask(FIREWALL) == 1 << 12 | 1 << 13
    assert has([])
