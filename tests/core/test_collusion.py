"""The collusion number: the fewest owners who could together make this node block something."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.collusion import WIDTHS, cheapest, voices_of
from p2pfw.core.identity import OwnerId
from p2pfw.core.prefix import truncate
from p2pfw.core.verdict import Decision
from p2pfw.core.vouch import Vouch
from tests.core.judging import HOST, MINE, NOW, owner, policy, said, table


@given(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.3, 0.4, 0.9, 1.0]), max_size=6), st.sampled_from([0, 4, 8]))
def test_no_smaller_coalition_gets_it_adopted_and_the_named_one_does(values, width):
    """Against every subset, judged by the policy itself."""
    names = [f"o{number}" for number in range(len(values))]
    trust = table(**dict(zip(names, values, strict=True)))
    judge, prefix = policy(trust), truncate(HOST, 32 - width)

    found = cheapest(voices_of(trust), width)

    def adopts(some):
        told = [said(name) for name in some]
        return judge.judge(prefix, told, NOW).decision is Decision.ADOPT

    able = [len(some) for n in range(len(names) + 1) for some in combinations(names, n) if adopts(some)]
    assert found.number == (min(able) if able else None)
    if found.number:
        assert adopts([name for name in names if owner(name) in found.owners])


def test_whom_somebody_vouches_for_adds_nothing():
    """One voice with its sponsor; whom this operator's own owner vouches for are one voice together."""
    trust = table(v=0.4)
    for by, subject in ((owner("v"), "a"), (MINE, "b"), (MINE, "c")):
        word = Vouch(voucher=by, subject=owner(subject), level=100, created=NOW, expires=NOW + 9, signature=bytes(64))
        trust.vouches.learn(word, NOW)
        trust.settle(owner(subject), NOW)

    assert [value for value, _ in voices_of(trust)] == [0.4, 0.25]
    assert cheapest(voices_of(trust), 0).number is None
    assert cheapest(voices_of(trust), 0).score == 0.55


def test_every_width_that_is_asked_has_its_threshold():
    """/32, /28, /24 and their peers of IPv6."""
    strong = [(0.9, OwnerId(bytes([n]) * 32)) for n in range(5)]

    asked = {name: cheapest(strong, width) for name, width in WIDTHS.items()}

    assert [(one.number, one.threshold, one.needed) for one in asked.values()] == [
        (1, 0.6, 1),
        (2, 0.76, 2),
        (2, 0.92, 2),
        (3, 0.95, 3),
    ]
