"""The benchmarks work: each runs to its rows with tiny counts. What the figures are is nobody's business here."""

import subprocess
import sys
from dataclasses import replace

import pytest

from bench.__main__ import BENCHMARKS, run
from bench.measure import QUICK, paired
from bench.table import TITLES, Row, markdown, number, plain
from tests.netns import lab_or_skip

TINY = replace(QUICK, entries=256, blocks=2, networks=2)
PURE = ("record", "judge", "memory")


@pytest.mark.parametrize("name", PURE)
def test_a_benchmark_of_the_core_gives_rows(name):
    """Ours, what stands beside it, and their ratio."""
    rows = run([name], TINY)

    assert rows
    assert all(row.ours and row.beside and row.ratio for row in rows)
    assert not any(row.ours.startswith("failed") for row in rows)


def test_attacks_give_both_shares_side_by_side():
    """Four networks, with and without honest errors, nought to three liars."""
    rows = run(["attacks"], TINY)

    assert len(rows) == 32
    assert all("/" in row.ours and row.beside.count("/") == 3 for row in rows)
    assert all(row.met for row in rows if row.target)


def test_a_benchmark_on_real_kernels_gives_rows():
    """The same way as the other five of its kind: a lab, nodes, bare programs."""
    lab_or_skip().close()
    rows = run(["local"], TINY)

    assert [row.what.rpartition("one ")[2] for row in rows] == ["ipset add", "iptables -A"]
    assert all("p50" in row.ours and "p50" in row.beside for row in rows)


def test_packets_through_real_rules_give_rows():
    """Every size of set, and linear rules, beside no rule."""
    lab_or_skip().close()
    rows = run(["packets"], TINY)

    assert sum("our rule" in row.what for row in rows) == 4
    assert sum("one an address" in row.what for row in rows) == 2
    assert all(row.ratio for row in rows)


def test_one_that_fails_is_told_and_stops_no_other(monkeypatch):
    """A row that says why."""

    def broken(_):
        yield Row(what="before", ours="1")
        raise ValueError("no such thing")

    monkeypatch.setitem(BENCHMARKS, "broken", broken)
    monkeypatch.setitem(BENCHMARKS, "whole", lambda _: iter([Row(what="after", ours="2")]))
    rows = run(["broken", "whole"], TINY)

    assert [row.ours for row in rows] == ["1", "failed: no such thing", "2"]


def test_ratios_are_those_of_each_turn():
    """The median of the ratios, not the ratio of the medians: a machine that got busy half-way moves neither."""
    ours, other = iter([1.0, 2.0, 30.0]), iter([1.0, 1.0, 10.0])
    pair = paired(3, lambda: next(ours), lambda: next(other))

    assert (pair.ours, pair.other, pair.ratio) == (2.0, 1.0, 2.0)


def test_tables_have_every_cell():
    """In columns for people, in bars for documents."""
    row = Row(what="a", ours="b", beside="c", ratio="d", target="e", met=False)

    assert plain([row]).splitlines()[1].split() == ["a", "b", "c", "d", "e", "NO"]
    assert [line.count("|") for line in markdown([row]).splitlines()] == [len(TITLES) + 1] * 3


@pytest.mark.parametrize(
    "value, text", [(412_345, "412,000"), (1_000, "1,000"), (123.4, "123"), (12.34, "12.3"), (0.4567, "0.457")]
)
def test_numbers_have_three_digits(value, text):
    """More would be noise."""
    assert number(value) == text


def test_an_unknown_name_is_refused():
    """Before anything runs."""
    done = subprocess.run([sys.executable, "-m", "bench", "nonsense"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "no such benchmark: nonsense" in done.stderr
