"""One row a figure: what was measured, ours, what stands beside it, their ratio, the target. Only the form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TITLES = ("what", "ours", "beside it", "ratio", "target", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the table. `met`: whether the target is; None where there is none."""

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    target: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """As text."""
        mark = {True: "yes", False: "NO", None: ""}[self.met]
        return self.what, self.ours, self.beside, self.ratio, self.target, mark


def plain(rows: Iterable[Row]) -> str:
    """In columns, for people."""
    lines = [TITLES, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(TITLES))]
    return "\n".join(_line(line, widths) for line in lines)


def markdown(rows: Iterable[Row]) -> str:
    """For docs/benchmarks.md."""
    lines = [(*TITLES[:-1], "met"), ("---",) * len(TITLES), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float) -> str:
    """Three digits that mean something, thousands apart: 412,000, 12.3, 0.45."""
    if value >= 1000:
        digits = len(str(int(value))) - 3
        return f"{round(value / 10**digits) * 10**digits:,}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
