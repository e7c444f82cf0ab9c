"""The dry run keeps the port's promises in memory, and claims nothing."""

from p2pfw.core.prefix import Prefix
from p2pfw.firewall.dryrun import DryRunFirewall
from tests.firewall.fake_kernel import FakeClock

NOW = 1_700_000_000
A, B, C = (Prefix.parse(text).key for text in ("203.0.113.9", "198.51.100.0/24", "203.0.113.10"))
SIX = Prefix.parse("2001:db8:bad::/48").key


async def test_it_holds_what_would_be_installed():
    """The same plan and membership as the real one's."""
    firewall = DryRunFirewall(FakeClock(), 10)
    await firewall.start()
    await firewall.allow([B])
    await firewall.replace({A: NOW + 10, SIX: 0})
    await firewall.apply({B: NOW + 20}, [SIX])
    await firewall.enforce()

    assert await firewall.membership() == {A: NOW + 10, B: NOW + 20}
    assert firewall.allowed == {B}
    assert await firewall.counters(A) == (0, 0)
    assert await firewall.counters(SIX) is None


async def test_it_never_claims_to_enforce():
    """Promise 5: nothing is dropped, so `enforcing` is False, also after `enforce`."""
    firewall = DryRunFirewall(FakeClock(), 10)
    await firewall.replace({A: NOW + 10, SIX: NOW + 10})
    await firewall.enforce()
    report = await firewall.check(1, 1)

    assert not report.enforcing
    assert (report.entries4, report.entries6, report.repaired) == (1, 1, ())


async def test_its_entries_expire():
    """As the kernel's would."""
    clock = FakeClock()
    firewall = DryRunFirewall(clock, 10)
    await firewall.replace({A: NOW + 10, B: 0, C: NOW - 1})
    clock.at = NOW + 10.0

    assert await firewall.membership() == {B: 0}


async def test_it_is_as_small_as_the_real_one():
    """Best first up to the limit, a family each; renewals need no room; the rest is counted."""
    firewall = DryRunFirewall(FakeClock(), 1)
    short = await firewall.replace({A: NOW + 10, B: NOW + 10, SIX: NOW + 10})
    await firewall.apply({A: NOW + 99}, [])

    assert short.no_room == {B}
    assert await firewall.membership() == {A: NOW + 99, SIX: NOW + 10}


async def test_release_forgets_everything():
    """Panic on a dry run."""
    firewall = DryRunFirewall(FakeClock(), 10)
    await firewall.allow([A])
    await firewall.replace({A: NOW + 10})
    await firewall.release()

    assert await firewall.membership() == {}
    assert firewall.allowed == frozenset()
