"""Who was away has it soon after it is back: a stopped node, and one whose network was cut."""

import time

from tests.e2e.fleet import until

BLOCKS = 500


def blocks(second):
    """Addresses in two /24s."""
    # One host a network: C believes one voice no more than sixteen hosts of a /24.
    return [f"{53 + n // 250}.{second}.{n % 250}.1" for n in range(BLOCKS)]


def test_a_stopped_node_has_what_it_missed(fleet, figure):
    """500 blocks while B was down are in its kernel soon after its first session."""
    missed = blocks(1)
    fleet.b.stop()
    for prefix in missed:
        fleet.a.api.block(prefix)
    fleet.b.start()
    fleet.b.meets()
    session = time.monotonic()
    fleet.b.has(*missed)

    figure(f"{BLOCKS} missed blocks in the kernel {time.monotonic() - session:.2f} s after the session began")


def test_a_cut_network_costs_nothing_but_time(fleet, figure):
    """500 blocks while B's cable was out are in its kernel soon after it is back in."""
    missed = blocks(2)
    fleet.b.host.cut()
    for prefix in missed:
        fleet.a.api.block(prefix)
    fleet.c.has(*missed)
    assert not set(missed) & fleet.b.installed().keys()
    fleet.b.host.mend()
    mended = time.monotonic()
    fleet.b.has(*missed)

    figure(f"{BLOCKS} missed blocks in the kernel {time.monotonic() - mended:.2f} s after the cable was back")


def test_what_was_taken_back_meanwhile_is_taken_back(fleet):
    """An unblock while B was down holds on B before anything else: it never installs what it missed both sides of."""
    lifted, kept = "53.3.0.1", "53.3.0.2"
    fleet.a.api.block(lifted, kept)
    fleet.b.has(lifted, kept)
    fleet.b.stop()
    fleet.a.api.unblock(lifted)
    fleet.b.start()

    fleet.b.lacks(lifted)
    assert kept in fleet.b.installed()
    assert until(lambda: not fleet.b.api.why(lifted)["blocked"])
