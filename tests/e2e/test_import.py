"""A list of 100,000: how soon the other kernel has it, what it costs, and how soon it is back after a restart."""

import threading
import time

import pytest

from tests.e2e.fleet import until
from tests.e2e.shapes import firehol

ENTRIES = 100_000
BASE = 70_000_000
PER_ENTRY = 300
"""Bytes of memory that a node at rest may take: the whole, and for each entry (design, budgets)."""


@pytest.mark.alone
def test_a_hundred_thousand_reach_the_others_kernel(fleet, figure):
    """Imported on A, in the kernels of A and B whole; both stay within their memory; B has all after a restart."""
    entries = ENTRIES
    text, members = firehol(entries)
    took = import_until_installed(fleet, text, entries)
    figure(f"{entries} entries in B's kernel {took:.1f} s after the import began on A")
    assert fleet.a.installed().keys() == fleet.b.installed().keys() == members

    for server in (fleet.a, fleet.b):
        peak, lag = server.resident(), server.api.status()["loop_lag_ms"]
        until(lambda one=server: one.resident() <= BASE + PER_ENTRY * entries)
        rest = server.resident()
        figure(f"{server.name}: {peak / 1e6:.0f} MB, then {rest / 1e6:.0f} MB, longest stall of its loop {lag:.0f} ms")

    for lost in (False, True):
        fleet.b.kill()
        if lost:
            fleet.b.forget_kernel()
        begun = time.monotonic()
        fleet.b.start()
        until(lambda: fleet.b.api.request("GET", "/readyz").status == 200, patience=120)
        kernel = "the kernel's sets lost" if lost else "the kernel's sets kept"
        figure(f"restart with {entries} entries, {kernel}: installed after {time.monotonic() - begun:.1f} s")
        assert fleet.b.installed().keys() == members
    figure(f"B after its restart: {fleet.b.resident() / 1e6:.0f} MB")
    until(lambda: fleet.b.resident() <= BASE + PER_ENTRY * entries)


def import_until_installed(fleet, text, entries):
    """Seconds from the start of the import on A until B's kernel holds so many entries more."""
    before = held(fleet.b)
    answers = []
    begun = time.monotonic()
    path = "/v1/import?format=plain&ttl=1d"
    importing = threading.Thread(target=lambda: answers.append(fleet.a.api.request("POST", path, text.encode())))
    importing.start()
    until(lambda: held(fleet.b) >= before + entries, patience=120)
    took = time.monotonic() - begun
    importing.join()
    assert answers[0].lines[-1]["stage"] == "installed", answers
    return took


def held(server):
    """How many entries the kernel's IPv4 block set counts, without listing them."""
    header = server.host.run(["ipset", "list", "p2pfw-block4", "-t"], check=False).stdout
    return int(header.rpartition("Number of entries:")[2].split()[0]) if "Number of entries:" in header else 0
