"""`python -m bench [NAME...]`: run the benchmarks, all by default, and print one table.

--quick  tiny counts, one run each: to see that they work, never for figures
--markdown  rows for docs/benchmarks.md
--list  the names
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence

from bench import asking, attacks, bouncers, bulk, drops, kernel, lists, million, pure, rfwlist, singles, through, weigh
from bench.measure import FULL, QUICK, Scale, machine
from bench.table import Row, markdown, plain

BENCHMARKS: dict[str, Callable[[Scale], Iterator[Row]]] = {
    "record": pure.record,
    "judge": pure.judge,
    "attacks": attacks.attacks,
    "memory": weigh.memory,
    "local": drops.local,
    "singles": singles.singles,
    "neighbour": drops.neighbour,
    "kernel": kernel.changes,
    "million": million.million,
    "packets": through.packets,
    "import": bulk.import_list,
    "lists": lists.lists,
    "why": asking.why,
    "command": asking.command,
    "list": rfwlist.listing,
    "crowdsec": bouncers.crowdsec,
}


def run(names: Sequence[str], scale: Scale) -> list[Row]:
    """All rows; one benchmark that fails is a row that says so, and the others go on."""
    rows: list[Row] = []
    for name in names:
        begin = time.monotonic()
        print(f"{name} ...", end="", file=sys.stderr, flush=True)
        try:
            rows += BENCHMARKS[name](scale)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is one benchmark's
            traceback.print_exc()
            rows.append(Row(what=name, ours=f"failed: {error}".splitlines()[0], met=False))
        print(f" {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return rows


def main() -> int:
    """0 when everything ran, whatever the figures; 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The budgets of the design, measured.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="tiny counts: to see that they work, never for figures")
    parser.add_argument("--markdown", action="store_true", help="rows for docs/benchmarks.md")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    given = parser.parse_args()
    if given.list:
        print(*BENCHMARKS, sep="\n")
        return 0
    unknown = set(given.names) - BENCHMARKS.keys()
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    before = machine()
    rows = run(given.names or list(BENCHMARKS), QUICK if given.quick else FULL)
    print(f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, {before}" + (" -- QUICK" if given.quick else ""))
    print()
    print(markdown(rows) if given.markdown else plain(rows))
    return any(row.ours.startswith("failed") for row in rows)


if __name__ == "__main__":
    sys.exit(main())
