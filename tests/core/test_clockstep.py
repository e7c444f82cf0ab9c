"""Whether a clock that jumped is right now."""

import pytest

from p2pfw.core.clockstep import PATIENCE, is_right


@pytest.mark.parametrize(
    ("jump", "offsets", "since", "right"),
    [
        (3_600, [3_600.4], 0, True),
        (3_600, [3_580, 3_610, -9e9], 0, True),
        (3_600, [0.2], 0, False),
        (3_600, [0.2], 10 * PATIENCE, False),
        (3_600, [1_000], 0, None),
        (3_600, [1_000], PATIENCE, True),
        (-86_400, [], PATIENCE - 1, None),
        (-86_400, [], PATIENCE, True),
    ],
)
def test_peers_know_and_else_patience(jump, offsets, since, right):
    """Their median, near the new time or near the old one; a jump that nobody can judge is believed in the end."""
    assert is_right(jump, offsets, since) is right
