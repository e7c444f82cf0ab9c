"""When certificates begin and end, in order: what changes next, and what changed since.

Two sorted lists, because the questions are asked at every tick and certificates change rarely. Pure bookkeeping; what a
beginning or an end means is directory's business.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from operator import itemgetter

from p2pfw.core.identity import CARRIED_AFTER, CLOCK_SLACK, Certificate, NodeId

_Moments = list[tuple[int, NodeId]]
_time = itemgetter(0)


class Validity:
    """Beginnings and ends of certificates, one certificate a node at most. Times in Unix seconds."""

    __slots__ = ("_begins", "_ends")

    def __init__(self) -> None:
        self._begins: _Moments = []
        self._ends: _Moments = []

    def add(self, certificate: Certificate) -> None:
        """A certificate holds from now on."""
        insort(self._begins, (certificate.not_before, certificate.node))
        insort(self._ends, (certificate.not_after, certificate.node))

    def remove(self, certificate: Certificate) -> None:
        """A certificate that was added holds no longer."""
        del self._begins[bisect_left(self._begins, (certificate.not_before, certificate.node))]
        del self._ends[bisect_left(self._ends, (certificate.not_after, certificate.node))]

    def next_after(self, now: float) -> float | None:
        """The next time at which a certificate becomes valid, ends, or is no longer carried."""
        moments = (
            _after(self._begins, now, -CLOCK_SLACK),
            _after(self._ends, now, 0),
            _after(self._ends, now, CARRIED_AFTER),
        )
        return min((moment for moment in moments if moment is not None), default=None)

    def between(self, then: float, now: float) -> Iterator[NodeId]:
        """Nodes whose certificate became valid, ended, or stopped being carried in (then, now]; some more than once."""
        for moments, offset in ((self._begins, -CLOCK_SLACK), (self._ends, 0), (self._ends, CARRIED_AFTER)):
            first = bisect_right(moments, then - offset, key=_time)
            last = bisect_right(moments, now - offset, key=_time)
            yield from (node for _, node in moments[first:last])

    def ended(self, now: float) -> Iterator[NodeId]:
        """Nodes whose certificate is not even carried any more, the longest ended first."""
        last = bisect_right(self._ends, now - CARRIED_AFTER, key=_time)
        return (node for _, node in self._ends[:last])


def _after(moments: _Moments, now: float, offset: int) -> float | None:
    place = bisect_right(moments, now - offset, key=_time)
    return moments[place][0] + offset if place < len(moments) else None
